-- question: Which open journeys have reached the checkout but not bought: whom could one still help?
-- reading: One row a journey, the latest contact first. `journey-mining explain ID` shows all that is known of one.
select
    j.journey_id,
    j.customer_id,
    j.entry_channel,
    j.last_touchpoint,
    j.ended_at as last_contact_at,
    j.step_count
from journeys as j
where j.state = 'open'
    and not j.is_flagged
    and exists (
        select 1 from journey_steps as s
        where s.journey_id = j.journey_id and s.touchpoint = 'checkout'
    )
order by j.ended_at desc, j.journey_id
limit 50
