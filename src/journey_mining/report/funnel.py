"""The stage funnel: who reached a stage, who went on, who left, who is still on the way."""

from __future__ import annotations

from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.formatting import format_count, format_percent
from journey_mining.report.query import Row
from journey_mining.report.suppression import find_masked_parts, is_small, mask_count

UNITS = ("customers", "journeys")
PARTS = ("dropped_off", "open", "converted")
RATES = ("conversion_rate", "conversion_rate_low", "conversion_rate_high")

COLUMNS = [
    Column("stage", "stage"),
    Column("entered", "entered", "count"),
    Column("converted", "went on", "count"),
    Column("dropped_off", "left", "count"),
    Column("open", "still open", "count"),
    Column("skipped", "skipped the stage", "count"),
    Column("conversion_rate", "conversion to next", "percent"),
    Column("conversion_rate_low", "95 % low", "percent"),
    Column("conversion_rate_high", "95 % high", "percent"),
    Column("median_seconds", "median time to next", "duration"),
]


def build_funnel(context: Context) -> dict[str, Any]:
    """The funnel of both units: bars, and the chart frames with the tables behind them."""
    answer = context.answer("funnel")
    masked = mask_funnel(answer.rows, context.min_cell)
    panels = []
    for unit in UNITS:
        rows = masked[unit]
        first = next((row for row in answer.rows if row["unit"] == unit), None)
        entered = mask_count(first["entered"], context.min_cell) if first else 0
        chart = Chart(
            id=f"chart-funnel-{unit}",
            title=f"{unit.capitalize()} by stage reached",
            unit=unit,
            n=f"{format_count(entered) if isinstance(entered, int) else entered} {unit} entered",
            sql=answer.sql,
            columns=COLUMNS,
            rows=rows,
            query_note=f"The chart shows the rows of unit {unit}.",
        )
        panels.append({"unit": unit, "chart": chart, "bars": [draw_bar(row, rows) for row in rows]})
    sentence = write_largest_loss(masked["customers"])
    return {"panels": panels, "sentence": sentence}


def mask_funnel(rows: list[Row], min_cell: int) -> dict[str, list[Row]]:
    """The funnel's rows by unit with small cells suppressed, and rates from which they could be computed.

    Each row keeps the widths it is drawn with: entered, and its shown parts; hidden parts share one width.
    """
    masked: dict[str, list[Row]] = {unit: [] for unit in UNITS}
    for row in rows:
        masked.setdefault(row["unit"], []).append(_mask_row(row, min_cell))
    return masked


def _mask_row(row: Row, min_cell: int) -> Row:
    """One stage with its small cells suppressed."""
    text = f"< {min_cell}"
    hidden = find_masked_parts({part: row[part] or 0 for part in PARTS}, min_cell)
    result = {**row, **dict.fromkeys(hidden, text), "skipped": mask_count(row["skipped"], min_cell)}
    result["entered"] = mask_count(row["entered"], min_cell)
    if {"converted", "dropped_off"} & hidden:
        result.update(dict.fromkeys(RATES, None))
    if "converted" in hidden:
        result["median_seconds"] = None
    shown = {part: row[part] or 0 for part in PARTS if part not in hidden}
    whole = 0 if is_small(row["entered"], min_cell) else row["entered"] or 0
    result["widths"] = {**shown, "hidden": max(0, whole - sum(shown.values())), "entered": whole}
    return result


def draw_bar(row: Row, rows: list[Row]) -> dict[str, Any]:
    """One stage's bar: segments in per cent of the widest stage, and the row that they stand for."""
    widest = max((other["widths"]["entered"] for other in rows), default=0) or 1
    names = ("converted", "open", "dropped_off", "hidden")
    segments = [
        {"kind": name, "width": round(100 * row["widths"].get(name, 0) / widest, 3), "count": row.get(name)}
        for name in names
        if row["widths"].get(name, 0) > 0
    ]
    return {"row": row, "segments": segments, "is_last": row is rows[-1]}


def write_largest_loss(rows: list[Row]) -> str:
    """The section's title: where most customers left."""
    losses = [row for row in rows[:-1] if isinstance(row["dropped_off"], int) and row["dropped_off"] > 0]
    losses = [row for row in losses if row["conversion_rate"] is not None]
    if not losses:
        return f"{len(rows)} stages, and no loss yet that could be told"
    worst = max(losses, key=lambda row: row["dropped_off"])
    share = format_percent(1 - worst["conversion_rate"])
    return (
        f"The largest loss is after {worst['stage']}: {format_count(worst['dropped_off'])} customers left, "
        f"{share} of those who had time to go on"
    )
