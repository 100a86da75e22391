"""The stage funnel: who reached a stage, who went on, who left, who is still on the way."""

from __future__ import annotations

from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.formatting import format_count, format_percent
from journey_mining.report.funnel_cells import PARTS, find_hidden_parts
from journey_mining.report.query import Row
from journey_mining.report.suppression import Count, is_small, mask_count

UNITS = ("customers", "journeys")
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
        entered = rows[0]["entered"] if rows else 0
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

    Of what is hidden, small counts read "< 5" and those that would give them away None. Each row keeps the widths it is
    drawn with: entered, and its shown parts; hidden parts share one width.
    """
    masked: dict[str, list[Row]] = {unit: [] for unit in UNITS}
    for unit in [*UNITS, *{row["unit"] for row in rows} - set(UNITS)]:
        of_unit = [row for row in rows if row["unit"] == unit]
        hidden = find_hidden_parts(of_unit, min_cell)
        masked[unit] = [_mask_row(row, hidden[n], min_cell) for n, row in enumerate(of_unit)]
    return masked


def _mask_row(row: Row, hidden: set[str], min_cell: int) -> Row:
    """One stage without its hidden cells."""
    result = {**row, **{name: _replace(row[name], min_cell) for name in hidden}}
    # Who was there are those who entered less those who skipped it.
    is_told = is_small((row["entered"] or 0) - (row["skipped"] or 0), min_cell)
    result["skipped"] = None if is_told else mask_count(row["skipped"], min_cell)
    if {"converted", "dropped_off"} & hidden:
        result.update(dict.fromkeys(RATES, None))
    if "converted" in hidden:
        result["median_seconds"] = None
    shown = {part: row[part] or 0 for part in PARTS if part not in hidden}
    whole = 0 if "entered" in hidden else row["entered"] or 0
    result["widths"] = {**shown, "hidden": max(0, whole - sum(shown.values())), "entered": whole}
    return result


def _replace(count: int | None, min_cell: int) -> Count:
    """What stands in a hidden cell."""
    return mask_count(count, min_cell) if is_small(count, min_cell) else None


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
