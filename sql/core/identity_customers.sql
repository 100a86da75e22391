-- Which customer an event belongs to, by its combination of identifiers: the most specific one that is not shared.
-- grain: one row per identity_key
-- kept: private
-- renewed: by identity_key
-- column: identity_key   combination of identifiers
-- column: customer_id    the customer
-- column: is_shared      only shared identifiers were there
with ranked as (
    select
        s.identity_key,
        i.customer_id,
        i.is_shared,
        row_number() over (
            partition by s.identity_key order by i.is_shared, i.specificity, i.identifier_hash
        ) as preference
    from identifier_sets as s
    inner join identities as i on s.identifier_hash = i.identifier_hash
)

select
    identity_key,
    customer_id,
    is_shared
from ranked
where preference = 1
