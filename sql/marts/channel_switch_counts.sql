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
with followed as (
    select
        s.journey_id,
        s.customer_id,
        s.channel as from_channel,
        lead(s.channel) over (partition by s.journey_id order by s.step_number) as to_channel,
        j.state
    from journey_steps as s
    inner join journeys as j on s.journey_id = j.journey_id
    where not j.is_flagged
),

by_journey as (
    select
        from_channel,
        to_channel,
        journey_id,
        min(customer_id) as customer_id,
        min(state) as state,
        count(*) as switch_count
    from followed
    where from_channel <> to_channel
    group by from_channel, to_channel, journey_id
)

select
    from_channel,
    to_channel,
    cast(sum(switch_count) as bigint) as switch_count,
    count(*) as journey_count,
    count(distinct customer_id) as customer_count,
    count(case when state <> 'open' then 1 end) as matured_count,
    count(case when state = 'converted' then 1 end) as converted_count
from by_journey
group by from_channel, to_channel
