-- Kinds of event in the batch that the store does not know yet.
-- grain: one row per signature_id
-- kept: batch
with examples as (
    select
        signature_id,
        min(event_id) as event_id
    from staged_items
    where reject_reason is null
        and signature_id not in (select signature_id from signatures)
    group by signature_id
),

-- The same event may have been delivered twice.
described as (
    select distinct on (e.signature_id) s.*
    from examples as e
    inner join staged_items as s on e.event_id = s.event_id and e.signature_id = s.signature_id
    order by e.signature_id, s.file_no, s.line, s.item
)

select
    signature_id,
    $source as source,
    label_of(event_name) as event_name,
    initiator,
    is_background,
    label_of(
        coalesce(channel, campaign_channel(campaign_source, campaign_medium, is_paid_click), fallback_channel)
    ) as channel,
    label_of(device) as device,
    page_path,
    label_of(object_type) as object_type,
    label_of(status) as status,
    label_of(campaign_source) as campaign_source,
    label_of(campaign_medium) as campaign_medium,
    score_kind,
    label_of(given_touchpoint) as given_touchpoint,
    label_of(given_stage) as given_stage
from described
