-- question: On which weekdays, and how early or late, do customers ask for support?
-- reading: One row a weekday (1 is Monday). Times are UTC: add the offset of your zone before you plan shifts.
select
    isodow(occurred_at) as weekday_number,
    dayname(occurred_at) as weekday,
    count(*) as request_count,
    count(case when hour(occurred_at) < 8 then 1 end) as before_8_count,
    count(case when hour(occurred_at) between 8 and 17 then 1 end) as from_8_to_18_count,
    count(case when hour(occurred_at) >= 18 then 1 end) as after_18_count
from events
where touchpoint = 'support request' and initiator = 'customer'
group by isodow(occurred_at), dayname(occurred_at)
order by weekday_number
