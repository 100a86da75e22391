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
with lived as (
    select
        customer_id,
        min(occurred_us) as first_us,
        max(occurred_us) as last_us,
        count(*) as event_count,
        count(distinct session_id) as session_count,
        count(distinct case when not is_background then journey_id end) as journey_count
    from events
    where customer_id is not null
    group by customer_id
),

sourced as (
    select distinct
        customer_id,
        source
    from events
    where customer_id is not null
),

listed as (
    select
        customer_id,
        string_agg(source, ', ' order by source) as sources
    from sourced
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
    s.sources,
    k.is_shared or o.customer_id is not null as is_flagged
from lived as l
inner join listed as s on l.customer_id = s.customer_id
inner join known as k on l.customer_id = k.customer_id
left join overlong as o on l.customer_id = o.customer_id
