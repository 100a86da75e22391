-- How many customers, journeys or sessions reach each step of a funnel, exact over every chain of events.
-- macro: funnel(steps, window_seconds := null, unit := 'customers', kind := 'touchpoints', step_order := 'ordered', excluded := [], breakdown := null)
-- argument: steps           list of touchpoints, or of stages, in order
-- argument: window_seconds  from the first step to the last, inclusive; NULL: no limit
-- argument: unit            what is counted: customers, journeys or sessions
-- argument: kind            what the steps name: touchpoints or stages
-- argument: step_order      ordered: other events may come between; strict: none may but repeats of the step just reached
-- argument: excluded        list of touchpoints, or of stages, that end an attempt between its first and last step: as in Python, the unit leaves the funnel when its deepest attempt has one
-- argument: breakdown       counts apart by the first step's channel, device, source, touchpoint, stage, campaign_source, campaign_medium or campaign_name; NULL: all together
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
-- column: segment               the value of breakdown; NULL without one, or where it is missing
-- example: from funnel(['product page', 'add to cart', 'purchase'], window_seconds := 7 * 86400)
with recursive asked as (
    select
        case when len(steps) >= 1 then steps else error('steps: give at least one') end as names,
        case
            when len(list_intersect(cast(excluded as varchar[]), cast(steps as varchar[]))) > 0
                then error('excluded: a step cannot be excluded at once')
            else cast(excluded as varchar[])
        end as barred,
        cast(round(cast(window_seconds as double) * 1000000) as bigint) as window_us,
        case when unit in ('customers', 'journeys', 'sessions') then unit
            else error('unit: give customers, journeys or sessions')
        end as unit_name,
        case when kind in ('touchpoints', 'stages') then kind else error('kind: give touchpoints or stages') end
            as kind_name,
        case
            when step_order in ('ordered', 'strict') then step_order else error('step_order: give ordered or strict')
        end
            as order_name,
        case
            when breakdown is null
                or breakdown in (
                    'channel', 'device', 'source', 'touchpoint', 'stage', 'campaign_source', 'campaign_medium',
                    'campaign_name'
                ) then breakdown
            else error('breakdown: give a column that the dictionary lists under funnel, such as channel or device')
        end as breakdown_name
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

barred as (
    select distinct
        unnest(a.barred) as name,
        a.kind_name
    from asked as a
),

unwanted as (
    select
        coalesce(
            known_stage(case when b.kind_name = 'stages' then b.name end),
            known_touchpoint(case when b.kind_name = 'touchpoints' then b.name end)
        ) as place
    from barred as b
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
        case a.breakdown_name
            when 'channel' then e.channel
            when 'device' then e.device
            when 'source' then e.source
            when 'touchpoint' then e.touchpoint
            when 'stage' then e.stage
            when 'campaign_source' then e.campaign_source
            when 'campaign_medium' then e.campaign_medium
            when 'campaign_name' then e.campaign_name
        end as segment,
        e.is_background,
        e.occurred_us as us,
        e.event_ordinal
    from events as e
    cross join asked as a
    where e.journey_id is null or e.journey_id not in (select f.journey_id from flagged as f)
),

known as not materialized (
    select
        c.unit_id,
        c.place,
        c.segment,
        c.us,
        cast(c.us as hugeint) * 4294967296 + c.event_ordinal as ordinal
    from counted as c
    where c.unit_id is not null
        and (
            not coalesce(c.is_background, false)
            or c.place in (select w.step from wanted as w)
            or c.place in (select u.place from unwanted as u)
        )
),

-- Units by number, since numbers are joined and sorted several times as fast as ids.
units as materialized (
    select
        k.unit_id,
        row_number() over () as unit_number
    from known as k
    group by k.unit_id
),

placed as materialized (
    select
        u.unit_number,
        k.place,
        k.segment,
        k.us,
        k.ordinal
    from known as k
    inner join units as u on k.unit_id = u.unit_id
    cross join asked as a
    where a.order_name = 'strict'
        or k.place in (select w.step from wanted as w)
        or k.place in (select x.place from unwanted as x)
),

matched as materialized (
    select
        p.unit_number,
        p.segment,
        p.us,
        p.ordinal,
        w.step_number
    from placed as p
    inner join wanted as w on p.place = w.step
),

-- The first event at which a unit can have reached each step …
firsts as (
    select
        m.unit_number,
        1 as reached_level,
        min(m.ordinal) as ordinal,
        min(m.us) as us
    from matched as m
    where m.step_number = 1
    group by m.unit_number
    union all
    select
        f.unit_number,
        f.reached_level + 1 as reached_level,
        min(m.ordinal) as ordinal,
        min(m.us) as us
    from firsts as f
    inner join matched as m
        on f.unit_number = m.unit_number and f.reached_level + 1 = m.step_number and f.ordinal < m.ordinal
    group by f.unit_number, f.reached_level
),

done as materialized (
    select
        f.unit_number,
        max(f.reached_level) as reached_level,
        max(f.ordinal) as done_ordinal,
        max(f.us) as done_us
    from firsts as f
    group by f.unit_number
),

-- … and, back from the deepest, the last event of each step that still leads there.
lasts as (
    select
        d.unit_number,
        d.reached_level,
        d.done_ordinal as ordinal
    from done as d
    union all
    select
        l.unit_number,
        l.reached_level - 1 as reached_level,
        max(m.ordinal) as ordinal
    from lasts as l
    inner join matched as m
        on l.unit_number = m.unit_number and l.reached_level - 1 = m.step_number and l.ordinal > m.ordinal
    group by l.unit_number, l.reached_level
),

excluding as materialized (
    select
        p.unit_number,
        p.ordinal,
        p.us
    from placed as p
    inner join unwanted as x on p.place = x.place
),

-- So begins the attempt that counts: the deepest, of these the first to be there, of these the last to begin. It does
-- unless it is too long, or something else than order decides; then every attempt is followed.
latest as materialized (
    select
        d.unit_number,
        d.reached_level as deepest_level,
        d.done_ordinal,
        m.segment,
        m.ordinal as start_ordinal,
        m.us as start_us,
        a.order_name = 'strict'
        or coalesce(d.done_us - m.us > a.window_us, false)
        or d.unit_number in (select x.unit_number from excluding as x) as is_followed
    from done as d
    inner join lasts as l on d.unit_number = l.unit_number and l.reached_level = 1
    inner join matched as m on l.unit_number = m.unit_number and l.ordinal = m.ordinal and m.step_number = 1
    cross join asked as a
),

passed as (
    select
        s.unit_number,
        1 as reached_level,
        s.start_ordinal as ordinal,
        [s.start_us] as moments
    from latest as s
    where not s.is_followed
    union all
    select
        p.unit_number,
        p.reached_level + 1 as reached_level,
        min(m.ordinal) as ordinal,
        list_append(any_value(p.moments), min(m.us)) as moments
    from passed as p
    inner join matched as m
        on p.unit_number = m.unit_number and p.reached_level + 1 = m.step_number and p.ordinal < m.ordinal
    group by p.unit_number, p.reached_level
),

followed as materialized (
    select m.*
    from matched as m
    inner join latest as s on m.unit_number = s.unit_number
    where s.is_followed
),

-- Each event as one to go on from, as one to go on to and, in a strict funnel, as one that stands between them: it is
-- neither the step nor a repeat of it.
ends as (
    select
        f.unit_number,
        f.step_number as from_number,
        f.ordinal,
        f.us,
        false as is_next,
        false as is_between
    from followed as f
    union all
    select
        f.unit_number,
        f.step_number - 1 as from_number,
        f.ordinal,
        f.us,
        true as is_next,
        false as is_between
    from followed as f
    union all
    select
        p.unit_number,
        w.step_number as from_number,
        p.ordinal,
        p.us,
        false as is_next,
        true as is_between
    from placed as p
    cross join wanted as w
    cross join asked as a
    where a.order_name = 'strict' and p.place is distinct from w.step
),

-- After each event of a step the unit's first event of the next step; no event is its own successor.
linked as (
    select
        e.unit_number,
        e.from_number,
        e.ordinal,
        e.is_next or e.is_between as is_other,
        min(case when e.is_next then e.ordinal end) over ahead as next_ordinal,
        min(case when e.is_next then e.us end) over ahead as next_us,
        min(case when e.is_between then e.ordinal end) over ahead as between_ordinal
    from ends as e
    window ahead as (
        partition by e.unit_number, e.from_number
        order by e.ordinal, e.is_next desc
        rows between 1 following and unbounded following
    )
),

links as materialized (
    select l.*
    from linked as l
    where not l.is_other
        and l.next_ordinal is not null
        and l.next_ordinal <= coalesce(l.between_ordinal, l.next_ordinal)
),

-- Every event of the first step starts an attempt, which takes the first event of each further step within the window.
reached as (
    select
        f.unit_number,
        f.segment,
        f.ordinal as start_ordinal,
        f.us as start_us,
        f.ordinal as before_ordinal,
        f.ordinal as done_ordinal,
        1 as reached_level,
        [f.us] as moments
    from followed as f
    where f.step_number = 1
    union all
    select
        r.unit_number,
        r.segment,
        r.start_ordinal,
        r.start_us,
        r.done_ordinal as before_ordinal,
        l.next_ordinal as done_ordinal,
        r.reached_level + 1 as reached_level,
        list_append(r.moments, l.next_us) as moments
    from reached as r
    inner join links as l
        on r.unit_number = l.unit_number and r.reached_level = l.from_number and r.done_ordinal = l.ordinal
    cross join asked as a
    where a.window_us is null or l.next_us - r.start_us <= a.window_us
),

lengths as (
    select max(w.step_number) as last_number
    from wanted as w
),

attempted as (
    select
        f.unit_number,
        f.ordinal,
        f.us,
        false as is_excluded
    from followed as f
    where f.step_number = 1
    union all
    select
        x.unit_number,
        x.ordinal,
        x.us,
        true as is_excluded
    from excluding as x
),

-- The first excluded event after the start of an attempt.
spoilt as (
    select
        t.unit_number,
        t.ordinal,
        t.is_excluded,
        min(case when t.is_excluded then t.ordinal end) over later as excluded_ordinal,
        min(case when t.is_excluded then t.us end) over later as excluded_us
    from attempted as t
    window later as (
        partition by t.unit_number order by t.ordinal rows between 1 following and unbounded following
    )
),

-- An attempt in which an excluded event came before the last step, or in the window where that is missing, counts up
-- to one step beyond it.
judged as (
    select
        r.*,
        x.excluded_ordinal is null
        or case
            when r.reached_level = n.last_number then x.excluded_ordinal > r.done_ordinal
            else coalesce(x.excluded_us - r.start_us > a.window_us, false)
        end as is_clean,
        coalesce(r.reached_level > 1 and r.before_ordinal > x.excluded_ordinal, false) as is_beyond
    from reached as r
    cross join asked as a
    cross join lengths as n
    inner join spoilt as x on r.unit_number = x.unit_number and r.start_ordinal = x.ordinal and not x.is_excluded
),

ranked as (
    select j.*
    from judged as j
    where j.is_clean or not j.is_beyond
    qualify row_number() over (
            partition by j.unit_number
            order by j.reached_level desc, j.is_clean desc, j.done_ordinal, j.start_ordinal desc
        ) = 1
),

counting as (
    select
        s.unit_number,
        s.segment,
        s.start_us,
        s.deepest_level as reached_level,
        p.moments
    from latest as s
    inner join passed as p on s.unit_number = p.unit_number and s.deepest_level = p.reached_level
    union all
    select
        r.unit_number,
        r.segment,
        r.start_us,
        r.reached_level,
        r.moments
    from ranked as r
    where r.is_clean
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

chosen as materialized (
    select
        c.*,
        (a.window_us is null or c.start_us + a.window_us >= t.cutoff_us)
        and case
            when a.unit_name = 'sessions' then u.unit_id in (select s.unit_id from open_sessions as s)
            when t.expires and (a.unit_name = 'journeys' or a.window_us is null)
                then u.unit_id in (select j.unit_id from open_journeys as j)
            else a.window_us is not null
        end as is_open
    from counting as c
    inner join units as u on c.unit_number = u.unit_number
    cross join asked as a
    cross join cutoffs as t
),

-- How many units there are at all: one that never entered counts where its first event does.
unit_totals as (
    select
        t.segment,
        count(*) as unit_count
    from (
        select c.segment
        from chosen as c
        union all
        select cast(null as varchar) as segment
        from units as u
        cross join asked as a
        where a.breakdown_name is null and u.unit_number not in (select c.unit_number from chosen as c)
        union all
        select arg_min_null(k.segment, k.ordinal) as segment
        from known as k
        inner join asked as a on a.breakdown_name is not null
        inner join units as u on k.unit_id = u.unit_id
        where u.unit_number not in (select c.unit_number from chosen as c)
        group by u.unit_number
    ) as t
    group by t.segment
),

segments as (
    select distinct c.segment
    from chosen as c
    union
    select a.breakdown_name as segment
    from asked as a
    where a.breakdown_name is null
),

-- A row a unit and step that it reached.
walked as (
    select
        g.segment,
        w.step_number,
        w.step,
        c.reached_level,
        c.is_open,
        case when w.step_number < c.reached_level then c.moments[w.step_number + 1] - c.moments[w.step_number] end
            as waited_us
    from wanted as w
    cross join segments as g
    left join chosen as c on w.step_number <= c.reached_level and g.segment is not distinct from c.segment
),

summed as (
    select
        w.segment,
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
    group by w.segment, w.step_number, w.step, n.last_number
),

rated as (
    select
        s.*,
        coalesce(u.unit_count, 0) as unit_count,
        case when s.step_number < n.last_number then s.entered_count - s.open_count end as matured_count,
        coalesce(lag(s.entered_count) over by_step, u.unit_count, 0) as before_count,
        first_value(s.entered_count) over by_step as first_count
    from summed as s
    left join unit_totals as u on s.segment is not distinct from u.segment
    cross join lengths as n
    window by_step as (partition by s.segment order by s.step_number)
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
    r.p90_seconds,
    r.segment
from rated as r
order by r.segment, r.step_number
