-- Variants: the distinct sequences of touchpoints, with how many journeys follow each.
-- grain: one row per variant_id
-- column: variant_id                  hash of the sequence
-- column: variant                     the sequence, joined by ' > '
-- column: step_count                  steps
-- column: journey_count               journeys
-- column: customer_count              customers
-- column: converted_count             journeys that reached the goal
-- column: conversion_rate             converted over converted and dropped off; NULL when all are open
-- column: share                       share of all journeys
-- column: cumulative_share            share of all journeys in this variant and the more frequent ones
-- column: median_throughput_seconds   exact median from first to last contact, seconds
-- column: variant_rank                1 is the most frequent
with kept_journeys as (
    select
        journey_id,
        customer_id,
        state,
        step_count,
        throughput_seconds,
        variant_id
    from journeys
    where not is_flagged
),

counted as (
    select
        variant_id,
        min(step_count) as step_count,
        count(*) as journey_count,
        count(distinct customer_id) as customer_count,
        count(case when state = 'converted' then 1 end) as converted_count,
        count(case when state = 'dropped_off' then 1 end) as dropped_count,
        median(throughput_seconds) as median_throughput_seconds,
        min(journey_id) as example_id
    from kept_journeys
    group by variant_id
),

spelled as (
    select
        c.variant_id,
        string_agg(s.touchpoint, ' > ' order by s.step_number) as variant
    from counted as c
    inner join journey_steps as s on c.example_id = s.journey_id
    group by c.variant_id
),

ranked as (
    select
        *,
        sum(journey_count) over (
            order by journey_count desc, step_count, variant_id rows between unbounded preceding and current row
        ) as running_count,
        row_number() over (order by journey_count desc, step_count, variant_id) as variant_rank,
        sum(journey_count) over () as all_count
    from counted
)

select
    r.variant_id,
    s.variant,
    r.step_count,
    r.journey_count,
    r.customer_count,
    r.converted_count,
    rate(r.converted_count, r.converted_count + r.dropped_count) as conversion_rate,
    rate(r.journey_count, r.all_count) as share,
    rate(r.running_count, r.all_count) as cumulative_share,
    r.median_throughput_seconds,
    r.variant_rank
from ranked as r
inner join spelled as s on r.variant_id = s.variant_id
order by r.variant_rank
