-- Counts behind stage_funnel, by the furthest stage that a unit reached.
-- grain: one row per unit, stage_number
-- kept: private
-- renewed: by sums
-- column: unit                customers or journeys
-- column: stage_number        position of the stage
-- column: furthest_count      units that came as far as this stage
-- column: still_open_count    units of these that have not expired
-- column: touched_count       units that had a contact in this stage
-- column: strict_count        units that reached this stage after each earlier one in order, without a skip
with open_units as (
    select
        'journeys' as unit,
        journey_id as unit_id
    from journeys
    where is_open
        and not is_flagged
    union all
    select distinct
        'customers' as unit,
        customer_id as unit_id
    from journeys
    where is_open
        and not is_flagged
),

furthest as (
    select
        unit,
        unit_id,
        max(stage_number) as stage_number
    from unit_stages
    group by unit, unit_id
),

ended as (
    select
        f.unit,
        f.stage_number,
        count(*) as furthest_count,
        count(o.unit_id) as still_open_count
    from furthest as f
    left join open_units as o on f.unit = o.unit and f.unit_id = o.unit_id
    group by f.unit, f.stage_number
),

touched as (
    select
        unit,
        stage_number,
        count(*) as touched_count
    from unit_stages
    group by unit, stage_number
),

strict as (
    select
        unit,
        stage_number,
        count(*) as strict_count
    from strict_stages
    group by unit, stage_number
)

select
    t.unit,
    t.stage_number,
    coalesce(e.furthest_count, 0) as furthest_count,
    coalesce(e.still_open_count, 0) as still_open_count,
    t.touched_count,
    coalesce(s.strict_count, 0) as strict_count
from touched as t
left join ended as e on t.unit = e.unit and t.stage_number = e.stage_number
left join strict as s on t.unit = s.unit and t.stage_number = s.stage_number
