-- Customers who have a journey that a person makes.
select
    c.customer_id,
    c.sources
from customers as c
where c.customer_id in (
        select j.customer_id from journeys as j
        where not j.is_flagged
    )
order by c.customer_id
