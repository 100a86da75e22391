-- The distinct combinations of identifiers in a batch, normalised and keyed-hashed.
-- grain: one row per identifiers
-- kept: batch
-- column: identifiers    the combination as it was read; never leaves the batch
-- column: identity_key   key of the combination: the hash itself, or a hash of the sorted hashes
-- column: hashed         the identifiers as (identifier_type, identifier_hash, specificity, is_poisoned)
with combinations as (
    select distinct identifiers
    from read_items
    where identifiers is not null
),

-- One row an identifier, in normal form; one without a kind or a content names nobody.
normalised as (
    select
        identifiers,
        unnested.kind as identifier_type,
        identifier_normal(unnested.kind, unnested.content) as normal
    from combinations, unnest(identifiers) as u (unnested)
    where unnested.kind is not null and unnested.content is not null and trim(unnested.content) <> ''
),

hashed as (
    select distinct
        identifiers,
        identifier_type,
        identifier_hash_of(identifier_type, normal, $inner_pad, $outer_pad) as identifier_hash,
        is_poisoned(identifier_type, normal) or lower(normal) in (select unnest($poisoned)) as is_poisoned
    from normalised
    where normal is not null
)

select
    identifiers,
    case
        when count(*) = 1 then min(identifier_hash)
        else cast(md5(string_agg(cast(identifier_hash as varchar), ',' order by identifier_hash)) as uuid)
    end as identity_key,
    list({
        'identifier_type': identifier_type,
        'identifier_hash': identifier_hash,
        'specificity': identifier_specificity(identifier_type),
        'is_poisoned': is_poisoned
    }) as hashed
from hashed
group by identifiers
