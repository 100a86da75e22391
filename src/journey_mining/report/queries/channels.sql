-- Events by channel, each touchpoint counted under its main channel.
select
    channel,
    sum(event_count)::bigint as event_count
from touchpoints
where channel is not null
group by channel
order by event_count desc, channel
