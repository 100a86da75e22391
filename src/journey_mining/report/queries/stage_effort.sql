-- Steps and repeats of one journey inside a stage, on average over the journeys that entered it.
select
    stage,
    count(distinct journey_id) as journey_count,
    count(*) / nullif(count(distinct journey_id), 0) as steps_per_journey,
    sum(repeat_count) / nullif(count(*), 0) as contacts_per_step,
from journey_steps
where stage is not null
group by stage
order by stage
