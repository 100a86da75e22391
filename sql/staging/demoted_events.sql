-- Events of the store that a delivery in the batch takes the place of.
-- grain: one row per event_id
-- kept: batch
select
    s.event_id,
    s.file_no,
    s.line,
    s.item,
    s.occurred_us,
    s.received_us,
    s.sequence,
    s.identity_key,
    s.signature_id,
    s.campaign_name,
    s.object_id,
    s.actor,
    s."value",
    s.currency,
    s.score,
    s.score_min,
    s.score_max,
    s.session_hint,
    s.told_count
from contested_events as s
inner join fresh_events as f on s.event_id = f.event_id
