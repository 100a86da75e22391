-- The events of each file are the events that the store holds of it.
-- severity: stop
with held as (
    select
        file_no,
        count(*) as event_count
    from staged_events
    group by file_no
)

select
    f.path,
    f.event_count as in_ledger,
    coalesce(h.event_count, 0) as in_store
from files as f
left join held as h on f.file_no = h.file_no
where f.event_count <> coalesce(h.event_count, 0)
