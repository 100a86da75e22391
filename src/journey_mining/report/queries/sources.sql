-- What each source delivered: records = events + duplicates + quarantined + refused.
select
    source,
    system,
    count(*) as file_count,
    sum(record_count)::bigint as record_count,
    sum(event_count)::bigint as event_count,
    sum(duplicate_count)::bigint as duplicate_count,
    sum(quarantined_count)::bigint as quarantined_count,
    sum(refused_count)::bigint as refused_count,
    min(first_event_at) as first_event_at,
    max(last_event_at) as last_event_at
from source_files
group by source, system
order by source, system
