-- Feedback: CSAT, NPS and CES by touchpoint and by stage, each on its own scale.
-- grain: one row per stage, touchpoint, score_kind, score_min, score_max
-- column: stage            stage, NULL where the touchpoint has none or nothing came before the answer
-- column: touchpoint       last contact before the answer; NULL in the rows of a whole stage
-- column: score_kind       csat, nps or ces
-- column: score_min        lowest answer of the scale
-- column: score_max        highest answer of the scale
-- column: response_count   answers
-- column: score            csat: share of top-two answers (top one on short scales), NULL without a scale; nps: promoters minus detractors; ces: mean
-- column: score_low        95 % interval, lower end (csat: Wilson; nps and ces: normal)
-- column: score_high       95 % interval, upper end
-- column: invited_count    invitations without an answer and answers, NULL when the source records no invitations
-- column: response_rate    answers over invited
with rated as (
    select
        stage,
        touchpoint,
        score_kind,
        score_min,
        score_max,
        score,
        case score_kind
            when 'csat' then cast(cast(score >= lowest_top_answer(score_min, score_max) as integer) as double)
            when 'nps' then case when score >= 9 then 100.0 when score <= 6 then -100.0 else 0.0 end
            else score
        end as points
    from scored_events
),

both_levels as (
    select * from rated
    where touchpoint is not null
    union all
    select
        stage,
        null as touchpoint,
        score_kind,
        score_min,
        score_max,
        score,
        case when score is not null then points end as points
    from rated
),

-- An invitation names no scale, so it is counted beside every scale of its kind.
counted as (
    select
        stage,
        touchpoint,
        score_kind,
        score_min,
        score_max,
        count(score) as response_count,
        avg(case when score is not null then points end) as mean_points,
        stddev_samp(case when score is not null then points end) as deviation,
        count(case when score is not null and points > 0 then 1 end) as top_count
    from both_levels
    where score is not null
    group by stage, touchpoint, score_kind, score_min, score_max
),

invited as (
    select
        stage,
        touchpoint,
        score_kind,
        count(*) as unanswered_count
    from both_levels
    where score is null
    group by stage, touchpoint, score_kind
)

select
    c.stage,
    c.touchpoint,
    c.score_kind,
    c.score_min,
    c.score_max,
    c.response_count,
    round(c.mean_points, 9) as score,
    round(case
        when c.mean_points is null then null
        when c.score_kind = 'csat' then wilson_low(c.top_count, c.response_count)
        else c.mean_points - 1.959963984540054 * c.deviation / sqrt(c.response_count)
    end, 9) as score_low,
    round(case
        when c.mean_points is null then null
        when c.score_kind = 'csat' then wilson_high(c.top_count, c.response_count)
        else c.mean_points + 1.959963984540054 * c.deviation / sqrt(c.response_count)
    end, 9) as score_high,
    case when i.unanswered_count is not null then greatest(i.unanswered_count, c.response_count) end as invited_count,
    case
        when i.unanswered_count is not null
            then rate(c.response_count, greatest(i.unanswered_count, c.response_count))
    end as response_rate
from counted as c
left join invited as i
    on c.stage is not distinct from i.stage
        and c.touchpoint is not distinct from i.touchpoint
        and c.score_kind = i.score_kind
order by c.score_kind, c.stage, c.touchpoint, c.score_max
