-- More sessions than expected are such as no person makes (audits.nonhuman): longer than max_session or with more than max_events.
-- severity: warn
with counted as (
    select
        count(*) as session_count,
        count(case when is_flagged then 1 end) as flagged_count
    from sessions
)

select
    session_count,
    flagged_count
from counted
where exceeds(flagged_count, $nonhuman * session_count)
