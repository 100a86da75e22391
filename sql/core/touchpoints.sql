-- Touchpoints: the named kinds of contact, with how they are classified and how often they occur.
-- grain: one row per touchpoint
-- column: touchpoint       named kind of contact
-- column: channel          its most frequent channel
-- column: stage            its stage, NULL when unmapped
-- column: is_background    all its events are background
-- column: is_goal          converts a journey
-- column: event_count      events up to the cutoff
-- column: customer_count   customers that have one
-- column: rule             the rule that names it: its number and text, given or default
with counted as (
    select
        signature_id,
        count(*) as event_count
    from staged_events
    where occurred_us <= $cutoff_us
    group by signature_id
),

met as (
    select
        touchpoint_no,
        count(distinct customer_id) as customer_count
    from positions
    group by touchpoint_no
),

described as (
    select
        t.*,
        c.event_count,
        row_number() over (
            partition by t.touchpoint order by c.event_count desc, t.channel, t.signature_id
        ) as weight_rank
    from touchpoint_signatures as t
    inner join counted as c on t.signature_id = c.signature_id
)

select
    d.touchpoint,
    min(case when d.weight_rank = 1 then d.channel end) as channel,
    min(case when d.weight_rank = 1 then d.stage end) as stage,
    bool_and(d.is_background) as is_background,
    bool_or(d.is_goal) as is_goal,
    cast(sum(d.event_count) as bigint) as event_count,
    coalesce(min(m.customer_count), 0) as customer_count,
    min(case when d.weight_rank = 1 then d.rule end) as rule
from described as d
left join met as m on d.touchpoint_no = m.touchpoint_no
group by d.touchpoint
