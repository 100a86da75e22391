-- Deliveries of the batch that repeat an event which the store or the batch already has.
-- grain: one row per file_no, line, item
-- kept: batch
select
    v.event_id,
    v.file_no,
    v.line,
    v.item
from staged_items as v
left join fresh_events as f
    on v.event_id = f.event_id and v.file_no = f.file_no and v.line = f.line and v.item = f.item
where v.reject_reason is null
    and f.event_id is null
