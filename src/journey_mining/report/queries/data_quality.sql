-- How many contacts have no stage, and how many customers are seen in more than one source; background events apart.
with counted as (
    select
        count(*) as contact_count,
        count(*) filter (where stage is null) as unmapped_count
    from events
    where not is_background
),

recognised as (
    select
        count(*) as customer_count,
        count(*) filter (where sources like '%,%') as linked_count
    from customers
)

select
    counted.contact_count,
    counted.unmapped_count,
    counted.unmapped_count / nullif(counted.contact_count, 0) as unmapped_share,
    recognised.linked_count / nullif(recognised.customer_count, 0) as linked_share
from counted
cross join recognised
