-- The transition graph: one touchpoint directly followed by another in one journey, with the boundary nodes.
-- grain: one row per from_touchpoint, to_touchpoint
-- column: from_touchpoint        touchpoint, or __start__
-- column: to_touchpoint          touchpoint, or __end__
-- column: transition_count       times that it happened
-- column: journey_count          journeys in which it happened
-- column: customer_count         customers who did it
-- column: probability            share of all transitions out of from_touchpoint; sums to 1
-- column: probability_into       share of all transitions into to_touchpoint; sums to 1
-- column: median_gap_seconds     end of the one to start of the other, exact median, seconds
-- column: p90_gap_seconds        the same, 90th percentile
-- column: p95_gap_seconds        the same, 95th percentile
-- column: conversion_rate        share of its matured journeys that reach the goal after it
-- column: conversion_rate_low    Wilson 95 % interval, lower end
-- column: conversion_rate_high   Wilson 95 % interval, upper end
-- column: matured_count          journeys in the denominator: not flagged, converted or expired
-- column: lift                   conversion_rate over that of all matured journeys
with kept_journeys as (
    select
        journey_id,
        customer_id,
        state,
        state <> 'open' as is_matured
    from journeys
    where not is_flagged
),

goals as (
    select
        journey_id,
        min(step_number) as goal_step
    from journey_steps
    where is_goal
    group by journey_id
),

moves as (
    select
        s.touchpoint as from_touchpoint,
        coalesce(s.next_touchpoint, '__end__') as to_touchpoint,
        s.journey_id,
        s.customer_id,
        s.next_gap_seconds as gap_seconds,
        k.is_matured,
        coalesce(g.goal_step > s.step_number, false) as is_converted_after
    from journey_steps as s
    inner join kept_journeys as k on s.journey_id = k.journey_id
    left join goals as g on s.journey_id = g.journey_id
    union all
    select
        '__start__' as from_touchpoint,
        s.touchpoint as to_touchpoint,
        s.journey_id,
        s.customer_id,
        null as gap_seconds,
        k.is_matured,
        k.state = 'converted' as is_converted_after
    from journey_steps as s
    inner join kept_journeys as k on s.journey_id = k.journey_id
    where s.step_number = 1
),

-- One row a journey and transition, so that journeys and customers are counted once.
by_journey as (
    select
        from_touchpoint,
        to_touchpoint,
        journey_id,
        min(customer_id) as customer_id,
        count(*) as transition_count,
        bool_or(is_matured) as is_matured,
        bool_or(is_converted_after) as is_converted_after
    from moves
    group by from_touchpoint, to_touchpoint, journey_id
),

counted as (
    select
        from_touchpoint,
        to_touchpoint,
        cast(sum(transition_count) as bigint) as transition_count,
        count(*) as journey_count,
        count(distinct customer_id) as customer_count,
        count(case when is_matured then 1 end) as matured_count,
        count(case when is_matured and is_converted_after then 1 end) as converted_count
    from by_journey
    group by from_touchpoint, to_touchpoint
),

timed as (
    select
        from_touchpoint,
        to_touchpoint,
        median(gap_seconds) as median_gap_seconds,
        quantile_cont(gap_seconds, 0.9) as p90_gap_seconds,
        quantile_cont(gap_seconds, 0.95) as p95_gap_seconds
    from moves
    where gap_seconds is not null
    group by from_touchpoint, to_touchpoint
),

base as (
    select rate(count(case when state = 'converted' then 1 end), count(*)) as base_rate
    from kept_journeys
    where is_matured
)

select
    c.from_touchpoint,
    c.to_touchpoint,
    c.transition_count,
    c.journey_count,
    c.customer_count,
    rate(c.transition_count, sum(c.transition_count) over (partition by c.from_touchpoint)) as probability,
    rate(c.transition_count, sum(c.transition_count) over (partition by c.to_touchpoint)) as probability_into,
    t.median_gap_seconds,
    t.p90_gap_seconds,
    t.p95_gap_seconds,
    rate(c.converted_count, c.matured_count) as conversion_rate,
    wilson_low(c.converted_count, c.matured_count) as conversion_rate_low,
    wilson_high(c.converted_count, c.matured_count) as conversion_rate_high,
    c.matured_count,
    rate(c.converted_count, c.matured_count) / nullif(b.base_rate, 0) as lift
from counted as c
cross join base as b
left join timed as t on c.from_touchpoint = t.from_touchpoint and c.to_touchpoint = t.to_touchpoint
order by c.transition_count desc, c.from_touchpoint, c.to_touchpoint
