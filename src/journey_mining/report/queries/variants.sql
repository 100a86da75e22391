-- The most frequent variants, those of fewer than min_cell journeys left out.
select
    variant_rank,
    variant,
    step_count,
    journey_count,
    customer_count,
    share,
    cumulative_share,
    conversion_rate,
    median_throughput_seconds,
from variants
where journey_count >= coalesce((select max(try_cast(value as bigint)) from settings where name = 'min_cell'), 5)
order by variant_rank
limit 12
