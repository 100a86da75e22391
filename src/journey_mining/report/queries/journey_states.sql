-- Journeys by state; matured means converted or dropped off, median over converted journeys.
select
    count(*) as journey_count,
    count(distinct customer_id) as customer_count,
    count(*) filter (where state = 'converted') as converted,
    count(*) filter (where state = 'dropped_off') as dropped_off,
    count(*) filter (where state = 'open') as open,
    median(epoch(converted_at) - epoch(started_at)) filter (where state = 'converted') as median_seconds,
    sum(value) as value,
    min(started_at) as first_started_at,
    max(ended_at) as last_ended_at,
from journeys
