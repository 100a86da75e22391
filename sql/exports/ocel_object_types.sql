-- What these contacts are about, by type: tickets, deals, orders and the like.
select distinct e.object_type
from events as e
inner join journeys as j on e.journey_id = j.journey_id
where e.object_id is not null and not e.is_background and not j.is_flagged
order by e.object_type
