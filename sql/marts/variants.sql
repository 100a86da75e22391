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
-- The median of one journey is its own: grouping all of them would take several times as long.
with repeated as (
    select variant_id
    from variant_counts
    where journey_count > 1
),

timed as (
    select
        j.variant_id,
        median(j.throughput_seconds) as median_throughput_seconds
    from journeys as j
    inner join repeated as r on j.variant_id = r.variant_id
    where not j.is_flagged
    group by j.variant_id
    union all
    select
        j.variant_id,
        j.throughput_seconds as median_throughput_seconds
    from journeys as j
    left join repeated as r on j.variant_id = r.variant_id
    where not j.is_flagged and r.variant_id is null
),

ranked as (
    select
        *,
        sum(journey_count) over (
            order by journey_count desc, step_count, variant_id rows between unbounded preceding and current row
        ) as running_count,
        row_number() over (order by journey_count desc, step_count, variant_id) as variant_rank
    from variant_counts
),

counted as (
    select sum(journey_count) as all_count
    from variant_counts
)

select
    r.variant_id,
    r.variant,
    r.step_count,
    r.journey_count,
    r.customer_count,
    r.converted_count,
    rate(r.converted_count, r.converted_count + r.dropped_count) as conversion_rate,
    rate(r.journey_count, c.all_count) as share,
    rate(r.running_count, c.all_count) as cumulative_share,
    t.median_throughput_seconds,
    r.variant_rank
from ranked as r
cross join counted as c
inner join timed as t on r.variant_id = t.variant_id
order by r.variant_rank
