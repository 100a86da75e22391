-- Touchpoints that no stage claims, those under min_cell left out.
select
    touchpoint,
    channel,
    event_count,
    customer_count,
    rule,
from touchpoints
where
    stage is null
    and customer_count >= coalesce((select max(try_cast(value as bigint)) from settings where name = 'min_cell'), 5)
order by event_count desc, touchpoint
limit 100
