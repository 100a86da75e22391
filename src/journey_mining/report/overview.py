"""The first section: the sentence, the key figures, the journey map, and how good the data is."""

from __future__ import annotations

from typing import Any

from journey_mining.report.context import Context
from journey_mining.report.formatting import (
    MISSING,
    format_interval,
    format_money,
    format_percent,
    format_value,
)
from journey_mining.report.journey_map import build_journey_map
from journey_mining.report.suppression import is_small, mask_count

Tile = dict[str, str]


def build_overview(context: Context) -> dict[str, Any]:
    """The overview: sentence, basis, tiles, journey map and data footer."""
    figures = context.figures
    return {
        "sentence": figures["sentence"],
        "basis": context.describe_basis(
            "journeys and customers", f"n = {_count(context, 'matured')} matured journeys"
        ),
        "tiles": build_tiles(context),
        "map": build_journey_map(context),
        "footer": build_footer(context),
    }


def _count(context: Context, key: str) -> str:
    """A key figure that counts units, suppressed when small."""
    count = context.figures[key]
    return (
        format_value(mask_count(count, context.min_cell), "count")
        if _may_show(context, key, count)
        else MISSING
    )


def _may_show(context: Context, key: str, count: int | None) -> bool:
    """Whether the count, or that it is small, gives nothing else away."""
    return key not in context.shown["suppressed"] or is_small(count, context.min_cell)


def build_tiles(context: Context) -> list[Tile]:
    """The strip of key figures."""
    figures = context.shown
    value = format_money(figures["value"], figures["currency"]) if figures["value"] is not None else MISSING
    return [
        {
            "label": "Customers",
            "value": _count(context, "customers"),
            "hint": f"{_count(context, 'events')} events",
        },
        {
            "label": "Journeys",
            "value": _count(context, "journeys"),
            "hint": f"{_count(context, 'matured')} matured",
        },
        _conversion_tile(context),
        {
            "label": "Still open",
            "value": format_value(figures["open_share"], "percent"),
            "hint": f"{_count(context, 'open')} journeys, not counted as lost",
        },
        {
            "label": "Median time to convert",
            "value": format_value(figures["median_seconds"], "duration"),
            "hint": f"from first contact to {context.goal}",
        },
        {"label": "Value", "value": value, "hint": _value_hint(context)},
    ]


def _conversion_tile(context: Context) -> Tile:
    """The conversion rate with its interval."""
    figures = context.shown
    if figures["conversion_rate"] is None:
        return {
            "label": "Conversion",
            "value": MISSING,
            "hint": f"{_count(context, 'converted')} journeys converted",
        }
    interval = format_interval(figures["conversion_rate_low"], figures["conversion_rate_high"])
    return {
        "label": "Conversion",
        "value": format_percent(figures["conversion_rate"]),
        "hint": f"{interval}, 95\u00a0% interval",
        "tone": "good",
    }


def _value_hint(context: Context) -> str:
    """What the value adds up."""
    if context.figures["value"] is None:
        return "no value in the sources"
    return "of all journeys" if context.figures["currency"] else "of all journeys, currency not given"


def build_footer(context: Context) -> list[Tile]:
    """How good the data is: events, shares unmapped and stitched, late, duplicate and quarantined records.

    Figures that the run does not record are left out.
    """
    run, sources = context.run, context.answer("sources").rows
    quality = context.answer("data_quality").rows[0]
    sums = {key: sum(row[key] or 0 for row in sources) for key in ("duplicate_count", "quarantined_count")}
    late = next((run[key] for key in ("late_count", "late_event_count") if run.get(key) is not None), None)
    items = [
        ("events", context.figures["events"] or 0, "count"),
        ("of contacts have no stage", quality["unmapped_share"], "percent"),
        ("of events stitched to a known customer", run.get("stitched_share"), "percent"),
        ("of customers seen in several sources", quality["linked_share"], "percent"),
        ("late records", late, "count"),
        ("duplicates", sums["duplicate_count"], "count"),
        ("quarantined records", sums["quarantined_count"], "count"),
    ]
    return [
        {"label": label, "value": format_value(value, kind)}
        for label, value, kind in items
        if value is not None
    ]
