-- Every identifier seen up to the cutoff, with when it was first seen.
-- grain: one row per identifier_hash
-- kept: private
-- renewed: by identifier_hash
-- column: identifier_hash   keyed hash
-- column: identifier_type   cookie, user_id, email, …
-- column: specificity       lower is more specific to one person
-- column: is_poisoned       a value that names nobody
-- column: first_seen_us     first event that carries it, microseconds UTC
-- column: event_count       events that carry it
select
    s.identifier_hash,
    min(s.identifier_type) as identifier_type,
    min(s.specificity) as specificity,
    bool_or(s.is_poisoned) as is_poisoned,
    min(k.first_seen_us) as first_seen_us,
    cast(sum(k.event_count) as bigint) as event_count
from identifier_sets as s
inner join identity_keys as k on s.identity_key = k.identity_key
group by s.identifier_hash
