-- Combinations of identifiers that events up to the cutoff carry.
-- grain: one row per identity_key
-- kept: private
-- renewed: by identity_key
-- column: identity_key    combination of identifiers
-- column: first_seen_us   first event that carries it, microseconds UTC
-- column: event_count     events that carry it
select
    identity_key,
    min(occurred_us) as first_seen_us,
    count(*) as event_count
from staged_events
where identity_key is not null
    and occurred_us <= $cutoff_us
group by identity_key
