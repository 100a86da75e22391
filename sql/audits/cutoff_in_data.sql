-- With a retention, the cutoff lies at most a day after the latest event: the retention is counted from that event.
-- severity: warn
with latest as (
    select max(occurred_us) as occurred_us
    from events
)

select
    make_timestamp(occurred_us) as latest_event_at,
    ($cutoff_us - occurred_us) // 86400000000 as days_after
from latest
where $has_retention and $cutoff_us - occurred_us > 86400000000
