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
with timed as (
    select
        s.touchpoint as from_touchpoint,
        s.next_touchpoint as to_touchpoint,
        quantile_cont(s.next_gap_seconds, [0.5, 0.9, 0.95]) as gap_seconds
    from journey_steps as s
    where s.next_gap_seconds is not null
        and s.journey_id not in (
            select j.journey_id from journeys as j
            where j.is_flagged
        )
    group by s.touchpoint, s.next_touchpoint
),

-- Every journey that is counted begins once.
base as (
    select rate(sum(converted_count), sum(matured_count)) as base_rate
    from transition_counts
    where from_touchpoint = '__start__'
)

select
    c.from_touchpoint,
    c.to_touchpoint,
    c.transition_count,
    c.journey_count,
    c.customer_count,
    rate(c.transition_count, sum(c.transition_count) over (partition by c.from_touchpoint)) as probability,
    rate(c.transition_count, sum(c.transition_count) over (partition by c.to_touchpoint)) as probability_into,
    t.gap_seconds[1] as median_gap_seconds,
    t.gap_seconds[2] as p90_gap_seconds,
    t.gap_seconds[3] as p95_gap_seconds,
    rate(c.converted_count, c.matured_count) as conversion_rate,
    wilson_low(c.converted_count, c.matured_count) as conversion_rate_low,
    wilson_high(c.converted_count, c.matured_count) as conversion_rate_high,
    c.matured_count,
    rate(c.converted_count, c.matured_count) / nullif(b.base_rate, 0) as lift
from transition_counts as c
cross join base as b
left join timed as t on c.from_touchpoint = t.from_touchpoint and c.to_touchpoint = t.to_touchpoint
order by c.transition_count desc, c.from_touchpoint, c.to_touchpoint
