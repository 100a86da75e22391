-- Every duplicate repeats an event that the store tells.
-- severity: warn
select
    f.path,
    count(*) as duplicate_count
from duplicates as d
inner join files as f on d.file_no = f.file_no
anti join staged_events as e on d.event_id = e.event_id
group by f.path
