-- Where journeys that left had got to: their furthest stage.
select
    furthest_stage as stage,
    count(*) as dropped_off
from journeys
where state = 'dropped_off' and not is_flagged
group by furthest_stage
order by dropped_off desc, furthest_stage
