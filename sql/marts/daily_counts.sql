-- Counts behind kpi_daily.
-- grain: one row per local_date
-- kept: private
-- renewed: by sums
-- column: local_date        day in the configured time zone
-- column: event_count       events
-- column: customer_count    customers with an event of their own
-- column: session_count     sessions that began
-- column: journey_count     journeys that began
-- column: converted_count   journeys that reached the goal first on this day
-- column: valued_count      journeys of these that have a value
-- column: won_value         the sum of these values
with daily as (
    select
        local_date,
        count(*) as event_count,
        count(
            distinct case when coalesce(initiator, 'customer') = 'customer' and not is_background then customer_id end
        ) as customer_count,
        count(case when event_id = session_id then 1 end) as session_count,
        count(case when event_id = journey_id then 1 end) as journey_count
    from events
    group by local_date
),

won as (
    select
        cast(timezone($timezone, timezone('UTC', converted_at)) as date) as local_date,
        count(*) as converted_count,
        count("value") as valued_count,
        sum(cast("value" as decimal(18, 4))) as won_value
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
    coalesce(w.valued_count, 0) as valued_count,
    cast(coalesce(w.won_value, 0) as decimal(38, 4)) as won_value
from daily as d
left join won as w on d.local_date = w.local_date
