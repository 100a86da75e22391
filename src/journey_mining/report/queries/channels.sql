-- Channels by the steps that happened in them, then those of touchpoints without a stage.
with used as (
    select
        channel,
        step_count
    from stage_channels
    union all
    select
        channel,
        0 as step_count
    from touchpoints
    where channel is not null
)

select
    channel,
    sum(step_count)::bigint as step_count
from used
group by channel
order by step_count desc, channel
