-- Figures by day in the configured time zone.
-- grain: one row per local_date
-- column: local_date        day in the configured time zone
-- column: event_count       events
-- column: customer_count    customers with an event of their own
-- column: session_count     sessions that began
-- column: journey_count     journeys that began
-- column: converted_count   journeys that reached the goal first on this day
-- column: value             value of the journeys that are counted in converted_count
select
    local_date,
    event_count,
    customer_count,
    session_count,
    journey_count,
    converted_count,
    case when valued_count > 0 then cast(won_value as double) end as "value"
from daily_counts
order by local_date
