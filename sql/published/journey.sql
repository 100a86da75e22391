-- One journey, step by step.
-- macro: journey(journey_id)
-- argument: journey_id  the journey
-- column: step_number    1-based position in the journey
-- column: touchpoint     named kind of contact
-- column: channel        medium of its first contact
-- column: stage          stage of the touchpoint, NULL when unmapped
-- column: is_goal        the step converts the journey
-- column: started_at     first contact, UTC
-- column: ended_at       last contact, UTC
-- column: repeat_count   contacts in the step
-- column: gap_seconds    from the end of the step before, seconds; NULL for the first
-- column: since_seconds  from the start of the journey, seconds
-- column: state          how the journey stands at the cutoff: converted, dropped_off or open
-- example: from journey((select journey_id from journeys order by step_count desc, journey_id limit 1))
with asked as (
    select lower(cast(journey_id as varchar)) as wanted_id
)

select
    s.step_number,
    s.touchpoint,
    s.channel,
    s.stage,
    s.is_goal,
    s.started_at,
    s.ended_at,
    s.repeat_count,
    s.gap_seconds,
    (epoch_us(s.started_at) - epoch_us(j.started_at)) / 1000000.0 as since_seconds,
    j.state
from asked as a
inner join journeys as j on a.wanted_id = cast(j.journey_id as varchar)
inner join journey_steps as s on j.journey_id = s.journey_id
order by s.step_number
