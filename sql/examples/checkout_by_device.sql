-- question: On which device do customers who begin the checkout fail to finish it within a day?
-- reading: One row a device. `bought_rate` with its interval is over the customers' first checkout; when the intervals of
-- reading: two devices do not touch, the difference is hardly chance. `error_rate` shows how many met an error on the way.
with checkouts as (
    select
        customer_id,
        occurred_at,
        device
    from events
    where touchpoint = 'checkout' and customer_id is not null and device is not null
    qualify row_number() over (partition by customer_id order by event_ordinal) = 1
),

judged as (
    select
        c.device,
        c.customer_id,
        coalesce(bool_or(e.touchpoint = 'purchase'), false) as has_bought,
        coalesce(bool_or(e.touchpoint = 'checkout error'), false) as has_failed
    from checkouts as c
    left join events as e
        on c.customer_id = e.customer_id
            and e.occurred_at between c.occurred_at and c.occurred_at + interval 1 day
    group by c.device, c.customer_id
)

select
    device,
    count(*) as customer_count,
    rate(count(case when has_failed then 1 end), count(*)) as error_rate,
    rate(count(case when has_bought then 1 end), count(*)) as bought_rate,
    wilson_low(count(case when has_bought then 1 end), count(*)) as bought_rate_low,
    wilson_high(count(case when has_bought then 1 end), count(*)) as bought_rate_high
from judged
group by device
order by bought_rate, device
