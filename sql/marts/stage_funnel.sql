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
with units as (
    select 'customers' as unit
    union all
    select 'journeys' as unit
),

counted as (
    select
        u.unit,
        g.stage,
        g.stage_number,
        coalesce(c.furthest_count, 0) as furthest_count,
        coalesce(c.still_open_count, 0) as still_open_count,
        coalesce(c.touched_count, 0) as touched_count,
        coalesce(c.strict_count, 0) as strict_count
    from stages as g
    cross join units as u
    left join stage_counts as c on u.unit = c.unit and g.stage_number = c.stage_number
),

-- Who came further also entered this stage.
reached as (
    select
        *,
        cast(sum(furthest_count) over (
            partition by unit order by stage_number desc rows between unbounded preceding and current row
        ) as bigint) as entered,
        max(stage_number) over (partition by unit) as last_number
    from counted
),

timed as (
    select
        unit,
        stage_number,
        median(next_us) / 1000000.0 as median_seconds
    from unit_stages
    where next_us is not null
    group by unit, stage_number
)

select
    r.unit,
    r.stage,
    r.stage_number,
    r.entered,
    case when r.stage_number = r.last_number then r.entered else r.entered - r.furthest_count end as converted,
    case when r.stage_number = r.last_number then 0 else r.furthest_count - r.still_open_count end as dropped_off,
    case when r.stage_number = r.last_number then 0 else r.still_open_count end as "open",
    r.entered - r.touched_count as skipped,
    r.strict_count as strict_entered,
    case
        when r.stage_number < r.last_number
            then rate(r.entered - r.furthest_count, r.entered - r.still_open_count)
    end as conversion_rate,
    case
        when r.stage_number < r.last_number
            then wilson_low(r.entered - r.furthest_count, r.entered - r.still_open_count)
    end as conversion_rate_low,
    case
        when r.stage_number < r.last_number
            then wilson_high(r.entered - r.furthest_count, r.entered - r.still_open_count)
    end as conversion_rate_high,
    t.median_seconds
from reached as r
left join timed as t on r.unit = t.unit and r.stage_number = t.stage_number
order by r.unit, r.stage_number
