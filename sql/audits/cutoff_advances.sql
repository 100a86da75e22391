-- There is an event that runs of some days ago did not know (audits.standstill).
-- severity: warn
with this_run as (
    select
        cutoff_at,
        started_at
    from runs
    where run_id = $run_id
),

-- Runs that are long enough ago for something to have happened since.
earlier as (
    select
        max(r.cutoff_at) as latest_cutoff_at,
        max(case when r.cutoff_at = t.cutoff_at then r.started_at end) as seen_at
    from runs as r
    cross join this_run as t
    where r.run_id <> $run_id
        and epoch_us(t.started_at) - epoch_us(r.started_at) >= $standstill_us
)

select
    t.cutoff_at as latest_event_at,
    e.seen_at as known_since
from this_run as t
inner join earlier as e on t.cutoff_at = e.latest_cutoff_at
