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
        v.*,
        case
            when r.event_id is null then 1
            else row_number() over (
                partition by v.event_id order by coalesce(v.received_us, 9223372036854775807), v.file_no, v.line, v.item
            )
        end as delivery_number
    from valid as v
    left join repeated as r on v.event_id = r.event_id
)

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
    session_hint
from ranked
where delivery_number = 1
    and event_id not in (select event_id from staged_events)
