-- The step flow begins with every journey and ends with each of them exactly once, in its own state.
-- severity: stop
with journeys_by_state as (
    select
        '__' || state || '__' as fate,
        count(*) as journey_count
    from journeys
    where not is_flagged
    group by state
),

all_journeys as (
    select coalesce(sum(journey_count), 0) as journey_count
    from journeys_by_state
),

begun as (
    select coalesce(sum(journey_count), 0) as journey_count
    from step_flow
    where anchor = 'start'
        and step_number = 0
),

ended as (
    select
        to_touchpoint as fate,
        sum(journey_count) as journey_count
    from step_flow
    where anchor = 'start'
        and to_touchpoint in ('__converted__', '__dropped_off__', '__open__', '__beyond__')
    group by to_touchpoint
),

all_ended as (
    select coalesce(sum(journey_count), 0) as journey_count
    from ended
)

select
    'begin' as part,
    b.journey_count as in_flow,
    a.journey_count as in_journeys
from begun as b
cross join all_journeys as a
where b.journey_count <> a.journey_count
union all
select
    'end' as part,
    e.journey_count as in_flow,
    b.journey_count as in_journeys
from begun as b
cross join all_ended as e
where b.journey_count <> e.journey_count
union all
select
    e.fate as part,
    e.journey_count as in_flow,
    coalesce(j.journey_count, 0) as in_journeys
from ended as e
left join journeys_by_state as j on e.fate = j.fate
where e.fate <> '__beyond__'
    and e.journey_count > coalesce(j.journey_count, 0)
