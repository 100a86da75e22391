-- question: How much do contacts of a sales deal use the web before the deal is won or lost?
-- reading: One row an outcome. Compare the medians: many visits before a lost deal are interest that was not answered.
with closed as (
    select
        customer_id,
        object_id,
        status as outcome,
        min(occurred_at) as closed_at
    from events
    where object_type = 'deal' and status in ('won', 'lost') and customer_id is not null
    group by customer_id, object_id, status
),

counted as (
    select
        c.outcome,
        c.object_id,
        count(distinct s.session_id) as session_count
    from closed as c
    left join sessions as s on c.customer_id = s.customer_id and c.closed_at > s.started_at
    group by c.outcome, c.object_id
)

select
    outcome,
    count(*) as deal_count,
    median(session_count) as median_session_count,
    max(session_count) as most_session_count
from counted
group by outcome
order by outcome
