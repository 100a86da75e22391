-- Which customer each identifier belongs to: its component's earliest identifier names the customer.
-- grain: one row per identifier_hash
-- kept: private
-- renewed: by identifier_hash
-- column: identifier_hash   keyed hash
-- column: identifier_type   cookie, user_id, email, …
-- column: specificity       lower is more specific to one person
-- column: is_shared         flagged: links nobody, and is a customer of its own
-- column: customer_id       the customer
with grouped as (
    select
        i.identifier_hash,
        i.identifier_type,
        i.specificity,
        i.first_seen_us,
        f.identifier_hash is not null as is_shared,
        coalesce(c.component_hash, i.identifier_hash) as component_hash
    from identifiers as i
    left join identity_components as c on i.identifier_hash = c.identifier_hash
    left join identity_flags as f on i.identifier_hash = f.identifier_hash
    where not i.is_poisoned
)

select
    identifier_hash,
    identifier_type,
    specificity,
    is_shared,
    first_value(identifier_hash) over (
        partition by component_hash order by first_seen_us, identifier_hash
        rows between unbounded preceding and unbounded following
    ) as customer_id
from grouped
