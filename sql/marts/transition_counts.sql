-- Counts behind transitions.
-- grain: one row per from_touchpoint, to_touchpoint
-- kept: private
-- renewed: by sums
-- column: from_touchpoint    touchpoint, or __start__
-- column: to_touchpoint      touchpoint, or __end__
-- column: transition_count   times that it happened
-- column: journey_count      journeys in which it happened
-- column: customer_count     customers who did it
-- column: matured_count      journeys of these that converted or expired
-- column: converted_count    journeys of these that reach the goal after it
with goals as (
    select
        journey_id,
        min(step_number) as goal_step
    from journey_steps
    where is_goal
    group by journey_id
),

kept_journeys as (
    select
        j.journey_id,
        j.customer_id,
        j.entry_touchpoint,
        j.state = 'converted' as is_converted,
        j.state <> 'open' as is_matured,
        g.goal_step
    from journeys as j
    left join goals as g on j.journey_id = g.journey_id
    where not j.is_flagged
),

-- One row a journey and transition, so that journeys and customers are counted once; the goal comes after one of them
-- when it comes after the first.
moved as (
    select
        journey_id,
        touchpoint,
        next_touchpoint,
        count(*) as transition_count,
        min(step_number) as first_step
    from journey_steps
    group by journey_id, touchpoint, next_touchpoint
),

by_journey as (
    select
        m.touchpoint as from_touchpoint,
        coalesce(m.next_touchpoint, '__end__') as to_touchpoint,
        k.customer_id,
        m.transition_count,
        k.is_matured,
        coalesce(k.goal_step > m.first_step, false) as is_converted_after
    from moved as m
    inner join kept_journeys as k on m.journey_id = k.journey_id
    union all
    select
        '__start__' as from_touchpoint,
        entry_touchpoint as to_touchpoint,
        customer_id,
        1 as transition_count,
        is_matured,
        is_converted as is_converted_after
    from kept_journeys
)

select
    from_touchpoint,
    to_touchpoint,
    cast(sum(transition_count) as bigint) as transition_count,
    count(*) as journey_count,
    count(distinct customer_id) as customer_count,
    count(case when is_matured then 1 end) as matured_count,
    count(case when is_matured and is_converted_after then 1 end) as converted_count
from by_journey
group by from_touchpoint, to_touchpoint
