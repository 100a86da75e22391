-- question: Between which two touchpoints do customers go back and forth?
-- reading: A loop is A, then B, then A again in one journey. Many loops a journey point to something that is looked for
-- reading: and not found; compare the conversion of journeys with the loop with that of all journeys.
with followed as (
    select
        journey_id,
        touchpoint as touchpoint_a,
        next_touchpoint as touchpoint_b,
        lead(next_touchpoint) over (partition by journey_id order by step_number) as touchpoint_after
    from journey_steps
)

select
    f.touchpoint_a,
    f.touchpoint_b,
    count(*) as loop_count,
    count(distinct f.journey_id) as journey_count,
    count(*) / count(distinct f.journey_id) as loops_per_journey,
    rate(
        count(distinct case when j.state = 'converted' then f.journey_id end),
        count(distinct case when j.state <> 'open' then f.journey_id end)
    ) as conversion_rate
from followed as f
inner join journeys as j on f.journey_id = j.journey_id
where f.touchpoint_a = f.touchpoint_after and not j.is_flagged
group by f.touchpoint_a, f.touchpoint_b
order by loop_count desc, f.touchpoint_a, f.touchpoint_b
limit 20
