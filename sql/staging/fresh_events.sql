-- Events of the batch that the store does not have yet, each once.
-- grain: one row per event_id
-- kept: batch
with valid as (
    select * from staged_items
    where reject_reason is null
),

repeated as (
    select event_id
    from valid
    group by event_id
    having count(*) > 1
),

-- Of several deliveries the first received counts; then the first by file and line.
ranked as (
    select
        v.file_no,
        v.line,
        v.item,
        row_number() over (
            partition by v.event_id order by coalesce(v.received_us, 9223372036854775807), v.file_no, v.line, v.item
        ) as delivery_number
    from valid as v
    inner join repeated as r on v.event_id = r.event_id
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
    v.session_hint
from valid as v
left join staged_events as s on v.event_id = s.event_id
left join later as l on v.file_no = l.file_no and v.line = l.line and v.item = l.item
where s.event_id is null
    and l.file_no is null
