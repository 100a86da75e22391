-- When each customer and each journey first reached each stage.
-- grain: one row per unit, unit_id, stage_number
-- kept: private
-- renewed: by customer_id
-- column: unit            customers or journeys
-- column: unit_id         the customer or journey
-- column: customer_id     the customer
-- column: stage_number    position of the stage
-- column: reached_at      first contact in it, UTC
-- column: next_us         from then to the first contact in the next stage, microseconds; NULL unless that came later
-- column: entry_count     times that it was entered from another stage or from outside
with kept_journeys as (
    select journey_id
    from journeys
    where not is_flagged
),

mapped as (
    select
        s.journey_id,
        s.customer_id,
        s.step_number,
        s.stage_number,
        s.started_at,
        lag(s.stage_number) over (partition by s.journey_id order by s.step_number) as last_stage_number
    from journey_steps as s
    inner join kept_journeys as k on s.journey_id = k.journey_id
    where s.stage_number is not null
),

entries as (
    select
        journey_id,
        customer_id,
        stage_number,
        min(started_at) as reached_at,
        count(case when last_stage_number is distinct from stage_number then 1 end) as entry_count
    from mapped
    group by journey_id, customer_id, stage_number
),

entered as (
    select
        'journeys' as unit,
        journey_id as unit_id,
        customer_id,
        stage_number,
        reached_at,
        entry_count
    from entries
    union all
    select
        'customers' as unit,
        customer_id as unit_id,
        customer_id,
        stage_number,
        min(reached_at) as reached_at,
        cast(sum(entry_count) as bigint) as entry_count
    from entries
    group by customer_id, stage_number
)

select
    e.unit,
    e.unit_id,
    e.customer_id,
    e.stage_number,
    e.reached_at,
    case when n.reached_at >= e.reached_at then epoch_us(n.reached_at) - epoch_us(e.reached_at) end as next_us,
    e.entry_count
from entered as e
left join entered as n on e.unit = n.unit and e.unit_id = n.unit_id and e.stage_number + 1 = n.stage_number
