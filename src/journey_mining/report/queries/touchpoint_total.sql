-- All touchpoints, shown or not.
select
    count(*) as touchpoint_count,
    coalesce(sum(event_count), 0) as event_count,
    coalesce(sum(event_count) filter (where stage is null), 0) as unmapped_event_count,
    count(*) filter (where stage is null) as unmapped_touchpoint_count
from touchpoints
