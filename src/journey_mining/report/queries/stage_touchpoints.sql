-- Touchpoints of each stage by customers, those under min_cell and those that are never a step left out.
with limits as (
    select coalesce(max(try_cast(value as bigint)), 5) as min_cell
    from settings
    where name = 'min_cell'
)

select
    stage,
    touchpoint,
    channel,
    event_count,
    customer_count
from touchpoints
where
    stage is not null
    and touchpoint in (select transitions.to_touchpoint from transitions)
    and customer_count >= (select limits.min_cell from limits)
order by stage, customer_count desc, touchpoint
