-- The most frequent variants, those of fewer than min_cell customers left out.
with limits as (
    select coalesce(max(try_cast(value as bigint)), 5) as min_cell
    from settings
    where name = 'min_cell'
)

select
    variant_rank,
    variant,
    step_count,
    journey_count,
    customer_count,
    share,
    cumulative_share,
    conversion_rate,
    median_throughput_seconds
from variants
where customer_count >= (select limits.min_cell from limits)
order by variant_rank
limit 12
