-- A source keeps more of its items in quarantine than expected (audits.quarantined).
-- severity: warn
with counted as (
    select
        source,
        sum(quarantined_count) as quarantined_count,
        sum(item_count) as item_count
    from source_files
    group by source
)

select
    source,
    quarantined_count,
    item_count
from counted
where exceeds(quarantined_count, $quarantined * item_count)
