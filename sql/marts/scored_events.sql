-- Survey answers and invitations with the touchpoint that they speak of: the customer's last contact before.
-- grain: one row per event_id
-- kept: private
-- column: event_id      the answer or invitation
-- column: score_kind    csat, nps or ces
-- column: score         the answer, NULL for an invitation
-- column: score_min     lowest answer of the scale
-- column: score_max     highest answer of the scale
-- column: touchpoint    last contact within the window before it, NULL when there is none
-- column: stage         stage of that touchpoint
with scored as (
    select distinct customer_id
    from events
    where score_kind is not null
        and customer_id is not null
),

told as (
    select
        e.event_id,
        e.occurred_us,
        p.event_ordinal,
        e.customer_id,
        e.score_kind,
        e.score,
        e.score_min,
        e.score_max,
        case when not e.is_background and e.score_kind is null then e.touchpoint end as contact_touchpoint,
        case when not e.is_background and e.score_kind is null then e.occurred_us end as contact_us,
        case when not e.is_background and e.score_kind is null then coalesce(e.stage, '') end as contact_stage
    from events as e
    inner join scored as s on e.customer_id = s.customer_id
    inner join positions as p on e.event_id = p.event_id
),

looked_back as (
    select
        *,
        last_value(contact_touchpoint ignore nulls) over before as last_touchpoint,
        last_value(contact_us ignore nulls) over before as last_us,
        last_value(contact_stage ignore nulls) over before as last_stage
    from told
    window before as (
        partition by customer_id order by event_ordinal rows between unbounded preceding and 1 preceding
    )
)

select
    event_id,
    score_kind,
    score,
    score_min,
    score_max,
    case when occurred_us - last_us <= $feedback_within_us then last_touchpoint end as touchpoint,
    case when occurred_us - last_us <= $feedback_within_us then nullif(last_stage, '') end as stage
from looked_back
where score_kind is not null
union all
select
    event_id,
    score_kind,
    score,
    score_min,
    score_max,
    null as touchpoint,
    null as stage
from events
where score_kind is not null
    and customer_id is null
