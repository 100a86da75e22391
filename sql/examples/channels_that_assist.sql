-- question: Which channels take part in converted journeys, but seldom have the last word before the purchase?
-- reading: `assist_count` are converted journeys with the channel somewhere before the step that bought, `last_count`
-- reading: those in which it was the last one other than direct. A high assists_per_last is a channel that last-touch
-- reading: attribution undervalues; NULL means that it was never the last one.
with sessions_before as (
    select
        s.journey_id,
        s.channel,
        s.started_at,
        row_number() over (partition by s.journey_id order by s.started_at desc, s.session_id) as place_from_end
    from sessions as s
    inner join journeys as j on s.journey_id = j.journey_id
    where j.state = 'converted'
        and not j.is_flagged
        and s.started_at <= j.converted_at
        and s.channel not in ('direct', 'web', 'survey')
)

select
    b.channel,
    count(distinct b.journey_id) as assist_count,
    count(distinct case when b.place_from_end = 1 then b.journey_id end) as last_count,
    rate(count(distinct b.journey_id), count(distinct case when b.place_from_end = 1 then b.journey_id end))
        as assists_per_last
from sessions_before as b
group by b.channel
order by assist_count desc, b.channel
