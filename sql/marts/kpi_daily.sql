-- Figures by day in the configured time zone.
-- grain: one row per local_date
-- column: local_date        day in the configured time zone
-- column: event_count       events
-- column: customer_count    customers with an event of their own
-- column: session_count     sessions that began
-- column: journey_count     journeys that began
-- column: converted_count   journeys that reached the goal first on this day
-- column: value             value of the journeys that are counted in converted_count
with daily as (
    select
        local_date,
        count(*) as event_count,
        count(distinct case when initiator = 'customer' and not is_background then customer_id end) as customer_count,
        count(case when event_id = session_id then 1 end) as session_count,
        count(case when event_id = journey_id then 1 end) as journey_count
    from events
    group by local_date
),

won as (
    select
        cast(timezone($timezone, timezone('UTC', converted_at)) as date) as local_date,
        count(*) as converted_count,
        cast(sum(cast("value" as decimal(18, 4))) as double) as won_value
    from journeys
    where converted_at is not null
    group by cast(timezone($timezone, timezone('UTC', converted_at)) as date)
)

select
    d.local_date,
    d.event_count,
    d.customer_count,
    d.session_count,
    d.journey_count,
    coalesce(w.converted_count, 0) as converted_count,
    w.won_value as "value"
from daily as d
left join won as w on d.local_date = w.local_date
order by d.local_date
