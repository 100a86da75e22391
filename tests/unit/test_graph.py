"""The transition graph: its attributes, and that every export can be read back."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest

from journey_mining.mining.graph import build_graph, render_dot, render_mermaid, write_graph
from unit.published import transition_rows
from unit.random_logs import CATALOG, Log, hostile_log, random_log

COLUMNS = [
    "from_touchpoint", "to_touchpoint", "transition_count", "journey_count", "customer_count", "probability",
    "probability_into", "median_gap_seconds", "p90_gap_seconds", "p95_gap_seconds", "conversion_rate",
    "conversion_rate_low", "conversion_rate_high", "lift",
]  # fmt: skip


def frames(log: Log) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The transitions and touchpoints tables of a log."""
    described = [(name, channel, stage) for name, (stage, channel) in log.catalog.items()]
    return (
        pd.DataFrame(transition_rows(log), columns=COLUMNS),
        pd.DataFrame(described, columns=["touchpoint", "channel", "stage"]),
    )


def small_graph(*transitions: tuple[str, str, int, float | None]) -> nx.DiGraph:
    """A graph of (from, to, count, median gap) rows whose probabilities follow from the counts."""
    out: dict[str, int] = {}
    for source, _, count, _ in transitions:
        out[source] = out.get(source, 0) + count
    rows = [(s, t, n, n, n, n / out[s], g) for s, t, n, g in transitions]
    frame = pd.DataFrame(rows, columns=[*COLUMNS[:6], "median_gap_seconds"])
    return build_graph(frame, pd.DataFrame(columns=["touchpoint", "channel", "stage"]))


def test_exit_rate_is_exits_over_all_that_left_the_touchpoint() -> None:
    """Three of four visits to a end there, so its exit rate is 0.75; it was entered four times."""
    node = small_graph(
        ("__start__", "a", 4, None), ("a", "__end__", 3, None), ("a", "b", 1, 5.0), ("b", "__end__", 1, None)
    ).nodes["a"]
    assert (node["entries"], node["exits"], node["exit_rate"]) == (4, 3, 0.75)


def test_dwell_is_the_count_weighted_median_of_the_gaps() -> None:
    """One slow transition of three visits outweighs two fast ones of one visit each; the end has no gap."""
    graph = small_graph(
        ("a", "b", 1, 1.0), ("a", "c", 1, 2.0), ("a", "d", 3, 60.0), ("a", "__end__", 50, None)
    )
    assert graph.nodes["a"]["dwell"] == 60.0
    assert graph.nodes["d"]["dwell"] is None


def test_loop_share_counts_the_answered_direction_only() -> None:
    """Of five moves out of a, two can be answered by b returning to a; one is a move onto itself."""
    graph = small_graph(("a", "b", 3, 1.0), ("b", "a", 2, 1.0), ("a", "a", 1, 1.0), ("a", "__end__", 1, None))
    assert graph.nodes["a"]["loop_share"] == pytest.approx(3 / 5)
    assert graph.nodes["__end__"]["loop_share"] == 0.0


def test_betweenness_follows_the_likely_paths() -> None:
    """Everything goes through the hub, nothing through a leaf."""
    graph = small_graph(
        ("__start__", "hub", 9, None),
        ("hub", "x", 5, 1.0),
        ("hub", "y", 4, 1.0),
        ("x", "__end__", 5, None),
        ("y", "__end__", 4, None),
    )
    assert graph.nodes["hub"]["betweenness"] > graph.nodes["x"]["betweenness"] > 0
    assert sum(nx.get_node_attributes(graph, "pagerank").values()) == pytest.approx(1)


def test_inflow_equals_outflow_at_every_inner_node() -> None:
    """What enters a touchpoint leaves it, boundary nodes included."""
    graph = build_graph(*frames(random_log(300)))
    for name in set(graph) - {"__start__", "__end__"}:
        assert graph.in_degree(name, weight="transition_count") == graph.out_degree(
            name, weight="transition_count"
        )


def test_edges_carry_every_transition_column() -> None:
    """All columns of the table stand on the edge, missing values as None."""
    graph = build_graph(*frames(random_log(300)))
    edge = graph.edges["__start__", "ad click"]
    assert set(edge) == set(COLUMNS)
    assert edge["median_gap_seconds"] is None
    assert graph.nodes["/beta/:id"]["stage"] is None
    assert graph.nodes["cart"]["stage"] == CATALOG["cart"][0]


@pytest.mark.parametrize("log", [random_log(200), hostile_log(), Log()], ids=["random", "hostile", "empty"])
def test_graphml_reads_back_equal(log: Log, tmp_path: Path) -> None:
    """NetworkX reads the GraphML to the same nodes, transitions and values, nulls left out."""
    graph = build_graph(*frames(log))
    write_graph(graph, tmp_path)
    again = nx.read_graphml(tmp_path / "graph.graphml")
    assert isinstance(again, nx.DiGraph)
    assert dict(again.nodes(data=True)) == {n: _known(a) for n, a in graph.nodes(data=True)}
    assert {(s, t): a for s, t, a in again.edges(data=True)} == {
        (s, t): _known(a) for s, t, a in graph.edges(data=True)
    }


def _known(attributes: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in attributes.items() if value is not None}


def test_characters_that_xml_forbids_do_not_break_graphml(tmp_path: Path) -> None:
    """A control character in a name is replaced, and the file stays readable."""
    write_graph(
        small_graph(("__start__", "a\x00b\x1b", 2, None), ("a\x00b\x1b", "__end__", 2, None)), tmp_path
    )
    assert "a\ufffdb\ufffd" in nx.read_graphml(tmp_path / "graph.graphml")


def test_node_link_json_reads_back(tmp_path: Path) -> None:
    """The JSON export is NetworkX's node-link form, and all four files are announced."""
    graph = build_graph(*frames(random_log(200)))
    paths = write_graph(graph, tmp_path / "new folder")
    assert [path.name for path in paths] == ["graph.graphml", "graph.json", "graph.mmd", "graph.dot"]
    again = nx.node_link_graph(json.loads(paths[1].read_text(encoding="utf-8")), edges="edges")
    assert nx.utils.graphs_equal(graph, again)


def test_hostile_names_cannot_leave_their_quotes() -> None:
    """No quote or bracket of a name survives in Mermaid; in DOT each quote is escaped."""
    graph = small_graph(
        ("__start__", 'a"]; click b "javascript:x', 2, None), ('a"]; click b "javascript:x', "end\\", 2, None)
    )
    label = next(line for line in render_mermaid(graph).splitlines() if "click" in line)
    assert label.count('"') == 2
    assert r'"a\"]; click b \"javascript:x"' in render_dot(graph)
    assert r'"end\\"' in render_dot(graph)


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    """The order of the rows does not show in any file."""
    transitions, touchpoints = frames(random_log(200))
    first = write_graph(build_graph(transitions, touchpoints), tmp_path / "a")
    second = write_graph(
        build_graph(transitions.sample(frac=1, random_state=3), touchpoints[::-1]), tmp_path / "b"
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
