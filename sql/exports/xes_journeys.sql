-- The steps of every journey that a person makes, journey by journey, for an event log whose cases are journeys.
select
    s.journey_id as case_id,
    s.customer_id,
    j.state,
    j.entry_channel,
    s.touchpoint,
    s.started_at,
    s.ended_at,
    s.channel,
    s.stage,
    s.repeat_count
from journey_steps as s
inner join journeys as j on s.journey_id = j.journey_id
where not j.is_flagged
order by s.journey_id, s.step_number
