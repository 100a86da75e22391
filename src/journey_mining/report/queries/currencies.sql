-- The currencies of events that carry a value.
select
    currency,
    count(*) as event_count
from events
where value is not null and currency is not null
group by currency
order by event_count desc, currency
