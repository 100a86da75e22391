-- The same steps, customer by customer, for an event log whose cases are customers.
select
    s.customer_id as case_id,
    s.customer_id,
    null as state,
    null as entry_channel,
    s.touchpoint,
    s.started_at,
    s.ended_at,
    s.channel,
    s.stage,
    s.repeat_count
from journey_steps as s
inner join journeys as j on s.journey_id = j.journey_id
where not j.is_flagged
order by s.customer_id, j.started_at, s.journey_id, s.step_number
