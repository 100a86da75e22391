-- The customers of the first stage of the funnel are those with a mapped contact among the events.
-- severity: stop
with in_funnel as (
    select entered
    from stage_funnel
    where unit = 'customers'
        and stage_number = 1
),

flagged as (
    select journey_id
    from journeys
    where is_flagged
),

in_events as (
    select count(distinct e.customer_id) as customer_count
    from events as e
    left join flagged as f on e.journey_id = f.journey_id
    where e.stage is not null
        and not e.is_background
        and e.journey_id is not null
        and f.journey_id is null
)

select
    f.entered as in_funnel,
    e.customer_count as in_events
from in_funnel as f
cross join in_events as e
where f.entered <> e.customer_count
