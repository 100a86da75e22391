-- question: Who waited over two days for a first reply and bought again, and who had a quick one?
-- reading: One row for either wait, customers by their slowest ticket. A lower rate after a slow reply does not prove
-- reading: that the wait cost the purchase; it says where to look.
with asked as (
    select
        customer_id,
        object_id,
        min(occurred_at) as asked_at
    from events
    where touchpoint = 'support request' and customer_id is not null
    group by customer_id, object_id
),

replied as (
    select
        object_id,
        min(occurred_at) as replied_at
    from events
    where touchpoint = 'agent reply'
    group by object_id
),

waited as (
    select
        a.customer_id,
        max(a.asked_at) as asked_at,
        max(epoch(r.replied_at - a.asked_at)) as wait_seconds
    from asked as a
    inner join replied as r on a.object_id = r.object_id
    group by a.customer_id
),

judged as (
    select
        w.customer_id,
        w.wait_seconds,
        count(e.event_id) > 0 as has_bought
    from waited as w
    left join events as e
        on w.customer_id = e.customer_id and e.touchpoint = 'purchase' and w.asked_at < e.occurred_at
    group by w.customer_id, w.wait_seconds
)

select
    case when wait_seconds > 2 * 86400 then 'over 2 days' else 'up to 2 days' end as first_reply,
    count(*) as customer_count,
    count(case when has_bought then 1 end) as bought_again_count,
    rate(count(case when has_bought then 1 end), count(*)) as bought_again_rate,
    wilson_low(count(case when has_bought then 1 end), count(*)) as bought_again_rate_low,
    wilson_high(count(case when has_bought then 1 end), count(*)) as bought_again_rate_high
from judged
group by first_reply
order by first_reply
