-- question: How many customers are known to more than one system, and to which?
-- reading: One row a combination of sources. Customers in one source only may be strangers to the others, or were never
-- reading: recognised there: figures across systems rest on the other rows.
select
    sources,
    count(*) as customer_count,
    rate(count(*), sum(count(*)) over ()) as share,
    cast(sum(event_count) as bigint) as event_count
from customers
group by sources
order by customer_count desc, sources
