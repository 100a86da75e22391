-- Counts behind stage_channels.
-- grain: one row per stage, channel
-- kept: private
-- renewed: by sums
-- column: stage            the stage
-- column: channel          medium of contact
-- column: step_count       steps
-- column: journey_count    journeys with such a step
-- column: customer_count   customers with such a step
select
    s.stage,
    s.channel,
    count(*) as step_count,
    count(distinct s.journey_id) as journey_count,
    count(distinct s.customer_id) as customer_count
from journey_steps as s
inner join journeys as j on s.journey_id = j.journey_id
where s.stage is not null
    and not j.is_flagged
group by s.stage, s.channel
