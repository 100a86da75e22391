-- question: Which whole journeys are the most frequent, and how do they end?
-- reading: One row a variant, a distinct sequence of touchpoints. `cumulative_share` says how much of all journeys is
-- reading: covered so far; a long tail is usual.
select
    variant_rank,
    variant,
    journey_count,
    share,
    cumulative_share,
    conversion_rate,
    median_throughput_seconds
from variants
order by variant_rank
limit 15
