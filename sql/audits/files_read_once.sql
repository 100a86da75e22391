-- No two sources make the same events of one file, which would count them twice; a copy of a file is the same file.
-- severity: warn
with doubled as (
    select
        a.file_id,
        b.file_id as other_file_id,
        a.path,
        a.source,
        b.source as other_source
    from source_files as a
    inner join source_files as b on a.sha256 = b.sha256 and a.source < b.source
),

-- Found before they are compared with one another, since there are few: all events would take a second for 12 million.
held as (
    select
        file_id,
        line,
        occurred_us,
        event_name,
        event_id
    from events
    where file_id in (
            select file_id from doubled
            union all
            select other_file_id from doubled
        )
)

select
    d.path,
    d.source,
    d.other_source,
    count(distinct e.event_id) as event_count
from doubled as d
inner join held as e on d.file_id = e.file_id
inner join held as o
    on d.other_file_id = o.file_id
        and e.line = o.line
        and e.occurred_us = o.occurred_us
        and e.event_name = o.event_name
group by d.path, d.source, d.other_source
