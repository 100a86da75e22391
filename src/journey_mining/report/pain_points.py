"""The pain points section: what customers met who then converted less than comparable ones, and the mirror image."""

from __future__ import annotations

from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.formatting import format_count, format_number
from journey_mining.report.query import Row
from journey_mining.report.suppression import is_small

FORMULA = (
    "At stake = customers who met it × max(0, conversion of comparable customers without it − with it), ranked by the lower "
    "end of its 95 % interval. Comparable: at the same place, from the same entry channel, as long under way, with or without "
    "an earlier conversion; for what customers choose, such as a page, a pain is judged against those who did not take the next "
    "step to the goal there either, a delight against those who did not leave. Claimed when significant over all candidates (Benjamini–Hochberg, 5 %) and at least 3 points. "
    "An incident is claimed for its frequency instead: an error that customers met at least 3 times as often in one span of "
    "days as on other days, given where they were. A difference between customers, no proof of a cause."
)
COLUMNS = [
    Column("finding", "finding"),
    Column("kind", "kind"),
    Column("signal", "what customers met"),
    Column("customers", "customers", "count"),
    Column("conversion_with", "conversion with", "percent"),
    Column("conversion_without", "without", "percent"),
    Column("difference", "difference", "percent"),
    Column("low", "from", "percent"),
    Column("high", "to", "percent"),
    Column("at_stake", "conversions at stake", "number"),
    Column("at_stake_low", "at least", "number"),
    Column("at_stake_high", "at most", "number"),
    Column("comparable_count", "comparable", "count"),
    Column("matched_share", "matched", "percent"),
    Column("q_value", "q", "number"),
    Column("first_at", "first", "date"),
    Column("last_at", "last", "date"),
]


def build_pain_points(context: Context) -> dict[str, Any]:
    """The section: the register, and bars of what is at stake with their intervals."""
    answer = context.answer("pain_points")
    rows = [_suppress(row, context.min_cell) for row in answer.rows]
    pains = [row for row in rows if row["finding"] == "pain point"]
    bars = [row for row in rows if row["at_stake_high"] is not None][:20]
    chart = Chart(
        id="chart-pain-points",
        title="What is at stake",
        unit="customers; conversions at stake",
        n=f"{format_count(len(rows))} finding{'s' if len(rows) != 1 else ''}",
        sql=answer.sql,
        columns=COLUMNS,
        rows=rows,
        note=FORMULA,
    )
    return {
        "sentence": _write_sentence(pains),
        "chart": chart,
        "bars": bars,
        "widest": max((row["at_stake_high"] for row in bars), default=1) or 1,
    }


_TELLING = (
    "conversion_with", "conversion_without", "difference", "low", "high", "at_stake_low", "at_stake_high",
)  # fmt: skip
"""What tells, alone or with what is at stake, how many of the customers converted."""


def _suppress(row: Row, least: int) -> Row:
    """The row without what tells a rate that stands for 1 to min_cell - 1 customers."""
    converted = row["conversion_with"] * row["customers"]
    small = is_small(round(converted), least) or is_small(round(row["customers"] - converted), least)
    return {**row, **dict.fromkeys(_TELLING)} if small else row


def _write_sentence(pains: list[Row]) -> str:
    """The largest pain point in words."""
    if not pains:
        return "0 pain points that the data support"
    worst = pains[0]
    if worst["kind"] == "incident":
        return (
            f"{format_count(worst['customers'])} customers met \u201c{worst['signal']}\u201d from "
            f"{worst['first_at']:%Y-%m-%d} to {worst['last_at']:%Y-%m-%d}, far more often than on other days"
        )
    least = worst["at_stake_low"]
    stake = f"at least {format_number(least)}" if least is not None else format_number(worst["at_stake"])
    return (
        f"{format_count(worst['customers'])} customers met \u201c{worst['signal']}\u201d: "
        f"{stake} conversions at stake"
    )
