-- Counts behind channel_switches.
-- grain: one row per from_channel, to_channel
-- kept: private
-- renewed: by sums
-- column: from_channel      channel of the one step
-- column: to_channel        channel of the next step
-- column: switch_count      times that it happened
-- column: journey_count     journeys in which it happened
-- column: customer_count    customers who did it
-- column: matured_count     journeys of these that converted or expired
-- column: converted_count   journeys of these that converted
with switched as (
    select
        s.journey_id,
        s.channel as from_channel,
        n.channel as to_channel,
        count(*) as switch_count
    from journey_steps as s
    inner join journey_steps as n on s.journey_id = n.journey_id and s.step_number + 1 = n.step_number
    where s.channel <> n.channel
    group by s.journey_id, s.channel, n.channel
)

select
    s.from_channel,
    s.to_channel,
    cast(sum(s.switch_count) as bigint) as switch_count,
    count(*) as journey_count,
    count(distinct j.customer_id) as customer_count,
    count(case when j.state <> 'open' then 1 end) as matured_count,
    count(case when j.state = 'converted' then 1 end) as converted_count
from switched as s
inner join journeys as j on s.journey_id = j.journey_id
where not j.is_flagged
group by s.from_channel, s.to_channel
