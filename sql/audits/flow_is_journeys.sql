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
)

select
    'begin' as part,
    b.journey_count as in_flow,
    (select count(*) from journeys where not is_flagged) as in_journeys
from begun as b
where b.journey_count <> (select count(*) from journeys where not is_flagged)
union all
select
    'end' as part,
    (select coalesce(sum(journey_count), 0) from ended) as in_flow,
    b.journey_count as in_journeys
from begun as b
where b.journey_count <> (select coalesce(sum(journey_count), 0) from ended)
union all
select
    e.fate as part,
    e.journey_count as in_flow,
    coalesce(j.journey_count, 0) as in_journeys
from ended as e
left join journeys_by_state as j on e.fate = j.fate
where e.fate <> '__beyond__'
    and e.journey_count > coalesce(j.journey_count, 0)
