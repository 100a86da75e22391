-- Customers: resolved persons, one for each component of trusted identity links.
-- grain: one row per customer_id
-- renewed: by customer_id
-- column: customer_id     keyed hash of the earliest identifier
-- column: first_seen_at   first event, UTC
-- column: last_seen_at    last event, UTC
-- column: event_count     events
-- column: session_count   sessions
-- column: journey_count   journeys
-- column: identifier_count identifiers that were joined
-- column: sources         names of the sources that know the customer, sorted
-- column: is_flagged      known by a shared identifier only, or with a session that no person makes
-- A session's and a journey's id is its first event's, so that there are as many as events that have it as their own.
with told as (
    select
        customer_id,
        source,
        min(occurred_us) as first_us,
        max(occurred_us) as last_us,
        count(*) as event_count,
        count(case when event_id = session_id then 1 end) as session_count,
        count(case when event_id = journey_id then 1 end) as journey_count
    from events
    where customer_id is not null
    group by customer_id, source
),

lived as (
    select
        customer_id,
        min(first_us) as first_us,
        max(last_us) as last_us,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(session_count) as bigint) as session_count,
        cast(sum(journey_count) as bigint) as journey_count,
        string_agg(source, ', ' order by source) as sources
    from told
    group by customer_id
),

known as (
    select
        customer_id,
        count(*) as identifier_count,
        bool_and(is_shared) as is_shared
    from identities
    group by customer_id
),

overlong as (
    select distinct customer_id
    from sessions
    where is_flagged
)

select
    l.customer_id,
    make_timestamp(l.first_us) as first_seen_at,
    make_timestamp(l.last_us) as last_seen_at,
    l.event_count,
    l.session_count,
    l.journey_count,
    k.identifier_count,
    l.sources,
    k.is_shared or o.customer_id is not null as is_flagged
from lived as l
inner join known as k on l.customer_id = k.customer_id
left join overlong as o on l.customer_id = o.customer_id
