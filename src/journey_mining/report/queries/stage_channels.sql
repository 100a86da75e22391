-- Channels of each stage by steps, those with fewer customers than min_cell left out.
with limits as (
    select coalesce(max(try_cast(value as bigint)), 5) as min_cell
    from settings
    where name = 'min_cell'
)

select
    stage,
    channel,
    step_count,
    customer_count,
    step_share
from stage_channels
where customer_count >= (select limits.min_cell from limits)
order by stage, step_count desc, channel
