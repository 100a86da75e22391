-- question: How long does it take from the first contact to the purchase, by the channel of the first contact?
-- reading: One row a channel, converted journeys only: those that are still open may take longer, so recent journeys
-- reading: make these times look shorter than they will be.
select
    entry_channel,
    count(*) as converted_count,
    median(epoch(converted_at - started_at)) / 86400 as median_days,
    quantile_cont(epoch(converted_at - started_at), 0.9) / 86400 as p90_days,
    median(session_count) as median_session_count
from journeys
where state = 'converted' and not is_flagged
group by entry_channel
order by converted_count desc, entry_channel
