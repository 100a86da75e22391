-- Records and items that are kept in quarantine, by reason; their content stays in the private store.
-- grain: one row per source, reason
-- column: source          configured input
-- column: reason          why it is no event
-- column: record_count    records and items
-- column: first_file      first file by path that has one
-- column: example_line    first line of that file that has one
with placed as (
    select
        f.source,
        q.reason,
        f.path,
        q.line,
        row_number() over (partition by f.source, q.reason order by f.path, q.line, q.item) as place,
        count(*) over (partition by f.source, q.reason) as record_count
    from quarantine as q
    inner join files as f on q.file_no = f.file_no
)

select
    source,
    reason,
    record_count,
    path as first_file,
    line as example_line
from placed
where place = 1
order by record_count desc, source, reason
