-- Counts and shares lie where those of the last runs with the same settings lead one to expect (audits.shrink, grow, drift).
-- severity: warn
with this_run as (
    select
        cutoff_at,
        config_fingerprint,
        model_fingerprint
    from runs
    where run_id = $run_id
),

-- The runs of the latest cutoffs first; a run for a given cutoff is compared with none that saw more.
ranked as (
    select
        r.run_id,
        row_number() over (order by r.cutoff_at desc, r.started_at desc, r.run_id desc) as place
    from runs as r
    inner join this_run as t
        on r.config_fingerprint = t.config_fingerprint
            and r.model_fingerprint = t.model_fingerprint
            and (r.cutoff_at <= t.cutoff_at or not $is_backfill)
    where r.run_id <> $run_id
),

measured as (
    select run_id, 'events' as figure, event_count as found, false as is_share from runs
    union all
    select run_id, 'customers' as figure, customer_count as found, false as is_share from runs
    union all
    select run_id, 'sessions' as figure, session_count as found, false as is_share from runs
    union all
    select run_id, 'journeys' as figure, journey_count as found, false as is_share from runs
    union all
    select run_id, 'unmapped share' as figure, unmapped_share as found, true as is_share from runs
    union all
    select run_id, 'stitched share' as figure, stitched_share as found, true as is_share from runs
),

expected as (
    select
        m.figure,
        case when m.is_share then median(m.found) - $drift else median(m.found) * (1 - $shrink) end as lowest,
        case when m.is_share then median(m.found) + $drift else max(m.found) * (1 + $grow) end as highest
    from measured as m
    inner join ranked as k on m.run_id = k.run_id
    where k.place <= $runs
    group by m.figure, m.is_share
    having count(m.found) >= $min_runs
)

select
    m.figure,
    round(m.found, 4) as found,
    round(e.lowest, 4) as expected_from,
    round(e.highest, 4) as expected_to
from measured as m
inner join expected as e on m.figure = e.figure
where m.run_id = $run_id
    and (exceeds(e.lowest, m.found) or exceeds(m.found, e.highest))
