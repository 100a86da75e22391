"""The touchpoints section: one row each, sortable, with a filter."""

from __future__ import annotations

from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.formatting import format_count, format_percent
from journey_mining.report.palette import label_channel
from journey_mining.report.query import Row
from journey_mining.report.suppression import is_small, mask_count

COLUMNS = [
    Column("touchpoint", "touchpoint"),
    Column("stage", "stage"),
    Column("channel", "channel"),
    Column("event_count", "events", "count"),
    Column("customer_count", "customers", "count"),
    Column("step_count", "steps", "count"),
    Column("entries", "entries", "count"),
    Column("exits", "exits", "count"),
    Column("exit_rate", "exit rate", "percent"),
    Column("conversion_after", "conversion after", "percent"),
    Column("typical_gap_seconds", "time to next", "duration"),
    Column("rule", "rule"),
]


def build_touchpoints(context: Context) -> dict[str, Any]:
    """The section: the table, and a title that names the widest reach."""
    answer, total = context.answer("touchpoints"), context.answer("touchpoint_total").rows[0]
    rows = [_suppress(row, context) for row in answer.rows]
    hidden = total["touchpoint_count"] - len(rows)
    chart = Chart(
        id="chart-touchpoints",
        title="All touchpoints",
        unit="customers, events and journeys, as each column says",
        n=f"{format_count(len(rows))} touchpoints",
        sql=answer.sql,
        columns=COLUMNS,
        rows=rows,
        note=f"{format_count(hidden)} more touchpoints have fewer than {context.min_cell} customers or rank below 500."
        if hidden
        else "",
    )
    return {"sentence": _write_sentence(rows, total, context), "chart": chart}


def _suppress(row: Row, context: Context) -> Row:
    """The row with small counts suppressed, its channel's hue beside it."""
    least = context.min_cell
    links = {"entries": ("__start__", row["touchpoint"]), "exits": (row["touchpoint"], "__end__")}
    hidden = {key for key, link in links.items() if link in context.hidden_transitions}
    masked = {key: None if key in hidden else row[key] for key in links}
    masked |= {key: mask_count(row[key], least) for key in links if is_small(row[key], least)}
    rate = None if "exits" in hidden else row["exit_rate"]
    masked["conversion_after"] = None if "exits" in hidden else _without_few(row, least)
    channel = label_channel(row["channel"])
    return {**row, **masked, "exit_rate": rate, "channel": channel, "hue": context.hue(row["channel"])}


def _without_few(row: Row, least: int) -> float | None:
    """The rate of conversion after the touchpoint, unless it stands for few customers, or for all but a few."""
    rate, steps = row["conversion_after"], row["step_count"] or 0
    if rate is None:
        return None
    converted = round(rate * steps)
    return None if is_small(converted, least) or is_small(steps - converted, least) else float(rate)


def _write_sentence(rows: list[Row], total: Row, context: Context) -> str:
    """How many touchpoints there are, and which contact reaches most customers."""
    count = format_count(total["touchpoint_count"])
    customers = context.figures["customers"]
    widest = next((row for row in rows if row["step_count"]), None)
    if widest is None or not customers:
        return f"{count} touchpoints, none with {context.min_cell} customers or more"
    share = format_percent(min(1.0, widest["customer_count"] / customers))
    return f"{count} touchpoints; {widest['touchpoint']} reaches most customers, {share}"
