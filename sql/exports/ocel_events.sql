-- Every contact in a journey that a person makes, in order of time.
select
    e.event_id,
    e.touchpoint,
    e.occurred_at,
    e.customer_id,
    e.journey_id,
    e.object_type,
    e.source,
    e.object_id,
    e.channel,
    e.stage,
    e.device,
    e.status,
    e.actor,
    e."value",
    e.currency,
    e.score
from events as e
inner join journeys as j on e.journey_id = j.journey_id
where not e.is_background and not j.is_flagged
order by e.occurred_us, e.source, e.file_id, e.line, e.event_id
