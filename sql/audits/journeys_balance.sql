-- Every inner node of the transition graph is entered as often as it is left.
-- severity: stop
with entered as (
    select
        to_touchpoint as touchpoint,
        sum(transition_count) as inflow
    from transitions
    where to_touchpoint <> '__end__'
    group by to_touchpoint
),

departed as (
    select
        from_touchpoint as touchpoint,
        sum(transition_count) as outflow
    from transitions
    where from_touchpoint <> '__start__'
    group by from_touchpoint
)

select
    coalesce(e.touchpoint, d.touchpoint) as touchpoint,
    e.inflow,
    d.outflow
from entered as e
full outer join departed as d on e.touchpoint = d.touchpoint
where e.inflow is distinct from d.outflow
