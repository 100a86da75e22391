-- Loops: two touchpoints that follow each other in both directions, by the smaller of the two counts.
with limits as (
    select coalesce(max(try_cast(value as bigint)), 5) as min_cell
    from settings
    where name = 'min_cell'
)

select
    forward.from_touchpoint as touchpoint,
    forward.to_touchpoint as other_touchpoint,
    forward.journey_count as forward_journeys,
    backward.journey_count as backward_journeys,
    forward.transition_count as forward_count,
    backward.transition_count as backward_count,
    backward.median_gap_seconds as median_gap_back_seconds,
    forward.conversion_rate
from transitions as forward
inner join transitions as backward
    on forward.from_touchpoint = backward.to_touchpoint and forward.to_touchpoint = backward.from_touchpoint
where
    forward.from_touchpoint < forward.to_touchpoint
    and least(forward.customer_count, backward.customer_count) >= (select limits.min_cell from limits)
order by least(forward.transition_count, backward.transition_count) desc, touchpoint, other_touchpoint
limit 10
