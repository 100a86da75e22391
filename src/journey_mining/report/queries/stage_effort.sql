-- Effort inside a stage: steps a journey that entered it takes there, and contacts a step.
with flagged as (
    select journey_id
    from journeys
    where is_flagged
),

walked as (
    select
        touchpoints.stage,
        sum(transitions.transition_count) as step_count
    from transitions
    inner join touchpoints on transitions.to_touchpoint = touchpoints.touchpoint
    where touchpoints.stage is not null
    group by touchpoints.stage
),

-- direct repeats of a touchpoint are one step with a repeat_count
repeated as (
    select
        stage,
        sum(repeat_count) / nullif(count(*), 0) as contacts_per_step
    from journey_steps
    where
        stage is not null
        and journey_id not in (select flagged.journey_id from flagged)
    group by stage
)

select
    stage_funnel.stage,
    stage_funnel.entered - stage_funnel.skipped as journey_count,
    walked.step_count / nullif(stage_funnel.entered - stage_funnel.skipped, 0) as steps_per_journey,
    repeated.contacts_per_step
from stage_funnel
inner join walked on stage_funnel.stage = walked.stage
left join repeated on stage_funnel.stage = repeated.stage
where stage_funnel.unit = 'journeys'
order by stage_funnel.stage_number
