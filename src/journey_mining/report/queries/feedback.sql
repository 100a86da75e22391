-- Survey scores of stages (touchpoint is null) on their own scales, with n and 95 % interval.
select
    stage,
    score_kind,
    score_min,
    score_max,
    response_count,
    score,
    score_low,
    score_high,
    response_rate
from feedback
where touchpoint is null and stage is not null
order by stage, score_kind
