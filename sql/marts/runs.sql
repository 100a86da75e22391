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
-- column: unmapped_share       unmapped contacts / contacts, NULL without contacts
-- column: stitched_share       customers joined from more than one identifier / customers, NULL without customers
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
    journey_count,
    unmapped_share,
    stitched_share
from run_history
order by started_at, run_id
