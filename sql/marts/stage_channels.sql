-- Channels by stage: in which media the steps of each stage happened.
-- grain: one row per stage, channel
-- column: stage            the stage
-- column: channel          medium of contact
-- column: step_count       steps
-- column: journey_count    journeys with such a step
-- column: customer_count   customers with such a step
-- column: step_share       share of the stage's steps
with kept_steps as (
    select
        s.stage,
        s.channel,
        s.journey_id,
        s.customer_id
    from journey_steps as s
    inner join journeys as j on s.journey_id = j.journey_id
    where s.stage is not null
        and not j.is_flagged
),

counted as (
    select
        stage,
        channel,
        count(*) as step_count,
        count(distinct journey_id) as journey_count,
        count(distinct customer_id) as customer_count
    from kept_steps
    group by stage, channel
)

select
    stage,
    channel,
    step_count,
    journey_count,
    customer_count,
    rate(step_count, sum(step_count) over (partition by stage)) as step_share
from counted
order by stage, step_count desc, channel
