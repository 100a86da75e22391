-- More contacts than expected have a touchpoint without a stage (audits.unmapped).
-- severity: warn
with counted as (
    select
        sum(event_count) as contact_count,
        coalesce(sum(case when stage is null then event_count end), 0) as unmapped_count
    from touchpoint_counts
    where not is_background
)

select
    contact_count,
    unmapped_count
from counted
where exceeds(unmapped_count, $unmapped * contact_count)
