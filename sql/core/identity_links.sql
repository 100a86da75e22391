-- Evidence that two identifiers belong to one customer: they were seen together and neither is flagged.
-- grain: one row per left_hash, right_hash
-- kept: private
-- renewed: by left_hash
-- column: left_hash      the most specific identifier of the combination
-- column: right_hash     another one
-- column: identity_key   a combination that shows both
with trusted as (
    select
        s.identity_key,
        s.identifier_hash,
        s.specificity
    from identifier_sets as s
    inner join identity_keys as k on s.identity_key = k.identity_key
    inner join identifiers as i on s.identifier_hash = i.identifier_hash
    left join identity_flags as f on s.identifier_hash = f.identifier_hash
    where f.identifier_hash is null
),

hubs as (
    select
        *,
        first_value(identifier_hash) over (
            partition by identity_key order by specificity, identifier_hash
            rows between unbounded preceding and unbounded following
        ) as hub_hash
    from trusted
)

select
    hub_hash as left_hash,
    identifier_hash as right_hash,
    min(identity_key) as identity_key
from hubs
where hub_hash <> identifier_hash
group by hub_hash, identifier_hash
