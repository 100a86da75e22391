-- question: How does conversion differ by the channel of the first contact and the week in which the journey began?
-- reading: One row a channel and week. `matured_count` is the denominator: open journeys are neither converted nor lost,
-- reading: so the latest weeks have few. Read a rate only together with its interval.
select
    j.entry_channel,
    strftime(j.started_at, '%G-W%V') as started_week,
    count(*) as journey_count,
    count(case when j.state <> 'open' then 1 end) as matured_count,
    rate(count(case when j.state = 'converted' then 1 end), count(case when j.state <> 'open' then 1 end))
        as conversion_rate,
    wilson_low(count(case when j.state = 'converted' then 1 end), count(case when j.state <> 'open' then 1 end))
        as conversion_rate_low,
    wilson_high(count(case when j.state = 'converted' then 1 end), count(case when j.state <> 'open' then 1 end))
        as conversion_rate_high
from journeys as j
where not j.is_flagged
group by j.entry_channel, strftime(j.started_at, '%G-W%V')
order by j.entry_channel, started_week
