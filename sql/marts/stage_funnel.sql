-- The stage funnel, by customers and by journeys: who reached each stage, went on, left, or is still open.
-- grain: one row per unit, stage
-- column: unit                   customers or journeys
-- column: stage                  the stage
-- column: stage_number           its position
-- column: entered                reached this stage or a later one
-- column: converted              of these, reached the next stage or a later one
-- column: dropped_off            of these, did not, and expired
-- column: open                   of these, did not yet, and have not expired
-- column: skipped                reached a later stage with no contact in this one
-- column: strict_entered         reached this stage after each earlier one in order, without a skip
-- column: conversion_rate        converted over converted and dropped_off: matured units only; NULL for the last stage
-- column: conversion_rate_low    Wilson 95 % interval, lower end
-- column: conversion_rate_high   Wilson 95 % interval, upper end
-- column: median_seconds         from first reaching this stage to first reaching the next one, exact median, seconds
with kept_journeys as (
    select
        journey_id,
        customer_id,
        is_open
    from journeys
    where not is_flagged
),

open_units as (
    select
        'journeys' as unit,
        journey_id as unit_id
    from kept_journeys
    where is_open
    union all
    select distinct
        'customers' as unit,
        customer_id as unit_id
    from kept_journeys
    where is_open
),

furthest as (
    select
        u.unit,
        u.unit_id,
        max(u.stage_number) as furthest_number,
        max(case when o.unit_id is not null then 1 else 0 end) = 1 as is_open
    from unit_stages as u
    left join open_units as o on u.unit = o.unit and u.unit_id = o.unit_id
    group by u.unit, u.unit_id
),

units as (
    select 'customers' as unit
    union all
    select 'journeys' as unit
),

reached as (
    select
        n.unit,
        g.stage,
        g.stage_number,
        count(case when f.furthest_number >= g.stage_number then 1 end) as entered,
        count(case when f.furthest_number > g.stage_number then 1 end) as went_on,
        count(case when f.furthest_number = g.stage_number and not f.is_open then 1 end) as dropped_off,
        count(case when f.furthest_number = g.stage_number and f.is_open then 1 end) as still_open
    from stages as g
    cross join units as n
    left join furthest as f on n.unit = f.unit
    group by n.unit, g.stage, g.stage_number
),

touched as (
    select
        unit,
        stage_number,
        count(*) as touched_count
    from unit_stages
    group by unit, stage_number
),

timed as (
    select
        a.unit,
        a.stage_number,
        median(epoch_us(b.reached_at) - epoch_us(a.reached_at)) / 1000000.0 as median_seconds
    from unit_stages as a
    inner join unit_stages as b
        on a.unit = b.unit and a.unit_id = b.unit_id and a.stage_number + 1 = b.stage_number
    where b.reached_at >= a.reached_at
    group by a.unit, a.stage_number
),

strict as (
    select
        unit,
        stage_number,
        count(*) as strict_entered
    from strict_stages
    group by unit, stage_number
),

last_stage as (
    select max(stage_number) as last_number
    from stages
)

select
    r.unit,
    r.stage,
    r.stage_number,
    r.entered,
    case when r.stage_number = l.last_number then r.entered else r.went_on end as converted,
    case when r.stage_number = l.last_number then 0 else r.dropped_off end as dropped_off,
    case when r.stage_number = l.last_number then 0 else r.still_open end as "open",
    r.entered - coalesce(t.touched_count, 0) as skipped,
    coalesce(s.strict_entered, 0) as strict_entered,
    case when r.stage_number < l.last_number then rate(r.went_on, r.went_on + r.dropped_off) end as conversion_rate,
    case when r.stage_number < l.last_number then wilson_low(r.went_on, r.went_on + r.dropped_off) end
        as conversion_rate_low,
    case when r.stage_number < l.last_number then wilson_high(r.went_on, r.went_on + r.dropped_off) end
        as conversion_rate_high,
    m.median_seconds
from reached as r
cross join last_stage as l
left join touched as t on r.unit = t.unit and r.stage_number = t.stage_number
left join timed as m on r.unit = m.unit and r.stage_number = m.stage_number
left join strict as s on r.unit = s.unit and r.stage_number = s.stage_number
order by r.unit, r.stage_number
