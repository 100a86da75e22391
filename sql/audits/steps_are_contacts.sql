-- The contacts of all steps are the contacts among the events of attributed customers.
-- severity: stop
with stepped as (
    select coalesce(sum(repeat_count), 0) as contact_count
    from journey_steps
),

happened as (
    select count(*) as contact_count
    from events
    where customer_id is not null
        and not is_background
)

select
    s.contact_count as in_steps,
    h.contact_count as in_events
from stepped as s
cross join happened as h
where s.contact_count <> h.contact_count
