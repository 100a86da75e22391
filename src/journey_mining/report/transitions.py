"""The transition map section: the directly-follows graph with stages as columns."""

from __future__ import annotations

from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.formatting import format_count, format_percent, shorten
from journey_mining.report.query import Row
from journey_mining.report.suppression import mask_rates
from journey_mining.report.transition_map import (
    NODE_HEIGHT,
    ROW_HEIGHT,
    SIDE,
    Place,
    arrange_map,
    draw_edges,
    place_column,
)

LABELS = {"__start__": "Start", "__end__": "End"}
COLUMNS = [
    Column("from_label", "from"),
    Column("to_label", "to"),
    Column("transition_count", "transitions", "count"),
    Column("journey_count", "journeys", "count"),
    Column("customer_count", "customers", "count"),
    Column("probability", "probability", "percent"),
    Column("median_gap_seconds", "median time", "duration"),
    Column("p90_gap_seconds", "p90 time", "duration"),
    Column("conversion_rate", "conversion", "percent"),
    Column("conversion_rate_low", "95 % low", "percent"),
    Column("conversion_rate_high", "95 % high", "percent"),
    Column("lift", "lift", "number"),
    Column("covered", "covered so far", "percent"),
]


def build_transitions(context: Context) -> dict[str, Any]:
    """The section: the map's arrays, and the frame with the table behind it."""
    answer, total = context.answer("transitions"), context.answer("transition_total").rows[0]
    rows = _select_shown(context, answer.rows, total["transition_count"])
    drawing = _draw_map(context, rows, total["transition_count"]) if rows else None
    chart = Chart(
        id="chart-transitions",
        title="What directly follows what",
        unit="journeys (width); the metric of your choice (labels)",
        n=f"{format_count(total['transition_count'])} transitions between {format_count(total['pair_count'])} pairs",
        sql=answer.sql,
        columns=COLUMNS,
        rows=rows,
        note=_write_note(context, rows, drawing),
        query_note="The table leaves out more where the query's rows would give away what those hide.",
    )
    return {
        "sentence": write_coverage(rows, total),
        "chart": chart,
        "islands": {"data-transitions": drawing} if drawing else {},
    }


def _select_shown(context: Context, rows: list[Row], total: int) -> list[Row]:
    """The rows that give no other away, with the share of all transitions that they cover together."""
    shown, seen = [], 0
    for row in rows:
        if (row["from_touchpoint"], row["to_touchpoint"]) in context.hidden_transitions:
            continue
        seen += row["transition_count"]
        covered = seen / total if total else None
        shown.append(mask_rates({**row, **_label_ends(row), "covered": covered}, context.min_cell))
    return shown


def _label_ends(row: Row) -> Row:
    """The ends' names as a reader sees them."""
    return {
        f"{end}_label": LABELS.get(row[f"{end}_touchpoint"], row[f"{end}_touchpoint"])
        for end in ("from", "to")
    }


def _draw_map(context: Context, rows: list[Row], total: int) -> dict[str, Any]:
    """The arrays of the map: columns, nodes, edges."""
    known = {row["touchpoint"]: row for row in context.answer("touchpoint_channels").rows}
    stage_of = {name: row["stage"] for name, row in known.items()}
    places, headings = arrange_map(rows, context.stages, stage_of)
    lowest = max(place.y for place in places)
    return {
        "width": max(place.x + place.width / 2 for place in places) + SIDE,
        "height": lowest + ROW_HEIGHT / 2 + 18,
        "node": {"h": NODE_HEIGHT},
        "columns": [
            {"label": label, "x": place_column(number, len(headings))}
            for number, label in enumerate(headings)
        ],
        "nodes": [
            _describe_node(place, context.hue(known.get(place.name, {}).get("channel"))) for place in places
        ],
        "edges": draw_edges(rows, places, total),
    }


def _describe_node(place: Place, hue: str) -> dict[str, Any]:
    """A node as the browser draws it."""
    name = LABELS.get(place.name, place.name)
    return {
        "name": shorten(name, 80),
        "label": shorten(name, 16),
        "x": place.x,
        "y": place.y,
        "w": place.width,
        "v": place.volume,
        "hue": hue,
        "boundary": place.name in LABELS,
    }


def _write_note(context: Context, rows: list[Row], drawing: dict[str, Any] | None) -> str:
    """What the map leaves out."""
    if drawing is None:
        return ""
    inner = {row[end] for row in rows for end in ("from_touchpoint", "to_touchpoint")} - set(LABELS)
    left_out = len(inner) - sum(not node["boundary"] for node in drawing["nodes"])
    note = f"Transitions of fewer than {context.min_cell} customers are left out, and others that would give them away"
    return (
        f"{note}; {left_out} touchpoints of small volume are only in the table." if left_out else f"{note}."
    )


def write_coverage(rows: list[Row], total: Row) -> str:
    """The section's title: how few transitions carry most of the behaviour."""
    pairs = format_count(total["pair_count"])
    for number, row in enumerate(rows, start=1):
        if row["covered"] is not None and row["covered"] >= 0.8:
            return f"{format_count(number)} of {pairs} transitions carry 80\u00a0% of all moves"
    covered = rows[-1]["covered"] if rows else None
    if covered is None:
        return "0 transitions that may be shown"
    return f"{format_count(len(rows))} of {pairs} transitions may be shown: {format_percent(covered)} of all moves"
