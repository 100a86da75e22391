-- What customers do next: the steps that follow a touchpoint, journey by journey, the most frequent first.
-- macro: paths_after(touchpoint, n, occurrence := 'first')
-- argument: touchpoint  where the paths begin
-- argument: n           steps that are followed, 1 or more
-- argument: occurrence  which one of a journey's steps at the touchpoint: first, last or all
-- column: path                  the touchpoints that follow, ' -> ' between them; __end__ where the journey ends
-- column: occurrence_count      times that it happened
-- column: journey_count         journeys in which it happened
-- column: share                 occurrence_count over that of all paths; sums to 1
-- column: share_low             Wilson 95 % interval, lower end
-- column: share_high            Wilson 95 % interval, upper end
-- column: median_seconds        from the end of the touchpoint's step to the start of the path's last step, exact median
-- column: matured_count         of these journeys, those that are converted or dropped off
-- column: converted_count       of the matured, those that reach the goal after the touchpoint
-- column: conversion_rate       converted_count / matured_count
-- column: conversion_rate_low   Wilson 95 % interval, lower end
-- column: conversion_rate_high  Wilson 95 % interval, upper end
-- example: from paths_after('product page', 3) limit 10
with asked as (
    select
        known_touchpoint(touchpoint) as wanted_name,
        case when n >= 1 then n else error('n: give 1 or more steps') end as far,
        case
            when occurrence in ('first', 'last', 'all') then occurrence
            else error('occurrence: give first, last or all')
        end as which
),

kept_journeys as (
    select
        j.journey_id,
        j.state <> 'open' as is_matured
    from journeys as j
    where not j.is_flagged
),

goals as (
    select
        s.journey_id,
        max(s.step_number) as last_goal_step
    from journey_steps as s
    where s.is_goal
    group by s.journey_id
),

-- The journey's steps at the touchpoint, from the first and from the last one on.
placed as (
    select
        s.journey_id,
        s.step_number,
        s.ended_at,
        k.is_matured,
        a.far,
        a.which,
        row_number() over (partition by s.journey_id order by s.step_number) as place,
        row_number() over (partition by s.journey_id order by s.step_number desc) as place_from_end
    from journey_steps as s
    inner join asked as a on s.touchpoint = a.wanted_name
    inner join kept_journeys as k on s.journey_id = k.journey_id
),

found as (
    select
        p.*,
        coalesce(g.last_goal_step > p.step_number, false) as is_converted_after
    from placed as p
    left join goals as g on p.journey_id = g.journey_id
    where p.which = 'all' or (p.which = 'first' and p.place = 1) or (p.which = 'last' and p.place_from_end = 1)
),

walked as (
    select
        f.journey_id,
        f.is_matured,
        f.is_converted_after,
        concat_ws(
            ' -> ',
            string_agg(s.touchpoint, ' -> ' order by s.step_number),
            case when count(s.step_number) < min(f.far) then '__end__' end
        ) as path,
        epoch_us(max(s.started_at)) - epoch_us(min(f.ended_at)) as waited_us
    from found as f
    left join journey_steps as s
        on f.journey_id = s.journey_id and s.step_number between f.step_number + 1 and f.step_number + f.far
    group by f.journey_id, f.step_number, f.is_matured, f.is_converted_after
),

counted as (
    select
        w.path,
        count(*) as occurrence_count,
        count(distinct w.journey_id) as journey_count,
        median(w.waited_us) / 1000000.0 as median_seconds,
        count(distinct case when w.is_matured then w.journey_id end) as matured_count,
        count(distinct case when w.is_matured and w.is_converted_after then w.journey_id end) as converted_count
    from walked as w
    group by w.path
),

totalled as (
    select
        c.*,
        sum(c.occurrence_count) over () as total_count
    from counted as c
)

select
    t.path,
    t.occurrence_count,
    t.journey_count,
    rate(t.occurrence_count, t.total_count) as share,
    wilson_low(t.occurrence_count, t.total_count) as share_low,
    wilson_high(t.occurrence_count, t.total_count) as share_high,
    t.median_seconds,
    t.matured_count,
    t.converted_count,
    rate(t.converted_count, t.matured_count) as conversion_rate,
    wilson_low(t.converted_count, t.matured_count) as conversion_rate_low,
    wilson_high(t.converted_count, t.matured_count) as conversion_rate_high
from totalled as t
order by t.occurrence_count desc, t.path
