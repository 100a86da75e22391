-- Journeys by step, backward from the conversion; the chart folds the smaller touchpoints of a step.
select
    step_number,
    from_touchpoint,
    to_touchpoint,
    journey_count
from step_flow
where anchor = 'conversion'
order by step_number, from_touchpoint, to_touchpoint
