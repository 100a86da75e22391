-- The latest run: its cutoff, version and figures of identity and mapping.
select *
from runs
order by cutoff_at desc, started_at desc
limit 1
