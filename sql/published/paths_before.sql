-- What led to a touchpoint: the steps before it, journey by journey, the most frequent first.
-- macro: paths_before(touchpoint, n, occurrence := 'first')
-- argument: touchpoint  where the paths lead
-- argument: n           steps that are looked back at, 1 or more
-- argument: occurrence  which one of a journey's steps at the touchpoint: first, last or all
-- column: path              the touchpoints before it in order of time, ' -> ' between them; __start__ where the journey begins
-- column: occurrence_count  times that it happened
-- column: journey_count     journeys in which it happened
-- column: share             occurrence_count over that of all paths; sums to 1
-- column: share_low         Wilson 95 % interval, lower end
-- column: share_high        Wilson 95 % interval, upper end
-- column: median_seconds    from the end of the path's first step to the start of the touchpoint's, exact median
-- example: from paths_before('purchase', 3) limit 10
with asked as (
    select
        known_touchpoint(touchpoint) as wanted_name,
        case when n >= 1 then n else error('n: give 1 or more steps') end as far,
        case
            when occurrence in ('first', 'last', 'all') then occurrence
            else error('occurrence: give first, last or all')
        end as which
),

-- The journey's steps at the touchpoint, from the first and from the last one on.
placed as (
    select
        s.journey_id,
        s.step_number,
        s.started_at,
        a.far,
        a.which,
        row_number() over (partition by s.journey_id order by s.step_number) as place,
        row_number() over (partition by s.journey_id order by s.step_number desc) as place_from_end
    from journey_steps as s
    inner join asked as a on s.touchpoint = a.wanted_name
    inner join journeys as j on s.journey_id = j.journey_id and not j.is_flagged
),

found as (
    select p.*
    from placed as p
    where p.which = 'all' or (p.which = 'first' and p.place = 1) or (p.which = 'last' and p.place_from_end = 1)
),

walked as (
    select
        f.journey_id,
        concat_ws(
            ' -> ',
            case when count(s.step_number) < min(f.far) then '__start__' end,
            string_agg(s.touchpoint, ' -> ' order by s.step_number)
        ) as path,
        epoch_us(min(f.started_at)) - epoch_us(min(s.ended_at)) as waited_us
    from found as f
    left join journey_steps as s
        on f.journey_id = s.journey_id and s.step_number between f.step_number - f.far and f.step_number - 1
    group by f.journey_id, f.step_number
),

counted as (
    select
        w.path,
        count(*) as occurrence_count,
        count(distinct w.journey_id) as journey_count,
        median(w.waited_us) / 1000000.0 as median_seconds
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
    t.median_seconds
from totalled as t
order by t.occurrence_count desc, t.path
