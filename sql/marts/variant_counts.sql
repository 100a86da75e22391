-- Counts behind variants.
-- grain: one row per variant_id, variant, step_count
-- kept: private
-- renewed: by sums
-- column: variant_id        hash of the sequence
-- column: variant           the sequence, joined by ' > '
-- column: step_count        steps
-- column: journey_count     journeys
-- column: customer_count    customers
-- column: converted_count   journeys that reached the goal
-- column: dropped_count     journeys that expired without it
with counted as (
    select
        variant_id,
        min(step_count) as step_count,
        count(*) as journey_count,
        count(distinct customer_id) as customer_count,
        count(case when state = 'converted' then 1 end) as converted_count,
        count(case when state = 'dropped_off' then 1 end) as dropped_count,
        min(journey_id) as example_id
    from journeys
    where not is_flagged
    group by variant_id
),

spelled as (
    select
        c.variant_id,
        string_agg(s.touchpoint, ' > ' order by s.step_number) as variant
    from counted as c
    inner join journey_steps as s on c.example_id = s.journey_id
    group by c.variant_id
)

select
    c.variant_id,
    s.variant,
    c.step_count,
    c.journey_count,
    c.customer_count,
    c.converted_count,
    c.dropped_count
from counted as c
inner join spelled as s on c.variant_id = s.variant_id
