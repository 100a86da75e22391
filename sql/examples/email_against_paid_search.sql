-- question: What do journeys that begin with an e-mail do otherwise than those that begin with a paid search?
-- reading: The first row compares conversion, the others the share of journeys that reach a touchpoint. `difference` is
-- reading: e-mail minus paid search; is_clear says that the interval does not hold 0 (one in twenty does so by chance).
select
    c.measure,
    c.touchpoint,
    c.first_rate as email_rate,
    c.second_rate as paid_search_rate,
    c.difference,
    c.difference_low,
    c.difference_high,
    c.is_clear
from compare('entry_channel', 'email', 'paid_search') as c
