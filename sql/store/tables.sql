-- The private store: what runs hand on to one another. Never published.

create table if not exists store.main.files (
    file_no integer not null,
    file_id varchar not null,
    source varchar not null,
    system varchar not null,
    table_name varchar,
    path varchar not null,
    format varchar not null,
    sha256 varchar not null,
    byte_count bigint not null,
    modified_ns bigint not null,
    changed_ns bigint not null,
    record_count bigint not null,
    item_count bigint not null,
    event_count bigint not null,
    duplicate_count bigint not null,
    quarantined_count bigint not null,
    refused_count bigint not null,
    status varchar not null
);

create table if not exists store.main.staged_events (
    event_id uuid not null,
    file_no integer not null,
    line bigint not null,
    item integer not null,
    occurred_us bigint not null,
    received_us bigint,
    sequence bigint not null,
    identity_key uuid,
    signature_id ubigint not null,
    campaign_name varchar,
    object_id varchar,
    actor varchar,
    "value" double,
    currency varchar,
    score double,
    score_min double,
    score_max double,
    session_hint varchar,
    told_count integer not null
);

create table if not exists store.main.signatures (
    signature_id ubigint not null,
    source varchar not null,
    event_name varchar not null,
    initiator varchar not null,
    is_background boolean not null,
    channel varchar,
    device varchar,
    page_path varchar,
    object_type varchar,
    status varchar,
    campaign_source varchar,
    campaign_medium varchar,
    score_kind varchar,
    given_touchpoint varchar,
    given_stage varchar
);

create table if not exists store.main.identifier_sets (
    identity_key uuid not null,
    identifier_type varchar not null,
    identifier_hash uuid not null,
    specificity integer not null,
    is_poisoned boolean not null
);

-- Deliveries of events that another delivery tells: whole, so that each can take that one's place.
create table if not exists store.main.duplicates (
    event_id uuid not null,
    file_no integer not null,
    line bigint not null,
    item integer not null,
    occurred_us bigint not null,
    received_us bigint,
    sequence bigint not null,
    identity_key uuid,
    signature_id ubigint not null,
    campaign_name varchar,
    object_id varchar,
    actor varchar,
    "value" double,
    currency varchar,
    score double,
    score_min double,
    score_max double,
    session_hint varchar,
    told_count integer not null
);

create table if not exists store.main.quarantine (
    file_no integer not null,
    line bigint not null,
    item integer not null,
    reason varchar not null,
    raw blob,
    byte_count bigint
);

create table if not exists store.main.run_history (
    run_id varchar not null,
    cutoff_at timestamp not null,
    started_at timestamp not null,
    seconds double not null,
    version varchar not null,
    config_fingerprint varchar not null,
    model_fingerprint varchar not null,
    event_count bigint not null,
    customer_count bigint not null,
    session_count bigint not null,
    journey_count bigint not null,
    unmapped_share double,
    stitched_share double
);

create table if not exists store.main.files_before (
    source varchar not null,
    path varchar not null,
    sha256 varchar not null,
    byte_count bigint not null,
    record_count bigint not null,
    status varchar not null
);

-- How the sources were read; what changes this is read again.
create table if not exists store.main.readings (
    source varchar not null,
    fingerprint varchar not null
);

-- How the tables that derive from the events were computed; what changes this computes all of them again.
create table if not exists store.main.derivation (
    fingerprint varchar not null,
    cutoff_us bigint not null
);

-- Erased persons: keyed hashes of their identifiers, so that later loads leave them out.
create table if not exists store.main.tombstones (
    identifier_hash uuid not null,
    key_id varchar not null,
    erased_at timestamp not null
);

-- What the retention has removed, so that it is not read again.
create table if not exists store.main.retention (
    retention_us bigint not null,
    horizon_us bigint not null
);

-- What kept figures were asked by: the next run asks it of what the customers whom it touches had, and of what they have.
create table if not exists store.main.asked_queries (
    name varchar not null,
    query varchar not null,
    basis varchar not null
);
