-- The items of a batch with their keys: events to be, or rejects with a reason.
-- grain: one row per file_no, line, item
-- kept: batch
-- column: file_no          number of the file in this run
-- column: line             1-based line of the record, or its position in a JSON document
-- column: item             1-based number of the item within its record
-- column: event_id         128-bit keyed hash of source and native key
-- column: occurred_us      when it happened, microseconds UTC
-- column: received_us      when the system got it, microseconds UTC
-- column: sequence         order among events of equal time, where the source has one
-- column: identity_key     combination of identifiers on the item
-- column: signature_id     what kind of event it is
-- column: told_count       how much the item tells: fields that it fills, and its identifiers
-- column: reject_reason    why it is no event; NULL for an event
-- An item without a readable time or a name is no event.
with judged as (
    select
        *,
        case
            when raw is not null and list_contains($json_files, file_no) and not json_valid(raw) then 'not valid JSON'
            when reject_reason is not null then reject_reason
            when occurred_us is null and occurred_text is null then 'no time'
            when occurred_us is null and not has_zone(occurred_text)
                and isfinite(try_cast(occurred_text as timestamp)) then 'time without a zone'
            when occurred_us is null then 'unreadable time'
            when not coalesce(is_plausible(occurred_us, coalesce(occurred_text, '')), false) then 'implausible time'
            when event_name is null or trim(event_name) = '' then 'no event name'
            when not (is_amount("value") and is_amount(score)) then 'implausible number'
        end as reason
    from read_items
),

-- Identical rows of one file are separate events where the source has no id of its own for them.
numbered as (
    select
        *,
        case
            when $keeps_repeats and not coalesce(is_native_id, false)
                then row_number() over (partition by file_no, native_key, reason is null order by line, item)
            else 1
        end as occurrence
    from judged
),

described as (
    select
        j.*,
        p.page_path
    from numbered as j
    left join page_paths as p on address_without_query(j.page_url) = p.page
)

select
    d.file_no,
    d.line,
    d.item,
    cast(md5(concat_ws(chr(31), $row_key, $source, d.native_key, d.occurrence)) as uuid) as event_id,
    d.occurred_us,
    case when is_plausible(d.received_us, '') then d.received_us end as received_us,
    coalesce(d.sequence, case when $keeps_order then d.line end, 0) as sequence,
    i.identity_key,
    hash(
        $row_key, $source, d.event_name, d.initiator, d.is_background, d.channel, d.fallback_channel, d.is_paid_click,
        d.device, d.page_path, d.object_type, d.status, d.campaign_source, d.campaign_medium, d.score_kind,
        d.given_touchpoint, d.given_stage
    ) as signature_id,
    d.event_name,
    d.initiator,
    d.is_background,
    d.channel,
    d.fallback_channel,
    d.is_paid_click,
    d.device,
    d.page_path,
    d.object_type,
    d.status,
    d.campaign_source,
    d.campaign_medium,
    label_of(d.campaign_name) as campaign_name,
    d.given_touchpoint,
    d.given_stage,
    object_id_of(d.object_type, d.object_id, $row_key) as object_id,
    pseudonym_of('actor', d.actor, $row_key) as actor,
    d."value",
    label_of(d.currency) as currency,
    d.score,
    d.score_kind,
    d.score_min,
    d.score_max,
    pseudonym_of('session', d.session_hint, $row_key) as session_hint,
    count_told(
        d.page_path, d.device, d.object_type, d.object_id, d.status, d.campaign_source, d.campaign_medium,
        d.campaign_name, d.actor, d."value", d.score, d.session_hint
    ) + coalesce(len(d.identifiers), 0) as told_count,
    d.reason as reject_reason,
    case when d.reason is not null and x.identifiers is null then d.raw end as raw
from described as d
left join identifier_lists as i on d.identifiers = i.identifiers
left join erased_lists as x on d.identifiers = x.identifiers
-- What names an erased person, or is older than the retention, is not let in; what is no event counts as such, as it
-- does when it was there before the person was erased, but of an erased person nothing of it is written.
where d.reason is not null
    or (x.identifiers is null and d.occurred_us >= $horizon_us)
