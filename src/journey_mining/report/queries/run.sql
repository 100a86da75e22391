-- The run that made these tables: its cutoff, version and figures of identity and mapping.
with settled as (
    select epoch_us(cast("value" as timestamptz)) as cutoff_us
    from settings
    where name = 'cutoff_at'
)

select r.*
from runs as r
inner join settled as s on epoch_us(r.cutoff_at) = s.cutoff_us
order by r.started_at desc, r.run_id desc
limit 1
