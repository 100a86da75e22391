-- The step flow: how many journeys moved from which touchpoint to which at each step, counted, not estimated.
-- grain: one row per anchor, step_number, from_touchpoint, to_touchpoint
-- renewed: by sums
-- column: anchor            start (forward from the beginning) or conversion (backward from the goal)
-- column: step_number       start: the move out of this step, 0 into the first one; conversion: moves before the goal, 1 is the last one
-- column: from_touchpoint   touchpoint, __start__, or __beyond__ (earlier steps that are not shown)
-- column: to_touchpoint     touchpoint, __converted__, __dropped_off__, __open__, or __beyond__ (more steps than are shown)
-- column: journey_count     journeys
with kept_journeys as (
    select
        journey_id,
        state,
        step_count
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

walked as (
    select
        s.journey_id,
        s.step_number,
        s.touchpoint,
        s.next_touchpoint,
        k.state,
        g.goal_step
    from journey_steps as s
    inner join kept_journeys as k on s.journey_id = k.journey_id
    left join goals as g on s.journey_id = g.journey_id
    where s.step_number <= coalesce(g.goal_step, s.step_number)
),

forward as (
    select
        'start' as anchor,
        0 as step_number,
        '__start__' as from_touchpoint,
        touchpoint as to_touchpoint
    from walked
    where step_number = 1
    union all
    select
        'start' as anchor,
        step_number,
        touchpoint as from_touchpoint,
        case
            when step_number = goal_step then '__converted__'
            when next_touchpoint is null then '__' || state || '__'
            when step_number = $flow_steps then '__beyond__'
            else next_touchpoint
        end as to_touchpoint
    from walked
    where step_number <= $flow_steps
),

backward as (
    select
        'conversion' as anchor,
        goal_step - step_number as step_number,
        case when goal_step - step_number = $flow_steps then '__beyond__' else touchpoint end as from_touchpoint,
        next_touchpoint as to_touchpoint
    from walked
    where goal_step - step_number between 1 and $flow_steps
    union all
    select
        'conversion' as anchor,
        goal_step as step_number,
        '__start__' as from_touchpoint,
        touchpoint as to_touchpoint
    from walked
    where step_number = 1
        and goal_step <= $flow_steps
),

moves as (
    select * from forward
    union all
    select * from backward
)

select
    anchor,
    step_number,
    from_touchpoint,
    to_touchpoint,
    count(*) as journey_count
from moves
group by anchor, step_number, from_touchpoint, to_touchpoint
order by anchor, step_number, journey_count desc, from_touchpoint, to_touchpoint
