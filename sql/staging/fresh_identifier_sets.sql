-- Combinations of identifiers in the batch that the store does not know yet, one row an identifier.
-- grain: one row per identity_key, identifier_hash
-- kept: batch
with used as (
    select distinct identity_key
    from staged_items
    where reject_reason is null
        and identity_key is not null
        and identity_key not in (select identity_key from identifier_sets)
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
