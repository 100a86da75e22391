-- Touchpoints where journeys leave more often than elsewhere in the same stage (an estimate, no proof of a cause).
-- excess = journeys that left at the touchpoint, less visits times the exit rate of the stage's other touchpoints.
with visited as (
    select
        to_touchpoint as touchpoint,
        sum(transition_count) as visits,
    from transitions
    where to_touchpoint <> '__end__'
    group by to_touchpoint
),

-- the last touchpoint of each journey that left
exited as (
    select
        last_touchpoint as touchpoint,
        count(*) as exits,
    from journeys
    where state = 'dropped_off'
    group by last_touchpoint
),

-- each touchpoint beside the whole of its stage
compared as (
    select
        touchpoints.stage,
        touchpoints.touchpoint,
        visited.visits,
        coalesce(exited.exits, 0) as exits,
        sum(visited.visits) over (partition by touchpoints.stage) - visited.visits as other_visits,
        sum(coalesce(exited.exits, 0)) over (partition by touchpoints.stage) - coalesce(exited.exits, 0) as other_exits,
    from touchpoints
    inner join visited on touchpoints.touchpoint = visited.touchpoint
    left join exited on touchpoints.touchpoint = exited.touchpoint
    where touchpoints.stage is not null
)

select
    stage,
    touchpoint,
    visits,
    exits,
    exits / nullif(visits, 0) as exit_rate,
    other_exits / nullif(other_visits, 0) as other_exit_rate,
    exits - visits * other_exits / nullif(other_visits, 0) as excess,
from compared
where
    exits >= coalesce((select max(try_cast(value as bigint)) from settings where name = 'min_cell'), 5)
order by stage, excess desc, touchpoint
