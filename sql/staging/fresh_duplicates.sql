-- Deliveries of the batch that repeat an event which the store or the batch already has.
-- grain: one row per file_no, line, item
-- kept: batch
select
    v.event_id,
    v.file_no,
    v.line,
    v.item,
    v.occurred_us,
    v.received_us,
    v.sequence,
    v.identity_key,
    v.signature_id,
    v.campaign_name,
    v.object_id,
    v.actor,
    v."value",
    v.currency,
    v.score,
    v.score_min,
    v.score_max,
    v.session_hint,
    v.told_count
from staged_items as v
left join fresh_events as f
    on v.event_id = f.event_id and v.file_no = f.file_no and v.line = f.line and v.item = f.item
where v.reject_reason is null
    and f.event_id is null
