-- Nothing is lost: in every file that was read, items = events + duplicates + quarantined + refused, and every record has an item.
-- severity: stop
select
    source,
    path,
    record_count,
    item_count,
    event_count,
    duplicate_count,
    quarantined_count,
    refused_count
from source_files
where status not in ('lookup', 'unrecognised')
    and (
        item_count <> event_count + duplicate_count + quarantined_count + refused_count
        or item_count < record_count
    )
