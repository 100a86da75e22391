-- Journeys that a person makes.
select
    j.journey_id,
    j.customer_id,
    j.state,
    j.entry_channel
from journeys as j
where not j.is_flagged
order by j.journey_id
