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
),

-- All texts at once: to plan label_of for each of them takes longer than to compute it.
labelled as (
    select
        *,
        list_transform(
            [
                event_name,
                coalesce(channel, campaign_channel(campaign_source, campaign_medium, is_paid_click), fallback_channel),
                device,
                object_type,
                status,
                campaign_source,
                campaign_medium,
                given_touchpoint,
                given_stage
            ],
            lambda text: label_of(text)
        ) as labels
    from described
)

select
    signature_id,
    $source as source,
    labels[1] as event_name,
    initiator,
    is_background,
    labels[2] as channel,
    labels[3] as device,
    page_path,
    labels[4] as object_type,
    labels[5] as status,
    labels[6] as campaign_source,
    labels[7] as campaign_medium,
    score_kind,
    labels[8] as given_touchpoint,
    labels[9] as given_stage
from labelled
