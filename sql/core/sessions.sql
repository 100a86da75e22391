-- Sessions: maximal runs of a customer's own events with no gap over the inactivity limit.
-- grain: one row per session_id
-- renewed: by customer_id
-- settled: by started_at
-- column: session_id         the event_id of its first event
-- column: customer_id        the customer
-- column: journey_id         journey of its first event
-- column: started_at         first event, UTC
-- column: ended_at           last event, UTC
-- column: event_count        events
-- column: entry_touchpoint   touchpoint of the first event
-- column: exit_touchpoint    touchpoint of the last event
-- column: channel            channel of the first event
-- column: is_converted       reached the goal in it
-- column: is_flagged         too long or too many events for a person; kept out of rates
with bounds as (
    select
        session_id,
        min(customer_id) as customer_id,
        min(occurred_us) as started_us,
        max(occurred_us) as ended_us,
        count(*) as event_count,
        min(event_ordinal) as first_ordinal,
        max(event_ordinal) as last_ordinal,
        bool_or(is_goal) as is_converted
    from positions
    where session_id is not null
    group by session_id
),

-- A session's id is its first event's, so that event tells how it began.
ends as (
    select
        customer_id,
        event_ordinal,
        signature_id
    from positions
    where session_id is not null
)

select
    b.session_id,
    b.customer_id,
    p.journey_id,
    make_timestamp(b.started_us) as started_at,
    make_timestamp(b.ended_us) as ended_at,
    b.event_count,
    t.touchpoint as entry_touchpoint,
    n.touchpoint as exit_touchpoint,
    t.channel,
    b.is_converted,
    b.ended_us - b.started_us > $max_session_us or b.event_count > $max_events as is_flagged
from bounds as b
inner join positions as p on b.session_id = p.event_id
inner join touchpoint_signatures as t on p.signature_id = t.signature_id
inner join ends as x on b.customer_id = x.customer_id and b.last_ordinal = x.event_ordinal
inner join touchpoint_signatures as n on x.signature_id = n.signature_id
