-- Where each event stands in its customer's life: session, journey and step.
-- grain: one row per event_id
-- kept: run
-- renewed: by customer_id
-- column: event_id          the event
-- column: customer_id       its customer
-- column: occurred_us       microseconds UTC
-- column: signature_id      kind of event
-- column: is_contact        counts as a step
-- column: is_activity       initiated by the customer
-- column: is_goal           converts the journey
-- column: is_step_start     begins a step
-- column: session_id        first event of the session; NULL for what the customer did not do
-- column: journey_id        first event of the journey
-- column: event_ordinal     1-based position among the customer's events
-- column: contact_ordinal   contacts of the customer up to here
-- column: step_ordinal      steps of the customer up to here
-- column: last_contact_us   time of the contact before, microseconds UTC
with kinds as (
    select
        signature_id,
        source_rank,
        dense_rank() over (order by event_name) as name_rank,
        touchpoint_no,
        not is_background as is_contact,
        is_activity,
        is_goal
    from touchpoint_signatures
),

placed as (
    select
        e.event_id,
        c.customer_id,
        e.occurred_us,
        e.signature_id,
        k.touchpoint_no,
        k.is_contact,
        k.is_activity,
        k.is_goal,
        k.is_goal and $ends_on_goal as is_end,
        row_number() over (
            partition by c.customer_id order by e.occurred_us, k.source_rank, e.sequence, k.name_rank, e.event_id
        ) as event_ordinal
    from staged_events as e
    inner join identity_customers as c on e.identity_key = c.identity_key
    inner join kinds as k on e.signature_id = k.signature_id
    where e.occurred_us <= $cutoff_us
),

-- What went before: the last activity, the last contact, and what it was. A mark is an ordinal with what is asked
-- about its event in the lower bits, so that a maximum finds the last one: `last_value … ignore nulls` would walk
-- back row by row, without end in a customer of a million events of one kind.
looked_back as (
    select
        *,
        max(case when is_activity then occurred_us end) over before as last_activity_us,
        max(case when is_contact then occurred_us end) over before as last_contact_us,
        max(case when is_activity or is_end then event_ordinal * 2 + cast(is_end as integer) end) over before
            as recent_mark,
        max(
            case when is_contact then (event_ordinal * 4294967296 + touchpoint_no) * 2 + cast(is_end as integer) end
        ) over before as contact_mark
    from placed
    window before as (
        partition by customer_id order by event_ordinal rows between unbounded preceding and 1 preceding
    )
),

unmarked as (
    select
        *,
        contact_mark // 2 % 4294967296 as last_touchpoint_no,
        coalesce(contact_mark % 2 = 1, false) as is_ended,
        -- An activity up to the goal that ended its journey says nothing about the next one: -1, none since.
        case when recent_mark % 2 = 1 then -1 else last_activity_us end as recent_activity_us
    from looked_back
),

-- The expiry runs from the last activity; in a journey that the company began, from its last contact until the
-- customer returns. An activity that had expired before the last contact belongs to an earlier journey.
timed as (
    select
        *,
        case
            when coalesce(recent_activity_us, -1) < 0 or last_contact_us - recent_activity_us > $expiry_us
                then last_contact_us
            else recent_activity_us
        end as alive_us
    from unmarked
),

-- A session opens after a gap over the limit; a journey at the first contact, after the goal where it ends there,
-- and at a contact after the expiry.
opened as (
    select
        *,
        is_activity and (last_activity_us is null or occurred_us - last_activity_us > $inactivity_us) as opens_session,
        is_contact
        and (last_contact_us is null or is_ended or occurred_us - alive_us > $expiry_us) as opens_journey
    from timed
),

stepped as (
    select
        *,
        is_contact
        and (opens_journey or not $collapse or last_touchpoint_no is distinct from touchpoint_no) as is_step_start
    from opened
),

numbered as (
    select
        *,
        max_by(event_id, case when opens_session then event_ordinal end) over upto as running_session_id,
        max_by(event_id, case when opens_journey then event_ordinal end) over upto as running_journey_id,
        count(case when is_contact then 1 end) over upto as contact_ordinal,
        count(case when is_step_start then 1 end) over upto as step_ordinal
    from stepped
    window upto as (
        partition by customer_id order by event_ordinal rows between unbounded preceding and current row
    )
)

-- Background events belong to the journey that is alive when they happen.
select
    n.event_id,
    n.customer_id,
    n.occurred_us,
    n.signature_id,
    n.is_contact,
    n.is_activity,
    n.is_goal,
    n.is_step_start,
    case when n.is_activity then coalesce(s.session_id, n.running_session_id) end as session_id,
    case
        when n.is_contact then n.running_journey_id
        when n.occurred_us - n.alive_us <= $expiry_us and not n.is_ended then n.running_journey_id
    end as journey_id,
    n.event_ordinal,
    n.contact_ordinal,
    n.step_ordinal,
    n.last_contact_us
from numbered as n
left join channel_sessions as s on n.event_id = s.event_id
