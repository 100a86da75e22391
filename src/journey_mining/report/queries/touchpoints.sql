-- Touchpoints by customers, those under min_cell left out.
-- conversion_after and typical_gap_seconds are journey-weighted over the transitions out of the touchpoint: estimates.
with limits as (
    select coalesce(max(try_cast(value as bigint)), 5) as min_cell
    from settings
    where name = 'min_cell'
),

outgoing as (
    select
        from_touchpoint,
        to_touchpoint,
        transition_count,
        journey_count,
        probability,
        conversion_rate,
        median_gap_seconds
    from transitions
    where from_touchpoint <> '__start__'
),

summed as (
    select
        from_touchpoint,
        sum(transition_count) as step_count,
        coalesce(sum(transition_count) filter (where to_touchpoint = '__end__'), 0) as exits,
        sum(conversion_rate * journey_count)
        / nullif(sum(journey_count) filter (where conversion_rate is not null), 0) as conversion_after
    from outgoing
    group by from_touchpoint
),

-- transitions in the order of their gap, with the steps up to each
ranked as (
    select
        from_touchpoint,
        median_gap_seconds,
        sum(transition_count) over (
            partition by from_touchpoint
            order by median_gap_seconds, to_touchpoint
            rows between unbounded preceding and current row
        ) as running_count,
        sum(transition_count) over (partition by from_touchpoint) as total_count
    from outgoing
    where to_touchpoint <> '__end__' and median_gap_seconds is not null
),

-- the weighted median: the first gap that at least half of the steps do not exceed
typical as (
    select
        from_touchpoint,
        min(median_gap_seconds) as typical_gap_seconds
    from ranked
    where running_count * 2 >= total_count
    group by from_touchpoint
),

entered as (
    select
        to_touchpoint,
        transition_count as entries
    from transitions
    where from_touchpoint = '__start__'
)

select
    touchpoints.touchpoint,
    touchpoints.stage,
    touchpoints.channel,
    touchpoints.event_count,
    touchpoints.customer_count,
    summed.step_count,
    coalesce(entered.entries, 0) as entries,
    coalesce(summed.exits, 0) as exits,
    summed.exits / nullif(summed.step_count, 0) as exit_rate,
    summed.conversion_after,
    typical.typical_gap_seconds,
    touchpoints.rule
from touchpoints
left join summed on touchpoints.touchpoint = summed.from_touchpoint
left join typical on touchpoints.touchpoint = typical.from_touchpoint
left join entered on touchpoints.touchpoint = entered.to_touchpoint
where touchpoints.customer_count >= (select limits.min_cell from limits)
order by touchpoints.customer_count desc, touchpoints.touchpoint
limit 500
