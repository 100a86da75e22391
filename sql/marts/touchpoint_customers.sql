-- Customers by touchpoint; counts behind touchpoints.
-- grain: one row per touchpoint
-- kept: private
-- renewed: by sums
-- column: touchpoint       named kind of contact
-- column: customer_count   customers that have an event of it
select
    touchpoint,
    count(distinct customer_id) as customer_count
from events
where customer_id is not null
group by touchpoint
