-- The steps of every journey: consecutive contacts at one touchpoint are one step.
-- grain: one row per journey_id, step_number
-- renewed: by customer_id
-- settled: by started_at
-- column: journey_id        the journey
-- column: step_number       1-based position in the journey
-- column: customer_id       the customer
-- column: touchpoint        named kind of contact
-- column: channel           medium of its first contact
-- column: stage             stage of the touchpoint, NULL when unmapped
-- column: stage_number      position of the stage
-- column: is_goal           the step converts the journey
-- column: started_at        first contact, UTC
-- column: ended_at          last contact, UTC
-- column: repeat_count      contacts in the step
-- column: gap_seconds       from the end of the step before to the start of this one, seconds; NULL for the first
-- column: next_touchpoint   touchpoint of the following step, NULL for the last
-- column: next_gap_seconds  from the end of this step to the start of the following one, seconds
with starts as (
    select
        journey_id,
        customer_id,
        signature_id,
        is_goal,
        occurred_us,
        contact_ordinal,
        step_ordinal,
        last_contact_us
    from positions
    where is_step_start
),

totals as (
    select
        customer_id,
        max(contact_ordinal) as contact_count,
        max(case when is_contact then occurred_us end) as last_us
    from positions
    group by customer_id
),

-- The contact before the next step's first one ends this step.
followed as (
    select
        *,
        lead(journey_id) over by_step as next_journey_id,
        lead(signature_id) over by_step as next_signature_id,
        lead(occurred_us) over by_step as next_us,
        lead(last_contact_us) over by_step as end_us,
        lead(contact_ordinal) over by_step as next_contact_ordinal
    from starts
    window by_step as (partition by customer_id order by step_ordinal)
),

-- The journey's first step gives its others their numbers.
journey_starts as (
    select
        journey_id,
        min(step_ordinal) as first_ordinal
    from starts
    group by journey_id
)

select
    f.journey_id,
    f.step_ordinal - j.first_ordinal + 1 as step_number,
    f.customer_id,
    t.touchpoint,
    t.channel,
    t.stage,
    t.stage_number,
    f.is_goal,
    make_timestamp(f.occurred_us) as started_at,
    make_timestamp(coalesce(f.end_us, c.last_us)) as ended_at,
    coalesce(f.next_contact_ordinal, c.contact_count + 1) - f.contact_ordinal as repeat_count,
    case when f.step_ordinal > j.first_ordinal then (f.occurred_us - f.last_contact_us) / 1000000.0 end as gap_seconds,
    case when f.next_journey_id = f.journey_id then n.touchpoint end as next_touchpoint,
    case when f.next_journey_id = f.journey_id then (f.next_us - f.end_us) / 1000000.0 end as next_gap_seconds
from followed as f
inner join journey_starts as j on f.journey_id = j.journey_id
inner join totals as c on f.customer_id = c.customer_id
inner join touchpoint_signatures as t on f.signature_id = t.signature_id
left join touchpoint_signatures as n on f.next_signature_id = n.signature_id
