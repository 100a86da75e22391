-- Events of the store that the batch delivers again.
-- grain: one row per event_id
-- kept: batch
select *
from staged_events
where rowid in (
        select s.rowid
        from staged_events as s
        inner join staged_items as v on s.event_id = v.event_id
        where v.reject_reason is null
    )
