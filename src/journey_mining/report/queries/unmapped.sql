-- Touchpoints that no stage claims, those under min_cell left out.
with limits as (
    select coalesce(max(try_cast(value as bigint)), 5) as min_cell
    from settings
    where name = 'min_cell'
)

select
    touchpoint,
    channel,
    event_count,
    customer_count,
    rule
from touchpoints
where
    stage is null
    and customer_count >= (select limits.min_cell from limits)
order by event_count desc, touchpoint
limit 100
