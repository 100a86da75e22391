"""Net promoter score of events with a score: promoters (9-10) minus detractors (0-6), in percentage points."""

from __future__ import annotations

from journey_mining.analysis.log import EventLog
from journey_mining.errors import QueryError
from journey_mining.warehouse import quoted_name


def write_nps(log: EventLog, by: str | None, score: str) -> str:
    """The query of the score with its 95 % interval (normal), by a column of the events or in all."""
    log.require_columns([score, *([by] if by else [])])
    column, group = quoted_name(score), quoted_name(by) if by else None
    if "score_kind" in log.columns:
        kind = "score_kind = 'nps'"
        if log.is_loaded:
            kind = "coalesce(cast(score_kind as varchar), 'nps') = 'nps'"
    else:
        kind = "true"
    outside = log.value(f"select count(*) from events where {kind} and {column} not between 0 and 10")
    if outside:
        raise QueryError(
            f"{outside} scores in '{score}' are not between 0 and 10: that is no NPS scale.",
            fix="leave them out, or name another column: nps(score=…)",
        )
    points = f"case when {column} >= 9 then 100.0 when {column} <= 6 then -100.0 else 0.0 end"
    half = f"1.959963984540054 * stddev_samp({points}) / sqrt(count(*))"
    return f"""select
    {f"{group} as segment," if group else ""}
    count(*) as response_count,
    count(case when {column} >= 9 then 1 end) as promoters,
    count(case when {column} > 6 and {column} < 9 then 1 end) as passives,
    count(case when {column} <= 6 then 1 end) as detractors,
    round(avg({points}), 9) as nps,
    round(greatest(-100, avg({points}) - {half}), 9) as nps_low,
    round(least(100, avg({points}) + {half}), 9) as nps_high
from events
where {kind}
    and {column} is not null
{f"group by {group} order by {group}" if group else ""}"""
