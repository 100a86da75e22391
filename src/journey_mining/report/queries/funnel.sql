-- The stage funnel: entered = converted + dropped_off + open; rates over converted + dropped_off.
select
    unit,
    stage,
    stage_number,
    entered,
    converted,
    dropped_off,
    open,
    skipped,
    conversion_rate,
    conversion_rate_low,
    conversion_rate_high,
    median_seconds
from stage_funnel
order by unit, stage_number
