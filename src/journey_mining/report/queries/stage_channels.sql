-- Channels of each stage by steps; the chart leaves out those of few customers, and what would give them away.
select
    stage,
    channel,
    step_count,
    customer_count,
    step_share
from stage_channels
order by stage, step_count desc, channel
