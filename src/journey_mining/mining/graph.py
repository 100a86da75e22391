"""The transition graph: which touchpoint directly follows which, with what each node and transition is worth."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import pandas as pd

if TYPE_CHECKING:
    TransitionGraph = nx.DiGraph[str]
else:
    TransitionGraph = nx.DiGraph

START, END = "__start__", "__end__"
BOUNDARY_LABELS = {START: "Start", END: "End"}
PAGERANK_DAMPING = 0.85

# XML 1.0 cannot carry these, so GraphML written with them could not be read back.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def build_graph(transitions: pd.DataFrame, touchpoints: pd.DataFrame) -> TransitionGraph:
    """The directed graph of a `transitions` table, nodes described by a `touchpoints` table.

    Node attributes: touchpoint, channel, stage (None where unmapped), entries, exits, exit_rate (exits / steps),
    dwell (seconds to the next touchpoint: `dwell_seconds`), betweenness (shortest paths over 1 / probability,
    normalised), pagerank (transition counts, damping 0.85) and loop_share (`loop_share`). Edge attributes: every
    column of `transitions`; a missing value is None. Nodes and edges are in sorted order, so equal tables give
    equal graphs.
    """
    graph: TransitionGraph = nx.DiGraph()
    described = {row["touchpoint"]: row for row in _read_records(touchpoints)}
    rows = sorted(_read_records(transitions), key=lambda row: (row["from_touchpoint"], row["to_touchpoint"]))
    names = {row[end] for row in rows for end in ("from_touchpoint", "to_touchpoint")}
    for name in sorted(names):
        about = described.get(name, {})
        graph.add_node(name, touchpoint=name, channel=about.get("channel"), stage=about.get("stage"))
    for row in rows:
        graph.add_edge(row["from_touchpoint"], row["to_touchpoint"], **row)
    _add_flow_attributes(graph)
    _add_centralities(graph)
    return graph


def _add_flow_attributes(graph: TransitionGraph) -> None:
    """Sets what follows from a node's own transitions."""
    for name, node in graph.nodes(data=True):
        outflow = sum(_count(edge) for _, _, edge in graph.out_edges(name, data=True))
        exits = _count(graph.get_edge_data(name, END))
        node["entries"] = _count(graph.get_edge_data(START, name))
        node["exits"] = exits
        node["exit_rate"] = exits / outflow if outflow else None
        node["dwell"] = dwell_seconds(graph, name)
        node["loop_share"] = loop_share(graph, name)


def _add_centralities(graph: TransitionGraph) -> None:
    """Sets betweenness and PageRank on every node."""
    for _, _, edge in graph.edges(data=True):
        edge["distance"] = 1 / edge["probability"] if edge.get("probability") else math.inf
    between = nx.betweenness_centrality(graph, weight="distance")
    rank = nx.pagerank(graph, alpha=PAGERANK_DAMPING, weight="transition_count") if len(graph) else {}
    for _, _, edge in graph.edges(data=True):
        del edge["distance"]
    nx.set_node_attributes(graph, between, "betweenness")
    nx.set_node_attributes(graph, rank, "pagerank")


def dwell_seconds(graph: TransitionGraph, name: str) -> float | None:
    """Seconds from a touchpoint to the next one: the median of its transitions' median gaps, each weighted by its count.

    None where the touchpoint has no successor with a known gap.
    """
    gaps = [
        (edge["median_gap_seconds"], _count(edge))
        for _, target, edge in graph.out_edges(name, data=True)
        if target != END and edge.get("median_gap_seconds") is not None
    ]
    half, seen = sum(weight for _, weight in gaps) / 2, 0
    for gap, weight in sorted(gaps):
        seen += weight
        if seen >= half:
            return float(gap)
    return None


def loop_share(graph: TransitionGraph, name: str) -> float:
    """The share of a touchpoint's outgoing transitions that a transition back to it answers, 0 to 1.

    For each neighbour the smaller of the two directions counts: an upper bound of A > B > A loops.
    """
    outgoing = [(target, _count(edge)) for _, target, edge in graph.out_edges(name, data=True)]
    total = sum(count for _, count in outgoing)
    answered = sum(min(count, _count(graph.get_edge_data(target, name))) for target, count in outgoing)
    return answered / total if total else 0.0


def write_graph(graph: TransitionGraph, out_dir: Path) -> list[Path]:
    """The files written: graph.graphml, graph.json (node-link), graph.mmd (Mermaid) and graph.dot.

    GraphML has no null, so missing values are left out there; `networkx.read_graphml` reads the rest back equal.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    texts = {
        "graph.graphml": "\n".join(nx.generate_graphml(_without_nulls(graph), named_key_ids=True)) + "\n",
        "graph.json": json.dumps(
            nx.node_link_data(graph, edges="edges"), indent=1, ensure_ascii=False, default=str
        )
        + "\n",
        "graph.mmd": render_mermaid(graph),
        "graph.dot": render_dot(graph),
    }
    for name, text in texts.items():
        (out_dir / name).write_text(text, encoding="utf-8", errors="replace", newline="\n")
    return [out_dir / name for name in texts]


def render_mermaid(graph: TransitionGraph) -> str:
    """The graph as a Mermaid flowchart, one subgraph a stage, journeys on the arrows."""
    ids = {name: f"n{number}" for number, name in enumerate(graph)}
    lines = ["flowchart LR"]
    for number, (stage, names) in enumerate(_group_by_stage(graph)):
        if stage is not None:
            lines.append(f'  subgraph s{number}["{_escape_mermaid(stage)}"]')
        lines += [f'    {ids[name]}["{_escape_mermaid(BOUNDARY_LABELS.get(name, name))}"]' for name in names]
        if stage is not None:
            lines.append("  end")
    for source, target, edge in graph.edges(data=True):
        lines.append(f"  {ids[source]} -->|{_count(edge, 'journey_count')}| {ids[target]}")
    return "\n".join(lines) + "\n"


def render_dot(graph: TransitionGraph) -> str:
    """The graph in Graphviz DOT, one cluster a stage, journeys on the arrows."""
    lines = ["digraph journeys {", "  rankdir=LR;", "  node [shape=box];"]
    for number, (stage, names) in enumerate(_group_by_stage(graph)):
        if stage is not None:
            lines.append(f"  subgraph cluster_{number} {{ label={_quote_dot(stage)};")
        lines += [
            f"    {_quote_dot(name)} [label={_quote_dot(BOUNDARY_LABELS.get(name, name))}];" for name in names
        ]
        if stage is not None:
            lines.append("  }")
    for source, target, edge in graph.edges(data=True):
        lines.append(
            f'  {_quote_dot(source)} -> {_quote_dot(target)} [label="{_count(edge, "journey_count")}"];'
        )
    return "\n".join([*lines, "}"]) + "\n"


def _group_by_stage(graph: TransitionGraph) -> list[tuple[str | None, list[str]]]:
    """Stages in order of first appearance, None (unmapped and boundary nodes) first, each with its nodes."""
    groups: dict[str | None, list[str]] = {None: []}
    for name, node in graph.nodes(data=True):
        groups.setdefault(node["stage"], []).append(name)
    return list(groups.items())


def _without_nulls(graph: TransitionGraph) -> TransitionGraph:
    """A copy that GraphML can carry: no None, no characters that XML forbids."""
    clean: TransitionGraph = nx.DiGraph()
    for name, node in graph.nodes(data=True):
        clean.add_node(xml_text(name), **_present(node))
    for source, target, edge in graph.edges(data=True):
        clean.add_edge(xml_text(source), xml_text(target), **_present(edge))
    return clean


def _present(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that have a value, as types that GraphML knows."""
    kept = {key: value for key, value in attributes.items() if value is not None}
    return {
        key: value if isinstance(value, bool | int | float) else xml_text(str(value))
        for key, value in kept.items()
    }


def xml_text(text: str) -> str:
    """The text with each character that XML 1.0 forbids replaced by U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)


def _count(edge: Mapping[str, Any] | None, column: str = "transition_count") -> int:
    """A count of a transition, 0 where there is none."""
    return int(edge.get(column) or 0) if edge else 0


def _read_records(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """The rows as dictionaries of plain Python values, missing values (None, NaN, NaT) as None."""
    columns = [str(column) for column in frame.columns]
    for values in frame.astype(object).itertuples(index=False, name=None):
        yield {column: _plain(value) for column, value in zip(columns, values, strict=True)}


def _plain(value: Any) -> Any:
    """A plain Python value; None for a missing or an infinite one."""
    value = value.item() if hasattr(value, "item") else value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _escape_mermaid(text: str) -> str:
    """Text that is safe between double quotes in Mermaid: anything but letters, digits and blanks as an entity."""
    return "".join(c if c.isalnum() or c in " _-" else f"#{ord(c)};" for c in text)


def _quote_dot(text: str) -> str:
    """A DOT string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else " " for c in escaped) + '"'
