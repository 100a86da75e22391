-- Touchpoints where journeys leave more often than elsewhere in the same stage (an estimate, no proof of a cause).
-- excess = journeys that left at the touchpoint, less steps times the exit rate of the stage's other touchpoints.
with limits as (
    select coalesce(max(try_cast(value as bigint)), 5) as min_cell
    from settings
    where name = 'min_cell'
),

walked as (
    select
        to_touchpoint as touchpoint,
        sum(transition_count) as step_count
    from transitions
    where to_touchpoint <> '__end__'
    group by to_touchpoint
),

-- the last touchpoint of each journey that left
exited as (
    select
        last_touchpoint as touchpoint,
        count(*) as exits
    from journeys
    where state = 'dropped_off' and not is_flagged
    group by last_touchpoint
),

-- each touchpoint beside the whole of its stage
compared as (
    select
        touchpoints.stage,
        touchpoints.touchpoint,
        walked.step_count,
        coalesce(exited.exits, 0) as exits,
        sum(walked.step_count) over (partition by touchpoints.stage) - walked.step_count as other_step_count,
        sum(coalesce(exited.exits, 0)) over (partition by touchpoints.stage) - coalesce(exited.exits, 0) as other_exits
    from touchpoints
    inner join walked on touchpoints.touchpoint = walked.touchpoint
    left join exited on touchpoints.touchpoint = exited.touchpoint
    where touchpoints.stage is not null
)

select
    stage,
    touchpoint,
    step_count,
    exits,
    exits / nullif(step_count, 0) as exit_rate,
    other_exits / nullif(other_step_count, 0) as other_exit_rate,
    exits - step_count * other_exits / nullif(other_step_count, 0) as excess
from compared
where exits >= (select limits.min_cell from limits)
order by stage, excess desc, touchpoint
