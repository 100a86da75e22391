-- Events by touchpoint and how it is classified; counts behind touchpoints.
-- grain: one row per touchpoint, channel, stage, is_background
-- kept: private
-- renewed: by sums
-- column: touchpoint       named kind of contact
-- column: channel          medium of contact
-- column: stage            stage of the touchpoint, NULL when unmapped
-- column: is_background    neither a step nor an activity
-- column: event_count      events
select
    touchpoint,
    channel,
    stage,
    is_background,
    count(*) as event_count
from events
group by touchpoint, channel, stage, is_background
