-- Units that reached each stage after each earlier one, in order and without a skip.
-- grain: one row per unit, unit_id, stage_number
-- kept: private
-- renewed: by customer_id
-- column: unit           customers or journeys
-- column: unit_id        the customer or journey
-- column: customer_id    the customer
-- column: stage_number   position of the stage
-- column: step_place     place of that step in the customer's life: ordinal of its journey's first event, then its number (lower 32 bits)
-- A journey's id is its first event's, whose ordinal puts the journeys of a customer in order.
with recursive begun as (
    select
        event_id,
        event_ordinal
    from events
    where event_id = journey_id
),

kept_journeys as (
    select
        j.journey_id,
        b.event_ordinal
    from journeys as j
    inner join begun as b on j.journey_id = b.event_id
    where not j.is_flagged
),

kept_steps as materialized (
    select
        s.journey_id,
        s.customer_id,
        s.stage_number,
        k.event_ordinal * 4294967296 + s.step_number as step_place
    from journey_steps as s
    inner join kept_journeys as k on s.journey_id = k.journey_id
    where s.stage_number is not null
),

-- A union in parentheses: in a CTE of a recursive query it would take the type of its first ids for the others.
calls as (
    select
        unit,
        unit_id,
        customer_id,
        stage_number,
        step_place
    from (
        select
            'journeys' as unit,
            journey_id as unit_id,
            customer_id,
            stage_number,
            step_place
        from kept_steps
        union all
        select
            'customers' as unit,
            customer_id as unit_id,
            customer_id,
            stage_number,
            step_place
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
        min(step_place) as step_place
    from calls
    where stage_number = 1
    group by unit, unit_id, customer_id, stage_number
    union all
    select
        v.unit,
        v.unit_id,
        v.customer_id,
        v.stage_number,
        min(v.step_place) as step_place
    from strict as s
    inner join calls as v
        on s.unit = v.unit and s.unit_id = v.unit_id and s.stage_number + 1 = v.stage_number
            and s.step_place < v.step_place
    group by v.unit, v.unit_id, v.customer_id, v.stage_number
)

select
    unit,
    unit_id,
    customer_id,
    stage_number,
    step_place
from strict
