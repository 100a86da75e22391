-- The customers of the first stage of the funnel are those with a mapped contact among the events.
-- severity: stop
with in_funnel as (
    select entered
    from stage_funnel
    where unit = 'customers'
        and stage_number = 1
),

in_events as (
    select count(distinct e.customer_id) as customer_count
    from events as e
    inner join journeys as j on e.journey_id = j.journey_id
    where e.stage is not null
        and not e.is_background
        and not j.is_flagged
)

select
    f.entered as in_funnel,
    e.customer_count as in_events
from in_funnel as f
cross join in_events as e
where f.entered <> e.customer_count
