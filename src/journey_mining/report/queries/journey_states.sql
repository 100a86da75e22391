-- Journeys by state, flagged ones left out; median over converted journeys.
select
    count(*) as journey_count,
    (select count(*) from customers) as customer_count,
    count(*) filter (where state = 'converted') as converted,
    count(*) filter (where state = 'dropped_off') as dropped_off,
    count(*) filter (where state = 'open') as open,
    median(epoch(converted_at) - epoch(started_at)) filter (where state = 'converted') as median_seconds,
    sum(value) as value,
    min(started_at) as first_started_at,
    max(ended_at) as last_ended_at
from journeys
where not is_flagged
