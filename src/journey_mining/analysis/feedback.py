"""Answers to surveys in loaded events, and their net promoter score: promoters (9-10) minus detractors (0-6), in points."""

from __future__ import annotations

from journey_mining.analysis.log import EventLog, warn_caller
from journey_mining.errors import QueryError
from journey_mining.warehouse import quoted_name

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
KINDS = ("csat", "nps", "ces")


def check_feedback(log: EventLog) -> None:
    """Raise QueryError for loaded scores that no feedback can be counted of, and warn of those that lack a kind."""
    columns = {name.lower() for name in log.columns}
    if not log.is_loaded or "score" not in columns:
        return
    for name in ("score", "score_min", "score_max"):
        if name in columns:
            check_numbers(log, name)
    has_kind = "score_kind" in columns
    if has_kind:
        _check_kinds(log)
    kindless = log.value(
        f"select count(score) from events where {'score_kind is null' if has_kind else 'true'}"
    )
    if not kindless:
        return
    if kindless == log.value("select count(score) from events"):
        raise QueryError(
            "The scores are of no kind.",
            found="no score_kind beside a score" if has_kind else "no column score_kind",
            expected="csat, nps or ces beside each score",
            fix="add a column score_kind; for a net promoter score alone ask nps()",
        )
    warn_caller(f"Scores without a score_kind are left out: {kindless}.")


def _check_kinds(log: EventLog) -> None:
    rows = log.connection.execute(
        "select distinct cast(score_kind as varchar) from events where score_kind is not null order by all"
    ).fetchall()
    for (kind,) in rows:
        if kind not in KINDS and kind.strip().lower() in KINDS:
            raise QueryError(
                f"score_kind: unknown '{kind}'.", expected="csat, nps or ces", fix="write it in lower case"
            )


def check_numbers(log: EventLog, column: str) -> None:
    """Raise QueryError where a column of the events has values that are not of a type of numbers."""
    kind = next(kind for name, kind in log.columns.items() if name.lower() == column.lower())
    is_number = kind.removeprefix("U").startswith(NUMBERS)
    if not is_number and log.value(f"select count({quoted_name(column)}) from events"):
        raise QueryError(
            f"The column '{column}' has no numbers.", found=kind, fix="turn it into numbers before loading"
        )


def write_nps(log: EventLog, by: str | None, score: str) -> str:
    """The query of the score with its 95 % interval (normal), by a column of the events or in all."""
    log.require_columns([score, *([by] if by else [])])
    check_numbers(log, score)
    column, group = f"cast({quoted_name(score)} as double)", quoted_name(by) if by else None
    if "score_kind" in log.columns:
        kind = "score_kind = 'nps'"
        if log.is_loaded:
            _check_kinds(log)
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
    case when count(*) > 1 then round(greatest(-100, avg({points}) - {half}), 9) end as nps_low,
    case when count(*) > 1 then round(least(100, avg({points}) + {half}), 9) end as nps_high
from events
where {kind}
    and {column} is not null
{f"group by {group} order by {group}" if group else ""}"""
