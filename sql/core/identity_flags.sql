-- Identifiers that link nobody: shared devices and inboxes, and values that name nobody.
-- grain: one row per identifier_hash
-- renewed: by identifier_hash
-- column: identifier_hash   keyed hash of the identifier
-- column: identifier_type   cookie, user_id, email, …
-- column: reason            shared (linked to too many of one kind) or poisoned (a value that names nobody)
-- column: link_count        identifiers of one kind that it was seen with
-- column: event_count       events that carry it
with trusted as (
    select s.identity_key, s.identifier_hash, i.identifier_type
    from identifier_sets as s
    inner join identity_keys as k on s.identity_key = k.identity_key
    inner join identifiers as i on s.identifier_hash = i.identifier_hash
    where not i.is_poisoned
),

-- Only combinations of two and more say anything about links.
combined as (
    select identity_key
    from trusted
    group by identity_key
    having count(*) > 1
),

pairs as (
    select distinct
        a.identifier_hash,
        a.identifier_type,
        b.identifier_type as other_type,
        b.identifier_hash as other_hash
    from combined as c
    inner join trusted as a on c.identity_key = a.identity_key
    inner join trusted as b on c.identity_key = b.identity_key
    where a.identifier_hash <> b.identifier_hash
),

counted as (
    select
        identifier_hash,
        identifier_type,
        other_type,
        count(*) as link_count
    from pairs
    group by identifier_hash, identifier_type, other_type
),

-- One person may have many devices; many accounts on one identifier are many people.
crowded as (
    select
        identifier_hash,
        max(link_count) as link_count
    from counted
    where link_count > $max_links
        or (other_type = 'user_id' and identifier_type <> 'user_id' and link_count > $max_user_ids)
    group by identifier_hash
)

select
    i.identifier_hash,
    i.identifier_type,
    case when i.is_poisoned then 'poisoned' else 'shared' end as reason,
    coalesce(c.link_count, 0) as link_count,
    i.event_count
from identifiers as i
left join crowded as c on i.identifier_hash = c.identifier_hash
where i.is_poisoned
    or c.identifier_hash is not null
