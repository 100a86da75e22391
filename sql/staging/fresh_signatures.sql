-- Kinds of event in the batch that the store does not know yet.
-- grain: one row per signature_id
-- kept: batch
select distinct
    signature_id,
    $source as source,
    event_name,
    initiator,
    is_background,
    channel,
    device,
    page_path,
    object_type,
    status,
    campaign_source,
    campaign_medium,
    score_kind,
    given_touchpoint,
    given_stage
from staged_items
where reject_reason is null
    and signature_id not in (select signature_id from signatures)
