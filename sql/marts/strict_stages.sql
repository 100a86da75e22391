-- Units that reached each stage after each earlier one, in order and without a skip.
-- grain: one row per unit, unit_id, stage_number
-- kept: private
-- column: unit           customers or journeys
-- column: unit_id        the customer or journey
-- column: stage_number   position of the stage
-- column: reached_at     earliest time at it in such an order, UTC
with recursive kept_steps as (
    select
        s.journey_id,
        s.customer_id,
        s.stage_number,
        s.started_at
    from journey_steps as s
    inner join journeys as j on s.journey_id = j.journey_id
    where s.stage_number is not null
        and not j.is_flagged
),

visits as (
    select distinct
        'journeys' as unit,
        journey_id as unit_id,
        stage_number,
        started_at
    from kept_steps
    union all
    select distinct
        'customers' as unit,
        customer_id as unit_id,
        stage_number,
        started_at
    from kept_steps
),

-- The earliest time at a stage that follows the earliest strict time at the one before reaches furthest.
strict as (
    select
        unit,
        unit_id,
        stage_number,
        min(started_at) as reached_at
    from visits
    where stage_number = 1
    group by unit, unit_id, stage_number
    union all
    select
        v.unit,
        v.unit_id,
        v.stage_number,
        min(v.started_at) as reached_at
    from strict as s
    inner join visits as v
        on s.unit = v.unit and s.unit_id = v.unit_id and s.stage_number + 1 = v.stage_number
            and s.reached_at <= v.started_at
    group by v.unit, v.unit_id, v.stage_number
)

select
    unit,
    unit_id,
    stage_number,
    reached_at
from strict
