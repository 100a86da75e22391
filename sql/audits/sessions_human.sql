-- Sessions that no person makes: longer than max_session or with more than max_events.
-- severity: warn
select
    session_id,
    event_count,
    started_at,
    ended_at
from sessions
where is_flagged
