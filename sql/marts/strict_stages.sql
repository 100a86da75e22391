-- Units that reached each stage after each earlier one, in order and without a skip.
-- grain: one row per unit, unit_id, stage_number
-- kept: private
-- renewed: by customer_id
-- column: unit           customers or journeys
-- column: unit_id        the customer or journey
-- column: customer_id    the customer
-- column: stage_number   position of the stage
-- column: step_ordinal   earliest step of the customer at it in such an order
with recursive kept_steps as materialized (
    select
        p.journey_id,
        p.customer_id,
        t.stage_number,
        p.step_ordinal
    from positions as p
    inner join touchpoint_signatures as t on p.signature_id = t.signature_id
    inner join journeys as j on p.journey_id = j.journey_id
    where p.is_step_start
        and t.stage_number is not null
        and not j.is_flagged
),

-- A union in parentheses: in a CTE of a recursive query it would take the type of its first ids for the others.
calls as (
    select
        unit,
        unit_id,
        customer_id,
        stage_number,
        step_ordinal
    from (
        select
            'journeys' as unit,
            journey_id as unit_id,
            customer_id,
            stage_number,
            step_ordinal
        from kept_steps
        union all
        select
            'customers' as unit,
            customer_id as unit_id,
            customer_id,
            stage_number,
            step_ordinal
        from kept_steps
    ) as both_units
),

-- The earliest step at a stage after the earliest strict step at the one before reaches furthest.
strict as (
    select
        unit,
        unit_id,
        customer_id,
        stage_number,
        min(step_ordinal) as step_ordinal
    from calls
    where stage_number = 1
    group by unit, unit_id, customer_id, stage_number
    union all
    select
        v.unit,
        v.unit_id,
        v.customer_id,
        v.stage_number,
        min(v.step_ordinal) as step_ordinal
    from strict as s
    inner join calls as v
        on s.unit = v.unit and s.unit_id = v.unit_id and s.stage_number + 1 = v.stage_number
            and s.step_ordinal < v.step_ordinal
    group by v.unit, v.unit_id, v.customer_id, v.stage_number
)

select
    unit,
    unit_id,
    customer_id,
    stage_number,
    step_ordinal
from strict
