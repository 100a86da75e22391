-- The main channel of each touchpoint.
select
    touchpoint,
    channel,
    stage
from touchpoints
order by touchpoint
