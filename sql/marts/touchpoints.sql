-- Touchpoints: the named kinds of contact, with how they are classified and how often they occur.
-- grain: one row per touchpoint
-- column: touchpoint       named kind of contact
-- column: channel          its most frequent channel
-- column: stage            its stage there, NULL when unmapped
-- column: is_background    all its events are background
-- column: is_goal          converts a journey
-- column: event_count      events up to the cutoff
-- column: customer_count   customers that have one
-- column: rule             the rule that names it there: its number and text, given or default
with ruled as (
    select
        touchpoint,
        channel,
        stage,
        min(rule) as rule,
        bool_or(is_goal) as is_goal
    from touchpoint_signatures
    group by touchpoint, channel, stage
),

classified as (
    select
        c.touchpoint,
        r.channel,
        c.stage,
        min(r.rule) as rule,
        bool_or(r.is_goal) as is_goal,
        bool_and(c.is_background) as is_background,
        cast(sum(c.event_count) as bigint) as event_count
    from touchpoint_counts as c
    inner join ruled as r
        on c.touchpoint = r.touchpoint
            and coalesce(cast(c.channel as varchar), 'unknown') = r.channel
            and c.stage is not distinct from r.stage
    group by c.touchpoint, r.channel, c.stage
),

ranked as (
    select
        *,
        row_number() over (partition by touchpoint order by event_count desc, channel, stage) as weight_rank
    from classified
)

select
    r.touchpoint,
    min(case when r.weight_rank = 1 then r.channel end) as channel,
    min(case when r.weight_rank = 1 then r.stage end) as stage,
    bool_and(r.is_background) as is_background,
    bool_or(r.is_goal) as is_goal,
    cast(sum(r.event_count) as bigint) as event_count,
    coalesce(min(m.customer_count), 0) as customer_count,
    min(case when r.weight_rank = 1 then r.rule end) as rule
from ranked as r
left join touchpoint_customers as m on r.touchpoint = m.touchpoint
group by r.touchpoint
