"""Where a folded flow's nodes stand, and what they say: everything that the browser needs to draw a Sankey."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from journey_mining.report.flow_fold import OTHER, Flow, Move, Node, measure_nodes
from journey_mining.report.formatting import escape_plotly, format_count, format_percent, shorten
from journey_mining.report.query import Row

HEIGHT = 620
MARGIN = {"l": 6, "r": 6, "t": 34, "b": 10}
PAD = 15
ORDER = {"converted": 0, "touchpoint": 1, "other": 2, "beyond": 3, "start": 4, "open": 5, "left": 6}
LABELS = {
    "__converted__": "Converted",
    "__dropped_off__": "Left",
    "__open__": "Still open",
    "__beyond__": "Beyond",
    "__start__": "Journey begins",
    OTHER: "Other",
}
Key = tuple[int, str]


def label_node(name: str) -> str:
    """A node's name as a reader sees it."""
    return LABELS.get(name, name)


def draw_flow(flow: Flow, rows: list[Row], hues: dict[str, str], goal: str) -> dict[str, Any]:
    """The arrays of a Sankey: nodes with fixed places, links with their hovers, headings of the columns.

    `rows` are the table rows of the shown links, in the order of `flow.moves`.
    """
    linked = measure_nodes(flow.moves)
    nodes = [node for node in flow.nodes if (node.column, node.name) in linked]
    places = place_nodes(nodes, flow.moves)
    index = {(node.column, node.name): number for number, node in enumerate(nodes)}
    links = [row for row in rows if row.get("target")]
    return {
        "height": HEIGHT,
        "margin": MARGIN,
        "pad": PAD,
        "align": "left" if nodes[0].column > 0 else "right",
        "node": {
            "label": [_write_label(node) for node in nodes],
            "hover": [_write_node_hover(node) for node in nodes],
            "x": [places[node.column, node.name][0] for node in nodes],
            "y": [places[node.column, node.name][1] for node in nodes],
            "role": [node.role for node in nodes],
            "hue": [hues.get(node.name, "x") for node in nodes],
        },
        "link": {
            "source": [index[move.column, move.source] for move in flow.moves],
            "target": [index[move.column + 1, move.target] for move in flow.moves],
            "value": [move.journey_count for move in flow.moves],
            "hover": [_write_link_hover(row) for row in links],
        },
        "headings": _write_headings(nodes, goal),
    }


def place_nodes(nodes: list[Node], moves: list[Move]) -> dict[Key, tuple[float, float]]:
    """The centre of each node, 0 to 1 from the left and from the top.

    One scale for all columns (as d3-sankey does), so that heights are comparable. Within a column outcomes keep their
    place (converted on top, left at the bottom) and touchpoints follow the height of where they come from, which
    avoids crossings.
    """
    sizes = measure_nodes(moves)
    columns: defaultdict[int, list[Node]] = defaultdict(list)
    for node in nodes:
        columns[node.column].append(node)
    inner = HEIGHT - MARGIN["t"] - MARGIN["b"]
    scale = min(
        (inner - (len(group) - 1) * PAD) / sum(sizes[node.column, node.name] for node in group)
        for group in columns.values()
    )
    first, last = min(columns), max(columns)
    centres: dict[Key, float] = {}
    for column in sorted(columns):
        top = 0.0
        for node in sorted(columns[column], key=lambda node: _rank(node, moves, centres)):
            height = sizes[node.column, node.name] * scale
            centres[node.column, node.name] = top + height / 2
            top += height + PAD
    width = max(1, last - first)
    return {
        (column, name): (_inside((column - first) / width), _inside(centre / inner))
        for (column, name), centre in centres.items()
    }


def _rank(node: Node, moves: list[Move], centres: dict[Key, float]) -> tuple[int, float, int, str]:
    """The order of a node in its column: role, mean height of its sources, size."""
    feeding = [move for move in moves if move.column + 1 == node.column and move.target == node.name]
    weight = sum(move.journey_count for move in feeding)
    mean = (
        sum(centres.get((m.column, m.source), 0.0) * m.journey_count for m in feeding) / weight
        if weight
        else 0.0
    )
    return ORDER[node.role], mean, -node.journey_count, node.name


def _inside(share: float) -> float:
    """A place that Plotly accepts: it takes 0 for "not given"."""
    return round(min(0.999, max(0.001, share)), 4)


def _write_label(node: Node) -> str:
    """The short label beside a node."""
    name = f"Other ({node.folded_count} touchpoints)" if node.role == "other" else label_node(node.name)
    return escape_plotly(shorten(name, 24))


def _write_node_hover(node: Node) -> str:
    """A node's hover text."""
    return f"<b>{escape_plotly(shorten(label_node(node.name), 60))}</b><br>{format_count(node.journey_count)} journeys"


def _write_link_hover(row: Row) -> str:
    """A link's hover text: journeys and three percentages."""
    source, target = (escape_plotly(shorten(row[end], 40)) for end in ("source", "target"))
    node, anchor = (source, "the start") if row["column"] > 0 else (target, "the conversions")
    return (
        f"<b>{source} → {target}</b><br>{format_count(row['journey_count'])} journeys"
        f"<br>{format_percent(row['node_share'])} of {node} here"
        f"<br>{format_percent(row['anchor_share'])} of {anchor}"
        f"<br>{format_percent(row['all_share'])} of all journeys"
    )


def _write_headings(nodes: list[Node], goal: str) -> list[dict[str, Any]]:
    """What stands above each column."""
    columns = sorted({node.column for node in nodes})
    first, width = columns[0], max(1, columns[-1] - columns[0])
    headings = []
    for column in columns:
        text = f"Step {column}" if column > 0 else ("Goal" if column == 0 else f"{-column} before")
        if (
            column == columns[-1]
            and column > 0
            and all(n.role != "touchpoint" for n in nodes if n.column == column)
        ):
            text = "Then"
        headings.append({"text": text, "x": (column - first) / width})
    return headings
