-- Every transition with its customers: what decides which of them may be shown.
select
    from_touchpoint,
    to_touchpoint,
    customer_count
from transitions
order by from_touchpoint, to_touchpoint
