-- question: Which touchpoints do journeys that do not convert end at, more often than they are visited?
-- reading: One row a touchpoint. `exit_rate` is of its steps, in journeys that were dropped off or converted; the goal
-- reading: itself is left out. High up with many steps is where most is lost.
select
    s.touchpoint,
    count(*) as step_count,
    count(case when s.next_touchpoint is null then 1 end) as exit_count,
    rate(count(case when s.next_touchpoint is null then 1 end), count(*)) as exit_rate,
    wilson_low(count(case when s.next_touchpoint is null then 1 end), count(*)) as exit_rate_low,
    wilson_high(count(case when s.next_touchpoint is null then 1 end), count(*)) as exit_rate_high
from journey_steps as s
inner join journeys as j on s.journey_id = j.journey_id
where j.state <> 'open' and not j.is_flagged and not s.is_goal
group by s.touchpoint
having count(*) >= 20
order by exit_rate_low desc, s.touchpoint
