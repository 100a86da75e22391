-- How many customers come back: cohorts by first interval, and the share of each that is there again later.
-- macro: retention(every := 'week', entry_touchpoint := null, return_touchpoint := null, kind := 'n_day', intervals := null)
-- argument: every              length of an interval of the calendar in UTC: hour, day, week (from Monday) or month
-- argument: entry_touchpoint   what puts a customer into a cohort, the first time; NULL: any event
-- argument: return_touchpoint  what counts as coming back; NULL: any event
-- argument: kind               n_day: there in the interval; unbounded: in it or later
-- argument: intervals          cohorts from the first on, and intervals, that are shown; NULL: up to the last event
-- column: cohort_at            begin of the cohort's interval, UTC
-- column: interval_number      intervals after it; 0 is the cohort's own
-- column: cohort_size          customers who entered in it
-- column: retained             of these, those who are there
-- column: retention_rate       retained / cohort_size
-- column: retention_rate_low   Wilson 95 % interval, lower end
-- column: retention_rate_high  Wilson 95 % interval, upper end
-- column: is_complete          the interval had ended at the cutoff
-- example: from retention(every := 'month', return_touchpoint := 'purchase')
with asked as (
    select
        case when every in ('hour', 'day', 'week', 'month') then every
            else error('every: give hour, day, week or month')
        end as length_name,
        known_touchpoint(entry_touchpoint) as entry_name,
        known_touchpoint(return_touchpoint) as return_name,
        case when kind in ('n_day', 'unbounded') then kind else error('kind: give n_day or unbounded') end as kind_name,
        case when intervals is null or intervals >= 1 then intervals
            else error('intervals: give 1 or more')
        end as shown_count
),

cutoffs as (
    select epoch_us(cast(replace(s."value", '+00:00', '') as timestamp)) as cutoff_us
    from settings as s
    where s.name = 'cutoff_at'
),

flagged as (
    select j.journey_id
    from journeys as j
    where j.is_flagged
),

counted as (
    select
        e.customer_id,
        a.length_name,
        e.occurred_us as us,
        coalesce(a.entry_name is null or e.touchpoint = a.entry_name, false) as is_entry,
        coalesce(a.return_name is null or e.touchpoint = a.return_name, false) as is_return
    from events as e
    cross join asked as a
    where e.customer_id is not null
        and (
            not coalesce(e.is_background, false)
            or coalesce(e.touchpoint = a.entry_name, false)
            or coalesce(e.touchpoint = a.return_name, false)
        )
        and (e.journey_id is null or e.journey_id not in (select f.journey_id from flagged as f))
),

-- Intervals of the calendar by number, so that those between two moments can be counted; from the year 1, whose first
-- day is a Monday, since // cuts towards zero.
marked as (
    select distinct
        c.customer_id,
        case c.length_name
            when 'hour' then (c.us + 62135596800000000) // 3600000000
            when 'day' then (c.us + 62135596800000000) // 86400000000
            when 'week' then (c.us + 62135596800000000) // 604800000000
            else year(make_timestamp(c.us)) * 12 + month(make_timestamp(c.us)) - 1
        end as number,
        c.is_entry,
        c.is_return
    from counted as c
),

bounds as (
    select
        min(case when m.is_entry then m.number end) as first_number,
        coalesce(
            min(case when m.is_entry then m.number end) + (select a.shown_count from asked as a) - 1,
            max(m.number)
        ) as last_number
    from marked as m
),

members as (
    select
        m.customer_id,
        min(m.number) as cohort_number
    from marked as m
    where m.is_entry
    group by m.customer_id
),

sizes as (
    select
        m.cohort_number,
        count(*) as cohort_size
    from members as m
    group by m.cohort_number
),

numbers as (
    select unnest(range(b.first_number, b.last_number + 1)) as number
    from bounds as b
),

cells as (
    select
        c.number as cohort_number,
        i.number - b.first_number as interval_number
    from numbers as c
    cross join numbers as i
    cross join bounds as b
),

-- How far after the cohort's interval a customer was there; entering counts as being there.
returned as (
    select distinct
        m.customer_id,
        m.cohort_number,
        r.number - m.cohort_number as interval_number
    from members as m
    inner join marked as r on m.customer_id = r.customer_id and m.cohort_number <= r.number
    where r.is_return or r.number = m.cohort_number
),

-- Of an unbounded retention the last return alone counts: whoever is there later was not lost before.
stays as (
    select
        r.cohort_number,
        r.customer_id,
        r.interval_number
    from returned as r
    inner join asked as a on a.kind_name = 'n_day'
    union all
    select
        r.cohort_number,
        r.customer_id,
        max(r.interval_number) as interval_number
    from returned as r
    inner join asked as a on a.kind_name = 'unbounded'
    group by r.cohort_number, r.customer_id
),

kept as (
    select
        s.cohort_number,
        s.interval_number,
        count(*) as customer_count
    from stays as s
    group by s.cohort_number, s.interval_number
),

retained_cells as (
    select
        c.cohort_number,
        c.interval_number,
        cast(coalesce(sum(k.customer_count), 0) as bigint) as retained
    from cells as c
    cross join asked as a
    left join kept as k
        on c.cohort_number = k.cohort_number
            and (
                c.interval_number = k.interval_number
                or (a.kind_name = 'unbounded' and c.interval_number < k.interval_number)
            )
    group by c.cohort_number, c.interval_number
),

dated as (
    select
        c.cohort_number,
        c.interval_number,
        c.retained,
        coalesce(z.cohort_size, 0) as cohort_size,
        a.length_name,
        c.cohort_number + c.interval_number + 1 as end_number
    from retained_cells as c
    cross join asked as a
    left join sizes as z on c.cohort_number = z.cohort_number
)

select
    case d.length_name
        when 'hour' then make_timestamp(d.cohort_number * 3600000000 - 62135596800000000)
        when 'day' then make_timestamp(d.cohort_number * 86400000000 - 62135596800000000)
        when 'week' then make_timestamp(d.cohort_number * 604800000000 - 62135596800000000)
        else make_timestamp(d.cohort_number // 12, d.cohort_number % 12 + 1, 1, 0, 0, 0)
    end as cohort_at,
    d.interval_number,
    d.cohort_size,
    d.retained,
    rate(d.retained, d.cohort_size) as retention_rate,
    wilson_low(d.retained, d.cohort_size) as retention_rate_low,
    wilson_high(d.retained, d.cohort_size) as retention_rate_high,
    case d.length_name
        when 'hour' then d.end_number * 3600000000 - 62135596800000000
        when 'day' then d.end_number * 86400000000 - 62135596800000000
        when 'week' then d.end_number * 604800000000 - 62135596800000000
        else epoch_us(make_timestamp(d.end_number // 12, d.end_number % 12 + 1, 1, 0, 0, 0))
    end <= t.cutoff_us as is_complete
from dated as d
cross join cutoffs as t
order by d.cohort_number, d.interval_number
