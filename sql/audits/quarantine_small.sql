-- A source keeps more than one record in a hundred in quarantine.
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
where quarantined_count > 0.01 * item_count
