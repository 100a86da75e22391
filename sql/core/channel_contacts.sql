-- What attribution credits: one channel in one session of a journey, at its first event.
-- grain: one row per journey_id, contact_number
-- renewed: by customer_id
-- settled: by contacted_at
-- column: journey_id     the journey
-- column: contact_number 1-based position among the journey's contacts by channel
-- column: customer_id    its customer
-- column: channel        medium of contact
-- column: contacted_at   time of its first event in that session, UTC
-- column: is_before_goal at or before the journey's first goal
with met as (
    select
        p.journey_id,
        p.customer_id,
        t.channel,
        min(p.occurred_us) as contacted_us,
        min(p.event_ordinal) as first_ordinal
    from positions as p
    inner join touchpoint_signatures as t on p.signature_id = t.signature_id
    where p.is_contact and p.journey_id is not null and t.channel is not null
    group by p.journey_id, p.customer_id, t.channel, coalesce(p.session_id, p.event_id)
)

select
    m.journey_id,
    row_number() over (partition by m.journey_id order by m.first_ordinal) as contact_number,
    m.customer_id,
    m.channel,
    make_timestamp(m.contacted_us) as contacted_at,
    coalesce(make_timestamp(m.contacted_us) <= j.converted_at, false) as is_before_goal
from met as m
inner join journeys as j on m.journey_id = j.journey_id
