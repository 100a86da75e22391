"""The attribution section: the models side by side, one of them with its interval."""

from __future__ import annotations

from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.formatting import format_count, format_percent
from journey_mining.report.palette import label_channel
from journey_mining.report.query import Row
from journey_mining.report.suppression import find_masked_parts

MODELS = {
    "markov": "Markov removal", "first_share": "first", "last_share": "last", "last_non_direct": "last non-direct",
    "linear": "linear", "time_decay": "time decay", "position_based": "40/20/40", "participation": "took part",
    "shapley": "Shapley",
}  # fmt: skip
COLUMNS = [
    Column("channel", "channel"),
    Column("markov_conversions", "conversions (Markov)", "number"),
    Column("markov_low", "from", "percent"),
    Column("markov_high", "to", "percent"),
    *(Column(key, label, "percent") for key, label in MODELS.items()),
]


def build_attribution(context: Context) -> dict[str, Any]:
    """The section: shares by channel and model, bars of the Markov shares with their intervals, and what is unavailable."""
    answer, notes = context.answer("attribution"), context.answer("attribution_notes").rows
    converted = context.figures["converted"] or 0
    rows = _suppress(answer.rows, converted, context)
    chart = Chart(
        id="chart-attribution",
        title="Share of the conversions by channel and model",
        unit="converted journeys",
        n=f"{format_count(converted)} converted journeys"
        if converted >= context.min_cell
        else f"fewer than {context.min_cell} converted journeys",
        sql=answer.sql,
        columns=COLUMNS,
        rows=rows,
        note="A share is a convention about credit, not an effect. Every model sums to the conversions, except \u201ctook part\u201d, "
        "which credits every channel of a journey in full.",
    )
    bars = [
        {
            "name": row["channel"],
            "hue": row["hue"],
            "share": row["markov"],
            "low": row["markov_low"],
            "high": row["markov_high"],
        }
        for row in rows
        if row["markov"] is not None
    ]
    return {
        "sentence": _write_sentence(bars, len(rows)),
        "chart": chart,
        "bars": bars,
        "widest": max((bar["high"] or bar["share"] for bar in bars), default=1) or 1,
        "notes": [f"{row['model'].replace('_', ' ')}: {row['note']}" for row in notes],
    }


def _suppress(rows: list[Row], converted: int, context: Context) -> list[Row]:
    """The rows without shares of 1 to min_cell - 1 conversions, nor one from which these could be found."""
    kept = [
        {**row, "hue": context.hue(row["channel"]), "channel": label_channel(row["channel"])} for row in rows
    ]
    for model in MODELS:
        parts = {str(place): _count_credit(row[model], converted) for place, row in enumerate(rows)}
        for place in find_masked_parts(parts, context.min_cell):
            hidden = [model] + (
                ["markov_conversions", "markov_low", "markov_high"] if model == "markov" else []
            )
            kept[int(place)].update(dict.fromkeys(hidden))
    return kept


def _count_credit(share: float | None, converted: int) -> int:
    """The conversions that a share stands for: at least one where there is any."""
    return max(1, round(share * converted)) if share else 0


def _write_sentence(bars: list[dict[str, Any]], count: int) -> str:
    """Which channel carries most."""
    if not bars:
        return f"{format_count(count)} channels, too few conversions to share out"
    return (
        f"{bars[0]['name']} carries {format_percent(bars[0]['share'])} of the conversions in the Markov model"
    )
