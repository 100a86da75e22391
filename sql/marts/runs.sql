-- The runs whose results were published, the newest last.
-- grain: one row per run_id
-- column: run_id               the run
-- column: cutoff_at            horizon of its data, UTC
-- column: started_at           when it started, UTC
-- column: seconds              how long it took up to publication
-- column: version              version of journey-mining
-- column: config_fingerprint   hash of the settings that influence the tables
-- column: model_fingerprint    hash of the SQL models
-- column: event_count          events
-- column: customer_count       customers
-- column: session_count        sessions
-- column: journey_count        journeys
select
    run_id,
    cutoff_at,
    started_at,
    seconds,
    version,
    config_fingerprint,
    model_fingerprint,
    event_count,
    customer_count,
    session_count,
    journey_count
from run_history
order by started_at, run_id
