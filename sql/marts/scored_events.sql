-- Survey answers and invitations with the touchpoint that they speak of: the customer's last contact before.
-- grain: one row per event_id
-- kept: private
-- renewed: by customer_id
-- column: event_id      the answer or invitation
-- column: customer_id   who gave it, NULL when nobody is known
-- column: score_kind    csat, nps or ces
-- column: score         the answer, NULL for an invitation
-- column: score_min     lowest answer of the scale
-- column: score_max     highest answer of the scale
-- column: touchpoint    last contact within the window before it, NULL when there is none
-- column: stage         stage of that touchpoint
with scored as (
    select
        event_id,
        customer_id,
        occurred_us,
        score_kind,
        score,
        score_min,
        score_max
    from events
    where score_kind is not null
),

scorers as (
    select distinct customer_id
    from scored
),

-- Of those who were asked, what was asked and what it may be about.
told as (
    select
        e.event_id,
        e.customer_id,
        e.event_ordinal,
        e.score_kind is null as is_rateable
    from events as e
    inner join scorers as s on e.customer_id = s.customer_id
    where not e.is_background or e.score_kind is not null
),

looked_back as (
    select
        event_id,
        is_rateable,
        max(case when is_rateable then event_ordinal end) over (
            partition by customer_id order by event_ordinal rows between unbounded preceding and 1 preceding
        ) as last_ordinal
    from told
)

select
    s.event_id,
    s.customer_id,
    s.score_kind,
    s.score,
    s.score_min,
    s.score_max,
    t.touchpoint,
    t.stage
from scored as s
left join looked_back as b on s.event_id = b.event_id and not b.is_rateable
left join events as t
    on s.customer_id = t.customer_id
        and b.last_ordinal = t.event_ordinal
        and s.occurred_us - t.occurred_us <= $feedback_within_us
