"""The flow section: Sankey forward from the start and backward from conversion, variants, loops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.flow_fold import Flow, Move, cut_backward, cut_forward, fold_flow, measure_nodes
from journey_mining.report.flow_layout import draw_flow, label_node
from journey_mining.report.formatting import format_count, format_percent
from journey_mining.report.query import Row
from journey_mining.report.suppression import find_masked_links, is_small, mask_count, mask_rates

COLUMN_COUNT = 6
TOP = 8
FEWEST = 2
HIDDEN_AT_MOST = 0.3

COLUMNS = [
    Column("step", "step"),
    Column("source", "from"),
    Column("target", "to"),
    Column("journey_count", "journeys", "count"),
    Column("node_share", "of the node", "percent"),
    Column("anchor_share", "of the start or goal", "percent"),
    Column("all_share", "of all journeys", "percent"),
]
VARIANT_COLUMNS = [
    Column("variant_rank", "rank", "count"),
    Column("variant", "variant"),
    Column("step_count", "steps", "count"),
    Column("journey_count", "journeys", "count"),
    Column("customer_count", "customers", "count"),
    Column("share", "share", "percent"),
    Column("cumulative_share", "covered so far", "percent"),
    Column("conversion_rate", "conversion", "percent"),
    Column("median_throughput_seconds", "median time", "duration"),
]
LOOP_COLUMNS = [
    Column("touchpoint", "touchpoint"),
    Column("other_touchpoint", "and back from"),
    Column("forward_journeys", "journeys there", "count"),
    Column("backward_journeys", "journeys back", "count"),
    Column("forward_count", "moves there", "count"),
    Column("backward_count", "moves back", "count"),
    Column("median_gap_back_seconds", "median time back", "duration"),
    Column("conversion_rate", "conversion", "percent"),
]


def build_flow(context: Context) -> dict[str, Any]:
    """The section: two tabs of flow, top variants and loops."""
    channels = {row["touchpoint"]: row["channel"] for row in context.answer("touchpoint_channels").rows}
    tabs = [_build_tab(context, anchor, channels) for anchor in ("start", "conversion")]
    return {
        "sentence": _write_sentence(context, tabs),
        "tabs": tabs,
        "islands": {tab["island_id"]: tab["drawing"] for tab in tabs if tab["drawing"]},
        "variants": build_variants(context),
        "loops": _build_loops(context),
    }


def read_moves(rows: Iterable[Row], anchor: str) -> list[Move]:
    """Rows of step_flow as moves: columns 1, 2, … from the start, or …, -1, 0 up to the conversion."""
    sign = 1 if anchor == "start" else -1
    return [
        Move(sign * row["step_number"], row["from_touchpoint"], row["to_touchpoint"], row["journey_count"])
        for row in rows
    ]


def fold_anchor(rows: Iterable[Row], anchor: str, min_cell: int) -> tuple[Flow, set[Move]]:
    """The folded flow of an anchor in COLUMN_COUNT columns, and its moves that are too small to show.

    A column keeps up to TOP touchpoints, fewer (down to FEWEST) when otherwise more than HIDDEN_AT_MOST of the
    moves could not be shown; if nothing helps, the number that hides least.
    """
    moves = read_moves(rows, anchor)
    cut = cut_forward(moves, COLUMN_COUNT) if anchor == "start" else cut_backward(moves, 1 - COLUMN_COUNT)
    everything = sum(move.journey_count for move in cut)
    found: list[tuple[int, int, Flow, set[Move]]] = []
    for top in range(TOP, FEWEST - 1, -1):
        flow = fold_flow(cut, top, min_cell)
        hidden = find_hidden(flow, min_cell)
        size = sum(move.journey_count for move in hidden)
        if size <= HIDDEN_AT_MOST * everything:
            return flow, hidden
        found.append((size, -top, flow, hidden))
    return min(found, key=lambda item: item[:2])[2:]


def find_hidden(flow: Flow, min_cell: int) -> set[Move]:
    """The moves that are suppressed, small ones and those that would give them away."""
    columns: defaultdict[int, list[Move]] = defaultdict(list)
    for move in flow.moves:
        columns[move.column].append(move)
    return {
        moves[position]
        for moves in columns.values()
        for position in find_masked_links([(m.source, m.target, m.journey_count) for m in moves], min_cell)
    }


def _build_tab(context: Context, anchor: str, channels: dict[str, str]) -> dict[str, Any]:
    """One Sankey: what is drawn, and its frame."""
    answer = context.answer(f"flow_{anchor}")
    flow, hidden = fold_anchor(answer.rows, anchor, context.min_cell)
    border = 1 if anchor == "start" else 0
    base = sum(size for (column, _), size in measure_nodes(flow.moves).items() if column == border)
    shown = replace(flow, moves=[move for move in flow.moves if move not in hidden])
    rows = tabulate_flow(flow, hidden, base, context.figures["journeys"], context.min_cell)
    hues = {name: context.hue(channel) for name, channel in channels.items()}
    chart = Chart(
        id=f"chart-flow-{anchor}",
        title="Forward from the start" if anchor == "start" else "Backward from the conversion",
        unit="journeys",
        n=f"{format_count(base) if base >= context.min_cell else f'fewer than {context.min_cell}'} journeys",
        sql=answer.sql,
        columns=COLUMNS,
        rows=rows,
        note=_write_note(flow, hidden, context.min_cell),
        query_note=f"The chart keeps the largest touchpoints of each step ({TOP} at most) and adds the others up.",
    )
    return {
        "anchor": anchor,
        "chart": chart,
        "drawing": draw_flow(shown, rows, hues, context.goal) if shown.moves else None,
        "island_id": f"data-flow-{anchor}",
        "flow": shown,
        "base": base,
    }


def tabulate_flow(flow: Flow, hidden: set[Move], base: int, all_journeys: int, min_cell: int) -> list[Row]:
    """The table behind a Sankey: each shown link with its three shares, and a row a step for what is not shown."""
    sizes = measure_nodes(flow.moves)
    rows: list[Row] = []
    unseen: defaultdict[int, int] = defaultdict(int)
    for move in flow.moves:
        if move in hidden:
            unseen[move.column] += move.journey_count
            continue
        near = (move.column, move.source) if move.column > 0 else (move.column + 1, move.target)
        rows.append({
            "column": move.column,
            "step": name_step(move.column),
            "source": label_node(move.source),
            "target": label_node(move.target),
            "journey_count": move.journey_count,
            "node_share": move.journey_count / sizes[near],
            "anchor_share": move.journey_count / base if base else None,
            "all_share": move.journey_count / all_journeys if all_journeys else None,
        })  # fmt: skip
    pooled = f"(links of fewer than {min_cell}, with what protects them)"
    for column, count in unseen.items():
        row = {
            "column": column,
            "step": name_step(column),
            "source": pooled,
            "journey_count": mask_count(count, min_cell),
        }
        rows.append(row)
    return sorted(rows, key=lambda row: row["column"])


def name_step(column: int) -> str:
    """A step as a reader counts it.

    >>> name_step(1), name_step(-1)
    ('step 1 to 2', '1 before the goal')
    """
    return f"step {column} to {column + 1}" if column > 0 else f"{-column} before the goal"


def _write_note(flow: Flow, hidden: set[Move], min_cell: int) -> str:
    """What the picture leaves out."""
    everything = sum(move.journey_count for move in flow.moves)
    gone = sum(move.journey_count for move in hidden)
    if gone < min_cell or not everything:
        return ""
    return f"Links of fewer than {min_cell} journeys are not drawn: {format_percent(gone / everything)} of all moves shown here."


def _write_sentence(context: Context, tabs: list[dict[str, Any]]) -> str:
    """The section's title: the most frequent first touchpoint, and the last one before the goal."""
    forward, backward = tabs
    parts = []
    firsts = [node for node in forward["flow"].nodes if node.column == 1 and node.role == "touchpoint"]
    if firsts and forward["base"]:
        share = format_percent(firsts[0].journey_count / forward["base"])
        parts.append(f"{share} of journeys begin with {firsts[0].name}")
    lasts = [node for node in backward["flow"].nodes if node.column == -1 and node.role == "touchpoint"]
    if lasts and backward["base"]:
        share = format_percent(lasts[0].journey_count / backward["base"])
        parts.append(f"{share} of conversions come straight from {lasts[0].name}")
    return "; ".join(parts) or f"0 paths with {context.min_cell} journeys or more"


def build_variants(context: Context) -> dict[str, Any]:
    """The most frequent whole journeys, step by step with channel hues."""
    answer = context.answer("variants")
    hues = {
        row["touchpoint"]: context.hue(row["channel"]) for row in context.answer("touchpoint_channels").rows
    }
    rows = [mask_rates(row, context.min_cell) for row in drop_telling_variant(answer.rows, context.min_cell)]
    covered = sum(row["share"] or 0 for row in rows)
    chart = Chart(
        id="chart-variants",
        title="Most frequent variants",
        unit="journeys",
        n=f"{len(rows)} variants, {format_percent(covered)} of all journeys",
        sql=answer.sql,
        columns=VARIANT_COLUMNS,
        rows=rows,
        note=f"Variants of fewer than {context.min_cell} customers are not listed.",
    )
    top = max((row["share"] or 0 for row in rows), default=0) or 1
    items = [
        {
            **row,
            "width": round(100 * (row["share"] or 0) / top, 2),
            "steps": split_variant(row["variant"], hues),
        }
        for row in rows
    ]
    return {"chart": chart, "variants": items}


def drop_telling_variant(rows: list[Row], min_cell: int) -> list[Row]:
    """The rows, without the last one when so few journeys remain beside them that these could be counted."""
    if not rows or not rows[-1]["share"]:
        return rows
    total = round(rows[-1]["journey_count"] / rows[-1]["share"])
    return rows[:-1] if is_small(total - sum(row["journey_count"] for row in rows), min_cell) else rows


def split_variant(variant: str, hues: dict[str, str], limit: int = 12) -> list[dict[str, Any]]:
    """The steps of a variant, each with its hue; a variant of more than `limit` steps ends with a rest."""
    names = str(variant or "").split(" > ")
    steps = [{"name": name, "hue": hues.get(name, "x")} for name in names[:limit]]
    return steps if len(names) <= limit else [*steps, {"name": f"{len(names) - limit} more", "hue": "x"}]


def _build_loops(context: Context) -> Chart:
    """Pairs of touchpoints that journeys go between to and fro."""
    answer = context.answer("loops")
    rows = [
        mask_rates({**row, "journey_count": row["forward_journeys"]}, context.min_cell)
        for row in answer.rows
        if not {
            (row["touchpoint"], row["other_touchpoint"]),
            (row["other_touchpoint"], row["touchpoint"]),
        }
        & context.hidden_transitions
    ]
    return Chart(
        id="chart-loops",
        title="Loops",
        unit="transitions",
        n=f"{len(rows)} pairs",
        sql=answer.sql,
        columns=LOOP_COLUMNS,
        rows=rows,
    )
