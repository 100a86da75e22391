-- Tickets, deals, orders and the like that contacts are about, with each change of their status.
with contacts as (
    select distinct
        e.source,
        e.object_type,
        e.object_id
    from events as e
    inner join journeys as j on e.journey_id = j.journey_id and not j.is_flagged
    where e.object_id is not null and not e.is_background
),

statuses as (
    select
        e.source,
        e.object_type,
        e.object_id,
        e.occurred_at,
        e.occurred_us,
        e.event_id,
        e.status,
        lag(e.status) over (
            partition by e.source, e.object_type, e.object_id order by e.occurred_us, e.event_id
        ) as status_before
    from events as e
    where e.object_id is not null and e.status is not null
)

select
    c.source,
    c.object_type,
    c.object_id,
    s.occurred_at as changed_at,
    s.status
from contacts as c
left join statuses as s
    on c.source = s.source
        and c.object_type = s.object_type
        and c.object_id = s.object_id
        and s.status is distinct from s.status_before
order by c.object_type, c.source, c.object_id, s.occurred_us, s.event_id
