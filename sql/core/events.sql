-- Every accepted event up to the cutoff, with its customer, session and journey.
-- grain: one row per event_id
-- renewed: by customer_id
-- follows: positions
-- column: event_id          128-bit keyed hash of source and native key
-- column: source            configured input
-- column: system            product that the export comes from
-- column: occurred_at       when it happened, UTC
-- column: occurred_us       the same in microseconds since 1970-01-01, UTC
-- column: local_date        day of it in the configured time zone
-- column: event_name        the source's own name
-- column: initiator         who caused it: customer, company or system
-- column: is_background     kept and countable as reach, but neither a step nor an activity
-- column: channel           medium of contact
-- column: touchpoint        named kind of contact
-- column: stage             stage of the touchpoint, NULL when unmapped
-- column: customer_id       resolved customer, NULL when no identifier names one
-- column: session_id        session (the event_id of its first event), NULL for what the customer did not do
-- column: journey_id        journey (the event_id of its first contact)
-- column: event_ordinal     1-based position among the customer's events; orders those of equal time
-- column: page_path         path of the page, numbers, codes and people's addresses as :id, without the query
-- column: device            kind of device
-- column: campaign_source   where the campaign ran
-- column: campaign_medium   kind of the campaign
-- column: campaign_name     name of the campaign
-- column: object_type       what the event is about: ticket, deal, order, …
-- column: object_id         the object's id in its system
-- column: status            state of the object after the event
-- column: actor             pseudonym of the agent, representative or queue
-- column: value             revenue or amount, in currency
-- column: currency          ISO 4217 code
-- column: score             survey answer on its own scale
-- column: score_kind        csat, nps or ces
-- column: score_min         lowest answer of the scale
-- column: score_max         highest answer of the scale
-- column: session_hint      pseudonym of the system's own session id
-- column: file_id           file that it was read from (source_files)
-- column: line              line of the file, or position in a JSON document
-- The day changes with the quarter of an hour at most (since 1972, in every zone), so the zone is looked up once a quarter.
-- Quarters are numbered from the year 1, since // cuts towards zero.
with quarters as (
    select distinct (occurred_us + 62135596800000000) // 900000000 as quarter_number
    from staged_events
    where occurred_us <= $cutoff_us
),

dated as (
    select
        quarter_number,
        cast(
            timezone($timezone, timezone('UTC', make_timestamp(quarter_number * 900000000 - 62135596800000000))) as date
        ) as local_date
    from quarters
)

select
    e.event_id,
    t.source,
    t.system,
    make_timestamp(e.occurred_us) as occurred_at,
    e.occurred_us,
    d.local_date,
    t.event_name,
    t.initiator,
    t.is_background,
    t.channel,
    t.touchpoint,
    t.stage,
    p.customer_id,
    p.session_id,
    p.journey_id,
    p.event_ordinal,
    t.page_path,
    t.device,
    t.campaign_source,
    t.campaign_medium,
    e.campaign_name,
    t.object_type,
    e.object_id,
    t.status,
    e.actor,
    e."value",
    e.currency,
    e.score,
    t.score_kind,
    e.score_min,
    e.score_max,
    e.session_hint,
    f.file_id,
    e.line
from staged_events as e
inner join touchpoint_signatures as t on e.signature_id = t.signature_id
inner join files as f on e.file_no = f.file_no
inner join dated as d on (e.occurred_us + 62135596800000000) // 900000000 = d.quarter_number
left join positions as p on e.event_id = p.event_id
where e.occurred_us <= $cutoff_us
