-- question: Which page did customers see last before they asked for support, within a day?
-- reading: One row a touchpoint. `requests_per_1000` sets the requests against all contacts at the touchpoint: the
-- reading: highest is where the page leaves most questions open.
with requests as (
    select
        customer_id,
        event_ordinal,
        occurred_us,
        event_id
    from events
    where touchpoint = 'support request' and initiator = 'customer' and customer_id is not null
),

pages as (
    select
        customer_id,
        event_ordinal,
        occurred_us,
        touchpoint
    from events
    where page_path is not null and not is_background and customer_id is not null
),

seen_last as (
    select
        r.event_id,
        p.touchpoint
    from requests as r
    asof inner join pages as p on r.customer_id = p.customer_id and r.event_ordinal > p.event_ordinal
    where r.occurred_us - p.occurred_us <= 86400000000
),

contacts as (
    select
        touchpoint,
        count(*) as contact_count
    from pages
    group by touchpoint
)

select
    s.touchpoint,
    count(*) as request_count,
    c.contact_count,
    1000 * rate(count(*), c.contact_count) as requests_per_1000
from seen_last as s
inner join contacts as c on s.touchpoint = c.touchpoint
group by s.touchpoint, c.contact_count
order by requests_per_1000 desc, s.touchpoint
