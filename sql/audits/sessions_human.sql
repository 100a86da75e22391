-- More sessions than expected are such as no person makes (audits.nonhuman): longer than max_session or with more than max_events.
-- severity: warn
with counted as (
    select
        count(*) as session_count,
        count(case when is_flagged then 1 end) as flagged_count
    from sessions
)

select
    s.session_id,
    s.event_count,
    s.started_at,
    s.ended_at
from sessions as s
cross join counted as c
where s.is_flagged
    and c.flagged_count > $nonhuman * c.session_count
