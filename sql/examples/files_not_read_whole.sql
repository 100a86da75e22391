-- question: Which delivered files held records that could not be used, and why?
-- reading: One row a file with something in quarantine; records = events + duplicates + quarantined (+ lookups). An empty
-- reading: answer means that every record was read. `journey-mining quarantine` shows the lines.
select
    source,
    path,
    record_count,
    event_count,
    duplicate_count,
    quarantined_count,
    rate(quarantined_count, record_count) as quarantined_rate
from source_files
where quarantined_count > 0
order by quarantined_count desc, path
