-- Sessions by customer and channel; empty unless `sessions.by` asks for them.
-- grain: one row per event_id
-- kept: private
-- renewed: by customer_id
-- column: event_id     an event that the customer initiated
-- column: customer_id  its customer
-- column: session_id   first event of its session
with placed as (
    select
        e.event_id,
        c.customer_id,
        t.channel,
        e.occurred_us,
        t.source_rank,
        e.sequence,
        t.event_name
    from staged_events as e
    inner join identity_customers as c on e.identity_key = c.identity_key
    inner join touchpoint_signatures as t on e.signature_id = t.signature_id
    where $by_channel
        and t.is_activity
        and e.occurred_us <= $cutoff_us
),

opened as (
    select
        *,
        coalesce(occurred_us - lag(occurred_us) over in_channel > $inactivity_us, true) as opens_session
    from placed
    window in_channel as (
        partition by customer_id, channel order by occurred_us, source_rank, sequence, event_name, event_id
    )
)

select
    event_id,
    customer_id,
    last_value(case when opens_session then event_id end ignore nulls) over (
        partition by customer_id, channel order by occurred_us, source_rank, sequence, event_name, event_id
        rows between unbounded preceding and current row
    ) as session_id
from opened
