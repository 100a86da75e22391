-- Channels by stage: in which media the steps of each stage happened.
-- grain: one row per stage, channel
-- column: stage            the stage
-- column: channel          medium of contact
-- column: step_count       steps
-- column: journey_count    journeys with such a step
-- column: customer_count   customers with such a step
-- column: step_share       share of the stage's steps
select
    stage,
    channel,
    step_count,
    journey_count,
    customer_count,
    rate(step_count, sum(step_count) over (partition by stage)) as step_share
from stage_channel_counts
order by stage, step_count desc, channel
