-- Events of the store that the batch delivers again.
-- grain: one row per event_id
-- kept: batch
select
    event_id,
    file_no,
    line,
    item,
    occurred_us,
    received_us,
    sequence,
    identity_key,
    signature_id,
    campaign_name,
    object_id,
    actor,
    "value",
    currency,
    score,
    score_min,
    score_max,
    session_hint,
    told_count
from staged_events
where rowid in (
        select s.rowid
        from staged_events as s
        inner join staged_items as v on s.event_id = v.event_id
        where v.reject_reason is null
    )
