-- Combinations of identifiers in the batch that the store does not know yet, one row an identifier.
-- grain: one row per identity_key, identifier_hash
-- kept: batch
with used as (
    select distinct i.identity_key
    from staged_items as i
    left join identifier_sets as s on i.identity_key = s.identity_key
    where i.reject_reason is null
        and i.identity_key is not null
        and s.identity_key is null
),

combinations as (
    select distinct i.identity_key, i.hashed
    from identifier_lists as i
    inner join used as u on i.identity_key = u.identity_key
)

select distinct
    identity_key,
    unnested.identifier_type,
    unnested.identifier_hash,
    unnested.specificity,
    unnested.is_poisoned
from combinations, unnest(hashed) as h (unnested)
