-- Journeys by step, forward from the start; the chart folds the smaller touchpoints of a step.
select
    step_number,
    from_touchpoint,
    to_touchpoint,
    journey_count
from step_flow
where anchor = 'start'
order by step_number, from_touchpoint, to_touchpoint
