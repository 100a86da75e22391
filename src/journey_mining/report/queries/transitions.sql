-- The 500 most frequent transitions, those of fewer than min_cell customers left out; covered = running share of all.
with limits as (
    select coalesce(max(try_cast(value as bigint)), 5) as min_cell
    from settings
    where name = 'min_cell'
),

totals as (
    select sum(transition_count) as all_count
    from transitions
),

-- frequent enough to be shown
shown as (
    select
        from_touchpoint,
        to_touchpoint,
        transition_count,
        journey_count,
        customer_count,
        probability,
        median_gap_seconds,
        p90_gap_seconds,
        conversion_rate,
        conversion_rate_low,
        conversion_rate_high,
        lift
    from transitions
    where customer_count >= (select limits.min_cell from limits)
)

select
    shown.from_touchpoint,
    shown.to_touchpoint,
    shown.transition_count,
    shown.journey_count,
    shown.customer_count,
    shown.probability,
    shown.median_gap_seconds,
    shown.p90_gap_seconds,
    shown.conversion_rate,
    shown.conversion_rate_low,
    shown.conversion_rate_high,
    shown.lift,
    sum(shown.transition_count) over (
        order by shown.transition_count desc, shown.from_touchpoint, shown.to_touchpoint
        rows between unbounded preceding and current row
    ) / nullif(totals.all_count, 0) as covered
from shown
cross join totals
order by shown.transition_count desc, shown.from_touchpoint, shown.to_touchpoint
limit 500
