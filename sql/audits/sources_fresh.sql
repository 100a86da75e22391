-- Every source has events close to the cutoff: within audits.late, or else within twice its longest pause so far, in days.
-- severity: warn
with days as (
    select
        source,
        local_date,
        max(occurred_us) as latest_us
    from events
    group by source, local_date
),

paused as (
    select
        source,
        latest_us,
        local_date - lag(local_date) over (partition by source order by local_date) as pause_days
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
