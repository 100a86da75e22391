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
with kept_journeys as (
    select
        journey_id,
        customer_id,
        state,
        state <> 'open' as is_matured
    from journeys
    where not is_flagged
),

goals as (
    select
        journey_id,
        min(step_number) as goal_step
    from journey_steps
    where is_goal
    group by journey_id
),

moves as (
    select
        s.touchpoint as from_touchpoint,
        coalesce(s.next_touchpoint, '__end__') as to_touchpoint,
        s.journey_id,
        s.customer_id,
        k.is_matured,
        coalesce(g.goal_step > s.step_number, false) as is_converted_after
    from journey_steps as s
    inner join kept_journeys as k on s.journey_id = k.journey_id
    left join goals as g on s.journey_id = g.journey_id
    union all
    select
        '__start__' as from_touchpoint,
        s.touchpoint as to_touchpoint,
        s.journey_id,
        s.customer_id,
        k.is_matured,
        k.state = 'converted' as is_converted_after
    from journey_steps as s
    inner join kept_journeys as k on s.journey_id = k.journey_id
    where s.step_number = 1
),

-- One row a journey and transition, so that journeys and customers are counted once.
by_journey as (
    select
        from_touchpoint,
        to_touchpoint,
        journey_id,
        min(customer_id) as customer_id,
        count(*) as transition_count,
        bool_or(is_matured) as is_matured,
        bool_or(is_converted_after) as is_converted_after
    from moves
    group by from_touchpoint, to_touchpoint, journey_id
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
