-- How many customers, journeys or sessions reach each step of a funnel, exact over every chain of events.
-- macro: funnel(steps, window_seconds := null, unit := 'customers', kind := 'touchpoints')
-- argument: steps           list of touchpoints, or of stages, in order; other events may come between
-- argument: window_seconds  from the first step to the last, inclusive; NULL: no limit
-- argument: unit            what is counted: customers, journeys or sessions
-- argument: kind            what the steps name: touchpoints or stages
-- column: step_number           1-based position in the funnel
-- column: step                  the touchpoint or stage
-- column: entered               units that reached it: converted + dropped_off + open
-- column: converted             of these, those that reached the next step (of the last step: all)
-- column: dropped_off           of these, those that did not and no longer can
-- column: open                  of these, those that still can: window or journey had not ended at the cutoff
-- column: conversion_rate       converted / (converted + dropped_off); NULL for the last step
-- column: conversion_rate_low   Wilson 95 % interval, lower end
-- column: conversion_rate_high  Wilson 95 % interval, upper end
-- column: step_conversion_rate  entered over that of the step before; of the first step: over all units
-- column: share_of_first        entered over that of the first step
-- column: share_of_all          entered over all units
-- column: mean_seconds          from this step to the next, mean
-- column: median_seconds        the same, exact median
-- column: p75_seconds           the same, 75th percentile
-- column: p90_seconds           the same, 90th percentile
-- example: from funnel(['product page', 'add to cart', 'purchase'], window_seconds := 7 * 86400)
with recursive asked as (
    select
        case when len(steps) >= 1 then steps else error('steps: give at least one') end as names,
        cast(round(cast(window_seconds as double) * 1000000) as bigint) as window_us,
        case when unit in ('customers', 'journeys', 'sessions') then unit
            else error('unit: give customers, journeys or sessions')
        end as unit_name,
        case when kind in ('touchpoints', 'stages') then kind else error('kind: give touchpoints or stages') end
            as kind_name
),

numbered as (
    select
        unnest(a.names) as step,
        unnest(range(1, len(a.names) + 1)) as step_number,
        a.kind_name
    from asked as a
),

wanted as (
    select
        cast(n.step_number as integer) as step_number,
        coalesce(
            known_stage(case when n.kind_name = 'stages' then n.step end),
            known_touchpoint(case when n.kind_name = 'touchpoints' then n.step end)
        ) as step
    from numbered as n
),

cutoffs as (
    select
        epoch_us(cast(replace(
            max(case when s.name = 'cutoff_at' then s."value" end), '+00:00', ''
        ) as timestamp)) as cutoff_us,
        cast(max(case when s.name = 'inactivity_seconds' then s."value" end) as double) * 1000000 as inactivity_us,
        coalesce(bool_or(s.name = 'expiry_seconds' and s."value" is not null), false) as expires
    from settings as s
),

flagged as (
    select j.journey_id
    from journeys as j
    where j.is_flagged
),

-- What counts: no machine's journeys, and background events only where a step names them.
counted as (
    select
        case a.unit_name
            when 'journeys' then cast(e.journey_id as varchar)
            when 'sessions' then cast(e.session_id as varchar)
            else cast(e.customer_id as varchar)
        end as unit_id,
        case a.kind_name when 'stages' then e.stage else e.touchpoint end as place,
        e.is_background,
        e.occurred_us as us,
        e.event_ordinal
    from events as e
    cross join asked as a
    where e.journey_id is null or e.journey_id not in (select f.journey_id from flagged as f)
),

known as (
    select c.*
    from counted as c
    where c.unit_id is not null
        and (not coalesce(c.is_background, false) or c.place in (select w.step from wanted as w))
),

unit_totals as (
    select count(distinct k.unit_id) as unit_count
    from known as k
),

ordered as (
    select
        k.unit_id,
        k.place,
        k.us,
        row_number() over (partition by k.unit_id order by k.us, k.event_ordinal) as ordinal
    from known as k
    where k.place in (select w.step from wanted as w)
),

matched as (
    select
        o.unit_id,
        o.us,
        o.ordinal,
        w.step_number
    from ordered as o
    inner join wanted as w on o.place = w.step
),

-- Each event as one to go on from, and as one to go on to.
ends as (
    select
        m.unit_id,
        m.step_number as from_number,
        m.ordinal,
        m.us,
        false as is_next
    from matched as m
    union all
    select
        m.unit_id,
        m.step_number - 1 as from_number,
        m.ordinal,
        m.us,
        true as is_next
    from matched as m
),

-- After each event of a step the unit's first event of the next step; no event is its own successor.
linked as (
    select
        e.unit_id,
        e.from_number,
        e.ordinal,
        e.is_next,
        min(case when e.is_next then e.ordinal end) over ahead as next_ordinal,
        min(case when e.is_next then e.us end) over ahead as next_us
    from ends as e
    window ahead as (
        partition by e.unit_id, e.from_number
        order by e.ordinal, e.is_next desc
        rows between 1 following and unbounded following
    )
),

links as materialized (
    select l.*
    from linked as l
    where not l.is_next and l.next_ordinal is not null
),

-- Every event of the first step starts an attempt, which takes the first event of each further step within the window.
reached as (
    select
        m.unit_id,
        m.ordinal as start_ordinal,
        m.us as start_us,
        m.ordinal as done_ordinal,
        1 as reached_level,
        [m.us] as moments
    from matched as m
    where m.step_number = 1
    union all
    select
        r.unit_id,
        r.start_ordinal,
        r.start_us,
        l.next_ordinal as done_ordinal,
        r.reached_level + 1 as reached_level,
        list_append(r.moments, l.next_us) as moments
    from reached as r
    inner join links as l
        on r.unit_id = l.unit_id and r.reached_level = l.from_number and r.done_ordinal = l.ordinal
    cross join asked as a
    where a.window_us is null or l.next_us - r.start_us <= a.window_us
),

-- Of a unit counts the attempt that came furthest, was the first to be there, and had begun the latest.
deepest as (
    select r.*
    from reached as r
    qualify row_number() over (
            partition by r.unit_id order by r.reached_level desc, r.done_ordinal, r.start_ordinal desc
        ) = 1
),

open_journeys as (
    select distinct
        case a.unit_name when 'journeys' then cast(j.journey_id as varchar) else cast(j.customer_id as varchar) end
            as unit_id
    from journeys as j
    cross join asked as a
    where j.is_open
),

open_sessions as (
    select cast(s.session_id as varchar) as unit_id
    from sessions as s
    cross join cutoffs as t
    where epoch_us(s.ended_at) + t.inactivity_us >= t.cutoff_us
),

chosen as (
    select
        d.*,
        (a.window_us is null or d.start_us + a.window_us >= t.cutoff_us)
        and case
            when a.unit_name = 'sessions' then d.unit_id in (select s.unit_id from open_sessions as s)
            when t.expires and (a.unit_name = 'journeys' or a.window_us is null)
                then d.unit_id in (select j.unit_id from open_journeys as j)
            else a.window_us is not null
        end as is_open
    from deepest as d
    cross join asked as a
    cross join cutoffs as t
),

-- A row a unit and step that it reached.
walked as (
    select
        w.step_number,
        w.step,
        c.reached_level,
        c.is_open,
        case when w.step_number < c.reached_level then c.moments[w.step_number + 1] - c.moments[w.step_number] end
            as waited_us
    from wanted as w
    left join chosen as c on w.step_number <= c.reached_level
),

lengths as (
    select max(w.step_number) as last_number
    from wanted as w
),

summed as (
    select
        w.step_number,
        w.step,
        count(w.reached_level) as entered_count,
        count(case when w.reached_level > w.step_number or w.step_number = n.last_number then w.reached_level end)
            as converted_count,
        count(case when w.reached_level = w.step_number and w.step_number < n.last_number and w.is_open then 1 end)
            as open_count,
        avg(w.waited_us) / 1000000.0 as mean_seconds,
        median(w.waited_us) / 1000000.0 as median_seconds,
        quantile_cont(w.waited_us, 0.75) / 1000000.0 as p75_seconds,
        quantile_cont(w.waited_us, 0.9) / 1000000.0 as p90_seconds
    from walked as w
    cross join lengths as n
    group by w.step_number, w.step, n.last_number
),

rated as (
    select
        s.*,
        u.unit_count,
        case when s.step_number < n.last_number then s.entered_count - s.open_count end as matured_count,
        coalesce(lag(s.entered_count) over (order by s.step_number), u.unit_count) as before_count,
        first_value(s.entered_count) over (order by s.step_number) as first_count
    from summed as s
    cross join unit_totals as u
    cross join lengths as n
)

select
    r.step_number,
    r.step,
    r.entered_count as entered,
    r.converted_count as converted,
    r.entered_count - r.converted_count - r.open_count as dropped_off,
    r.open_count as "open",
    rate(r.converted_count, r.matured_count) as conversion_rate,
    wilson_low(r.converted_count, r.matured_count) as conversion_rate_low,
    wilson_high(r.converted_count, r.matured_count) as conversion_rate_high,
    rate(r.entered_count, r.before_count) as step_conversion_rate,
    rate(r.entered_count, r.first_count) as share_of_first,
    rate(r.entered_count, r.unit_count) as share_of_all,
    r.mean_seconds,
    r.median_seconds,
    r.p75_seconds,
    r.p90_seconds
from rated as r
order by r.step_number
