-- The touchpoints of these contacts.
select distinct e.touchpoint
from events as e
inner join journeys as j on e.journey_id = j.journey_id
where not e.is_background and not j.is_flagged
order by e.touchpoint
