-- Every duplicate repeats an event that the store tells.
-- severity: warn
with told as (
    select event_id
    from staged_events
    where event_id in (select event_id from duplicates)
)

select
    f.path,
    count(*) as duplicate_count
from duplicates as d
inner join files as f on d.file_no = f.file_no
anti join told as t on d.event_id = t.event_id
group by f.path
