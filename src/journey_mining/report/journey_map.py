"""The computed journey map: one column a stage, one lane a question, a mark of evidence in every cell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.formatting import format_count, format_number, format_percent, format_value
from journey_mining.report.funnel import mask_funnel
from journey_mining.report.query import Row
from journey_mining.report.suppression import find_masked_parts, is_small, mask_count

TOP_TOUCHPOINTS = 4
TOP_PAINS = 3
SCORE_NAMES = {"csat": "CSAT", "nps": "NPS", "ces": "CES"}
MAP_QUERIES = ("funnel", "stage_touchpoints", "stage_channels", "stage_effort", "feedback", "pain_points")

COLUMNS = [
    Column("stage", "stage"),
    Column("entered", "customers in", "count"),
    Column("converted", "went on", "count"),
    Column("dropped_off", "left", "count"),
    Column("open", "still open", "count"),
    Column("conversion_rate", "conversion to next", "percent"),
    Column("conversion_rate_low", "95 % low", "percent"),
    Column("conversion_rate_high", "95 % high", "percent"),
    Column("median_seconds", "median time", "duration"),
    Column("steps_per_journey", "steps a journey", "number"),
    Column("contacts_per_step", "contacts a step", "number"),
]


@dataclass(frozen=True)
class StageColumn:
    """All that the map says about one stage."""

    stage: str
    funnel: Row
    effort: Row
    touchpoints: list[Row] = field(default_factory=list)
    mix: list[Row] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    pains: list[Row] = field(default_factory=list)


def build_journey_map(context: Context) -> dict[str, Any]:
    """The map's columns, its emotion line, and the chart frame with the table behind it."""
    columns = _read_stage_columns(context)
    rows = [{**column.funnel, **column.effort, "stage": column.stage} for column in columns]
    figures = context.figures
    chart = Chart(
        id="chart-journey-map",
        title="The journey, stage by stage",
        unit="customers, unless a lane says otherwise",
        n=f"{format_value(mask_count(figures['customers'], context.min_cell), 'count')} customers",
        sql=";\n\n".join(context.answer(name).sql for name in MAP_QUERIES) + ";",
        columns=COLUMNS,
        rows=rows,
        query_note="One query for each group of lanes; the table shows unit customers.",
    )
    return {"columns": columns, "emotion": draw_emotion(columns), "chart": chart}


def _read_stage_columns(context: Context) -> list[StageColumn]:
    """One column for each configured stage, empty lanes where nothing is known."""
    funnel = {
        row["stage"]: row for row in mask_funnel(context.answer("funnel").rows, context.min_cell)["customers"]
    }
    effort = {
        row["stage"]: _readable_effort(row, context.min_cell) for row in context.answer("stage_effort").rows
    }
    touchpoints, scores = (
        _group(context.answer("stage_touchpoints").rows),
        _group(context.answer("feedback").rows),
    )
    channels, pains = _group(context.answer("stage_channels").rows), _group(read_pains(context))
    mixes = {stage: _readable_mix(rows, context.min_cell) for stage, rows in channels.items()}
    return [
        StageColumn(
            stage=stage,
            funnel=funnel.get(stage, {}),
            effort=effort.get(stage, {}),
            touchpoints=touchpoints[stage][:TOP_TOUCHPOINTS],
            mix=mixes.get(stage, []),
            scores=[
                describe_score(row) for row in scores[stage] if row["response_count"] >= context.min_cell
            ],
            pains=pains[stage][:TOP_PAINS],
        )
        for stage in context.stages
    ]


def _readable_effort(row: Row, min_cell: int) -> Row:
    """Effort without the count behind it; nothing when too few journeys were there."""
    if is_small(row["journey_count"], min_cell):
        return {}
    return {key: row[key] for key in ("steps_per_journey", "contacts_per_step")}


def _readable_mix(rows: list[Row], min_cell: int) -> list[Row]:
    """A stage's channels without those of few customers, nor others whose shares would give these away."""
    hidden = find_masked_parts({row["channel"]: row["customer_count"] for row in rows}, min_cell)
    return [row for row in rows if row["channel"] not in hidden]


def _group(rows: list[Row]) -> defaultdict[str, list[Row]]:
    """Rows by stage, in their order."""
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["stage"]].append(row)
    return groups


def describe_score(row: Row) -> dict[str, Any]:
    """A score as text on its own scale, and its place between the worst (0) and the best (1) of that scale."""
    kind, score, low, high = row["score_kind"], row["score"], row["score_low"], row["score_high"]
    if kind == "csat":
        text, place, spec, factor = format_percent(score), score, ".0f", 100
    else:
        floor, ceiling = (-100.0, 100.0) if kind == "nps" else (row["score_min"], row["score_max"])
        place = (score - floor) / (ceiling - floor) if ceiling > floor else 0.5
        text = f"{score:+.0f}" if kind == "nps" else f"{score:.1f} of {format_number(ceiling)}"
        spec, factor = "+.0f" if kind == "nps" else ".1f", 1
    known = low is not None and high is not None
    interval = f"{low * factor:{spec}} to {high * factor:{spec}}" if known else "no interval"
    return {
        "kind": kind,
        "name": SCORE_NAMES.get(kind, kind),
        "text": text,
        "interval": interval,
        "n": row["response_count"],
        "place": min(1.0, max(0.0, place)),
    }


def read_pains(context: Context) -> list[Row]:
    """Pain points that are surely worse, the most at stake first."""
    rows = [row for row in context.answer("pain_points").rows if row["finding"] == "pain point"]
    sure = [row for row in rows if (row["at_stake_low"] or 0) > 0]
    return [{**row, "text": f"{format_count(row['at_stake'])} conversions at stake"} for row in sure]


def draw_emotion(columns: list[StageColumn]) -> dict[str, Any] | None:
    """The emotion line: points (0 to 100 from the left and from the top) and lines between neighbours with evidence.

    Drawn for the one score with evidence in most stages, since different scales are never mixed; None without any.
    """
    kinds = [score["kind"] for column in columns for score in column.scores]
    if not kinds:
        return None
    order = list(SCORE_NAMES)
    kind = min(set(kinds), key=lambda k: (-kinds.count(k), order.index(k) if k in order else len(order), k))
    points: list[dict[str, Any] | None] = []
    for number, column in enumerate(columns):
        score = next((score for score in column.scores if score["kind"] == kind), None)
        left = round((number + 0.5) / len(columns) * 100, 3)
        points.append({**score, "x": left, "y": round(90 - 80 * score["place"], 2)} if score else None)
    lines = [(a, b) for a, b in pairwise(points) if a and b]
    return {"name": SCORE_NAMES.get(kind, kind), "points": [p for p in points if p], "lines": lines}
