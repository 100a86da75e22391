-- More contacts than expected have a touchpoint without a stage (audits.unmapped).
-- severity: warn
with counted as (
    select
        count(*) as contact_count,
        count(case when stage is null then 1 end) as unmapped_count
    from events
    where not is_background
)

select
    contact_count,
    unmapped_count
from counted
where unmapped_count > $unmapped * contact_count
