-- Events of the batch that the store does not have yet, or has from a delivery that counts less; each once.
-- grain: one row per event_id
-- kept: batch
with repeated as (
    select event_id
    from staged_items
    where reject_reason is null
    group by event_id
    having count(*) > 1
),

ranked as (
    select
        v.file_no,
        v.line,
        v.item,
        row_number() over (partition by v.event_id order by delivery_order(v, d.path)) as delivery_number
    from staged_items as v
    inner join repeated as r on v.event_id = r.event_id
    inner join delivered_files as d on v.file_no = d.file_no
    where v.reject_reason is null
),

later as (
    select
        file_no,
        line,
        item
    from ranked
    where delivery_number > 1
)

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
inner join delivered_files as n on v.file_no = n.file_no
left join contested_events as s on v.event_id = s.event_id
left join delivered_files as b on s.file_no = b.file_no
left join later as l on v.file_no = l.file_no and v.line = l.line and v.item = l.item
where v.reject_reason is null
    and l.file_no is null
    and (s.event_id is null or delivery_order(v, n.path) < delivery_order(s, b.path))
