-- Touchpoints of each stage by customers, those under min_cell left out.
select
    stage,
    touchpoint,
    channel,
    event_count,
    customer_count,
from touchpoints
where
    stage is not null
    and customer_count >= coalesce((select max(try_cast(value as bigint)) from settings where name = 'min_cell'), 5)
order by stage, customer_count desc, touchpoint
