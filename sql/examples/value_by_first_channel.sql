-- question: How much did the journeys of each first channel bring in?
-- reading: One row a channel; `value_per_journey` is over all journeys, also those that bought nothing. The first channel
-- reading: gets all of the value here: for shares among all channels of a journey use attribution.
select
    entry_channel,
    count(*) as journey_count,
    count(case when state = 'converted' then 1 end) as converted_count,
    round(sum("value"), 2) as total_value,
    round(sum("value") / count(*), 2) as value_per_journey,
    round(median("value"), 2) as median_order_value
from journeys
where not is_flagged
group by entry_channel
order by total_value desc nulls last, entry_channel
