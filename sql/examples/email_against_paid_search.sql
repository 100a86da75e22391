-- question: What do customers who came in through an e-mail do otherwise than those of a paid search?
-- reading: One row a feature, the surest differences first. `difference` is e-mail minus paid search, in shares of customers;
-- reading: one interval in twenty excludes 0 by chance. Customers who came in both ways are left out.
select
    c.kind,
    c.feature,
    c.rate_a as email_rate,
    c.rate_b as paid_search_rate,
    c.difference,
    c.low as difference_low,
    c.high as difference_high
from compare('entry_channel', 'email', 'paid_search') as c
where c.kind in ('touchpoint', 'stage')
