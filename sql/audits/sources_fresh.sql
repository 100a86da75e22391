-- Every source has events close to the cutoff: within audits.late, or else within twice its longest pause so far, in days.
-- severity: warn
-- Days are numbered from the year 1, since // cuts towards zero.
with days as (
    select
        source,
        (occurred_us + 62135596800000000) // 86400000000 as day_number,
        max(occurred_us) as latest_us
    from events
    group by source, (occurred_us + 62135596800000000) // 86400000000
),

paused as (
    select
        source,
        latest_us,
        day_number - lag(day_number) over (partition by source order by day_number) as pause_days
    from days
),

-- Less than five days with events are no habit to learn from.
learnt as (
    select
        source,
        max(latest_us) as latest_us,
        case when count(*) >= 5 then 2 * greatest(1, max(pause_days)) end as usual_days
    from paused
    group by source
),

limited as (
    select
        source,
        latest_us,
        coalesce($late_us[list_position($late_sources, source)], usual_days * 86400000000) as late_us
    from learnt
)

select
    source,
    make_timestamp(latest_us) as latest_event_at,
    ($cutoff_us - latest_us) // 86400000000 as days_late,
    round(late_us / 86400000000.0, 2) as days_allowed
from limited
where $cutoff_us - latest_us > late_us
