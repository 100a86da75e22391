-- Journeys: a customer's contacts from entry to conversion, expiry or cutoff.
-- grain: one row per journey_id
-- renewed: by customer_id
-- settled: by started_at
-- column: journey_id           the event_id of its first contact
-- column: customer_id          the customer
-- column: started_at           first contact, UTC
-- column: ended_at             last contact, UTC
-- column: last_active_at       last contact that the customer initiated, else the last contact, UTC
-- column: state                converted (reached the goal), dropped_off (expired without it) or open (not expired)
-- column: is_open              not expired at the cutoff, whether converted or not
-- column: is_flagged           has a session that no person makes; kept out of rates
-- column: step_count           steps
-- column: contact_count        contacts, repeats counted
-- column: session_count        sessions that have a contact in it
-- column: entry_channel        channel of the first step
-- column: entry_touchpoint     touchpoint of the first step
-- column: last_touchpoint      touchpoint of the last step
-- column: furthest_stage       latest stage that it reached, NULL when none is mapped
-- column: converted_at         first time at the goal, UTC
-- column: value                sum of the values at the goal
-- column: throughput_seconds   from first to last contact, seconds
-- column: variant_id           its sequence of touchpoints (variants)
with walked as (
    select
        journey_id,
        min(customer_id) as customer_id,
        count(*) as step_count,
        cast(sum(repeat_count) as bigint) as contact_count,
        max(stage_number) as furthest_number,
        cast(md5(string_agg(touchpoint, chr(31) order by step_number)) as uuid) as variant_id
    from journey_steps
    group by journey_id
),

lived as (
    select
        p.journey_id,
        min(p.occurred_us) as started_us,
        max(p.occurred_us) as ended_us,
        coalesce(max(case when p.is_activity then p.occurred_us end), max(p.occurred_us)) as active_us,
        min(case when p.is_goal then p.occurred_us end) as converted_us,
        count(distinct p.session_id) as session_count,
        max(case when s.is_flagged then 1 else 0 end) = 1 as is_flagged
    from positions as p
    left join sessions as s on p.session_id = s.session_id
    where p.is_contact
    group by p.journey_id
),

earned as (
    select
        p.journey_id,
        sum(cast(e."value" as decimal(18, 4))) as earned_value
    from positions as p
    inner join staged_events as e on p.event_id = e.event_id
    where p.is_goal
    group by p.journey_id
),

-- Alive at the cutoff: still within the expiry, and not ended by the goal.
judged as (
    select
        *,
        $cutoff_us - active_us <= $expiry_us
        and not ($ends_on_goal and converted_us is not null) as is_open
    from lived
)

select
    j.journey_id,
    w.customer_id,
    make_timestamp(j.started_us) as started_at,
    make_timestamp(j.ended_us) as ended_at,
    make_timestamp(j.active_us) as last_active_at,
    case
        when j.converted_us is not null then 'converted'
        when j.is_open then 'open'
        else 'dropped_off'
    end as state,
    j.is_open,
    j.is_flagged,
    w.step_count,
    w.contact_count,
    j.session_count,
    f.channel as entry_channel,
    f.touchpoint as entry_touchpoint,
    l.touchpoint as last_touchpoint,
    g.stage as furthest_stage,
    make_timestamp(j.converted_us) as converted_at,
    cast(e.earned_value as double) as "value",
    (j.ended_us - j.started_us) / 1000000.0 as throughput_seconds,
    w.variant_id
from judged as j
inner join walked as w on j.journey_id = w.journey_id
inner join journey_steps as f on j.journey_id = f.journey_id and f.step_number = 1
inner join journey_steps as l on j.journey_id = l.journey_id and w.step_count = l.step_number
left join earned as e on j.journey_id = e.journey_id
left join stages as g on w.furthest_number = g.stage_number
