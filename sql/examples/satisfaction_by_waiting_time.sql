-- question: How does satisfaction with support depend on the wait for the first reply?
-- reading: One row a band of waiting time, tickets with a rating only. `good_rate` with its interval: the share of good
-- reading: answers. Not every customer answers, and those who do may not be typical.
with asked as (
    select
        object_id,
        min(occurred_at) as asked_at
    from events
    where touchpoint = 'support request'
    group by object_id
),

replied as (
    select
        object_id,
        min(occurred_at) as replied_at
    from events
    where touchpoint = 'agent reply'
    group by object_id
),

rated as (
    select
        object_id,
        bool_or(score = score_max) as is_good
    from events
    where score_kind = 'csat' and score is not null
    group by object_id
),

waited as (
    select
        a.object_id,
        t.is_good,
        case
            when r.replied_at is null then '4 never'
            when epoch(r.replied_at - a.asked_at) <= 4 * 3600 then '1 up to 4 hours'
            when epoch(r.replied_at - a.asked_at) <= 48 * 3600 then '2 up to 2 days'
            else '3 over 2 days'
        end as waiting_time
    from asked as a
    inner join rated as t on a.object_id = t.object_id
    left join replied as r on a.object_id = r.object_id
)

select
    waiting_time,
    count(*) as rated_count,
    rate(count(case when is_good then 1 end), count(*)) as good_rate,
    wilson_low(count(case when is_good then 1 end), count(*)) as good_rate_low,
    wilson_high(count(case when is_good then 1 end), count(*)) as good_rate_high
from waited
group by waiting_time
order by waiting_time
