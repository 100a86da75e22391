"""Folding and suppression: pictures with few nodes that lose no journey and give no small group away."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_mining.report.flow import COLUMN_COUNT, TOP, fold_anchor, read_moves, tabulate_flow
from journey_mining.report.flow_fold import (
    OTHER,
    Flow,
    Move,
    cut_backward,
    cut_forward,
    fold_flow,
    is_touchpoint,
)
from journey_mining.report.flow_layout import HEIGHT, MARGIN, place_nodes
from journey_mining.report.funnel import mask_funnel
from journey_mining.report.suppression import find_masked_links, find_masked_parts
from journey_mining.report.transition_map import ROWS, arrange_map
from unit.published import flow_rows
from unit.random_logs import random_log

paths = st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=9), min_size=1, max_size=40)
ends = ("__converted__", "__dropped_off__", "__open__")


def walk(journeys: list[list[str]]) -> list[Move]:
    """The moves of journeys, column 0 leading into the first step, each with one of the three ends."""
    count: Counter[tuple[int, str, str]] = Counter()
    for number, path in enumerate(journeys):
        whole = ["__start__", *path, ends[number % 3]]
        for column, pair in enumerate(pairwise(whole)):
            count[column, pair[0], pair[1]] += 1
    return [Move(*key, number) for key, number in sorted(count.items())]


def flows_through(flow: Flow) -> tuple[Counter[tuple[int, str]], Counter[tuple[int, str]]]:
    """Inflow and outflow of each (column, node)."""
    inflow, outflow = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    for move in flow.moves:
        outflow[move.column, move.source] += move.journey_count
        inflow[move.column + 1, move.target] += move.journey_count
    return inflow, outflow


@given(journeys=paths, top=st.integers(1, 9), columns=st.integers(2, 8), min_cell=st.integers(1, 6))
def test_folding_keeps_every_journey_in_every_column(
    journeys: list[list[str]], top: int, columns: int, min_cell: int
) -> None:
    """In each column the journeys there and those that ended before make all of them; inner nodes balance."""
    flow = fold_flow(cut_forward(walk(journeys), columns), top, min_cell)
    inflow, outflow = flows_through(flow)
    ended = 0
    for column in range(1, columns):
        assert sum(n for (c, _), n in outflow.items() if c == column) + ended == len(journeys)
        ended += sum(
            n
            for (c, name), n in inflow.items()
            if c == column + 1 and not is_touchpoint(name) and name != OTHER
        )
    assert ended == len(journeys)
    assert all(
        inflow[key] == outflow[key]
        for key in inflow
        if key[0] < columns and (is_touchpoint(key[1]) or key[1] == OTHER)
    )


@given(journeys=paths, top=st.integers(1, 9), min_cell=st.integers(1, 6))
def test_folding_keeps_few_nodes_and_all_moves(journeys: list[list[str]], top: int, min_cell: int) -> None:
    """At most `top` touchpoints a column, none smaller than a folded one, and the moves of each column add up."""
    moves = walk(journeys)
    flow = fold_flow(moves, top, min_cell)
    kept = Counter(node.column for node in flow.nodes if node.role == "touchpoint")
    assert all(count <= top for count in kept.values())
    assert all(node.journey_count >= min_cell for node in flow.nodes if node.role == "touchpoint")
    before, after = Counter[int](), Counter[int]()
    for counter, group in ((before, moves), (after, flow.moves)):
        for move in group:
            counter[move.column] += move.journey_count
    assert before == after


def test_fold_example() -> None:
    """With room for one touchpoint a column, b and c become other, and their moves add up."""
    moves = [
        Move(1, "a", "x", 5),
        Move(1, "b", "x", 2),
        Move(1, "c", "__dropped_off__", 1),
        Move(1, "b", "y", 1),
    ]
    flow = fold_flow(moves, top=1)
    assert flow.moves == [
        Move(1, OTHER, "__dropped_off__", 1), Move(1, OTHER, OTHER, 1), Move(1, OTHER, "x", 2), Move(1, "a", "x", 5),
    ]  # fmt: skip
    other = next(node for node in flow.nodes if node.name == OTHER and node.column == 1)
    assert (other.journey_count, other.folded_count, other.role) == (4, 2, "other")


def test_what_goes_on_past_the_last_column_is_beyond() -> None:
    """A journey of three steps shown in two columns continues beyond; one that ends there does not."""
    moves = [
        Move(0, "__start__", "a", 3),
        Move(1, "a", "b", 2),
        Move(1, "a", "__open__", 1),
        Move(2, "b", "__open__", 2),
    ]
    assert cut_forward(moves, 2) == [Move(1, "a", "__beyond__", 2), Move(1, "a", "__open__", 1)]


def test_what_came_before_the_first_column_is_beyond() -> None:
    """Backward, earlier steps are beyond, and a journey that begins there still begins there."""
    rows = [
        {"step_number": 1, "from_touchpoint": "a", "to_touchpoint": "goal", "journey_count": 4},
        {"step_number": 2, "from_touchpoint": "b", "to_touchpoint": "a", "journey_count": 3},
        {"step_number": 2, "from_touchpoint": "__start__", "to_touchpoint": "a", "journey_count": 1},
        {"step_number": 3, "from_touchpoint": "c", "to_touchpoint": "b", "journey_count": 3},
    ]
    assert cut_backward(read_moves(rows, "conversion"), -2) == [
        Move(-1, "a", "goal", 4), Move(-2, "__beyond__", "a", 3), Move(-2, "__start__", "a", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("anchor", ["start", "conversion"])
def test_shown_and_pooled_links_make_all_journeys(anchor: str) -> None:
    """The table behind the Sankey adds up to all journeys at every step, small links pooled."""
    log = random_log(900)
    names = ("anchor", "step_number", "from_touchpoint", "to_touchpoint", "journey_count")
    rows = [dict(zip(names, row, strict=True)) for row in flow_rows(log) if row[0] == anchor]
    flow, hidden = fold_anchor(rows, anchor, 5)
    base = 900 if anchor == "start" else sum(journey.state == "converted" for journey in log.journeys)
    table = tabulate_flow(flow, hidden, base, 900, 5)
    assert hidden
    border = 1 if anchor == "start" else -1
    counts = [row["journey_count"] for row in table if row["column"] == border]
    assert sum(count for count in counts if isinstance(count, int)) == base
    assert len({node.column for node in flow.nodes}) <= COLUMN_COUNT
    assert max(Counter(n.column for n in flow.nodes if n.role == "touchpoint").values()) <= TOP


def test_small_data_is_folded_harder_before_it_is_hidden() -> None:
    """With few journeys a column keeps fewer touchpoints, so that less has to be hidden."""
    log = random_log(150)
    names = ("anchor", "step_number", "from_touchpoint", "to_touchpoint", "journey_count")
    rows = [dict(zip(names, row, strict=True)) for row in flow_rows(log) if row[0] == "start"]
    _, hidden = fold_anchor(rows, "start", 5)
    gone = sum(move.journey_count for move in hidden)
    eight = fold_flow(cut_forward(read_moves(rows, "start"), COLUMN_COUNT), TOP, 5)
    keys = [(f"{m.column}{m.source}", f"{m.column + 1}{m.target}", m.journey_count) for m in eight.moves]
    assert gone < 0.6 * sum(keys[position][2] for position in find_masked_links(keys, 5))


links = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), st.integers(1, 30), min_size=1, max_size=16
)


@given(counts=links, min_cell=st.integers(2, 8))
def test_no_hidden_link_is_found_by_subtraction(counts: dict[tuple[str, str], int], min_cell: int) -> None:
    """No small link shows, and no node's hidden rest is small or a single link, unless nothing of the node shows."""
    table = [(source, target, count) for (source, target), count in counts.items()]
    hidden = find_masked_links(table, min_cell)
    assert all(count >= min_cell for position, (_, _, count) in enumerate(table) if position not in hidden)
    nodes: dict[tuple[int, str], list[int]] = defaultdict(list)
    for position, link in enumerate(table):
        nodes[0, link[0]].append(position)
        nodes[1, link[1]].append(position)
    for members in nodes.values():
        gone = [table[position][2] for position in members if position in hidden]
        if gone and len(gone) < len(members):
            assert len(gone) > 1
            assert sum(gone) >= min_cell


def test_nothing_is_hidden_without_need() -> None:
    """Links that are all large enough stay."""
    assert find_masked_links([("a", "x", 5), ("a", "y", 9), ("b", "x", 0)], 5) == set()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"dropped_off": 20, "open": 0, "converted": 80}, set()),
        ({"dropped_off": 3, "open": 12, "converted": 80}, {"dropped_off", "open"}),
        ({"dropped_off": 3, "open": 0, "converted": 80}, {"dropped_off", "converted"}),
        ({"dropped_off": 2, "open": 2, "converted": 80}, {"dropped_off", "open", "converted"}),
        ({"dropped_off": 3, "open": 4, "converted": 80}, {"dropped_off", "open"}),
    ],
)
def test_parts_of_a_known_total(parts: dict[str, int], expected: set[str]) -> None:
    """A small part takes others with it until their sum is no longer small."""
    assert find_masked_parts(parts, 5) == expected


def test_masked_funnel_shows_no_rate_that_gives_a_count_away() -> None:
    """With three customers who left, neither their number nor the rate that tells it is shown."""
    row = {
        "unit": "customers", "stage": "s", "entered": 100, "converted": 60, "dropped_off": 3, "open": 37, "skipped": 2,
        "conversion_rate": 60 / 63, "conversion_rate_low": 0.87, "conversion_rate_high": 0.98, "median_seconds": 5.0,
    }  # fmt: skip
    masked = mask_funnel([row], 5)["customers"][0]
    assert (masked["dropped_off"], masked["open"], masked["skipped"]) == ("< 5", None, "< 5")
    assert masked["conversion_rate"] is None
    assert masked["widths"] == {"converted": 60, "hidden": 40, "entered": 100}


def test_columns_of_a_sankey_do_not_overlap() -> None:
    """Every node has a place inside the picture, and the nodes of a column stand one below the other."""
    names = ("anchor", "step_number", "from_touchpoint", "to_touchpoint", "journey_count")
    rows = [dict(zip(names, row, strict=True)) for row in flow_rows(random_log(900)) if row[0] == "start"]
    flow, _ = fold_anchor(rows, "start", 1)
    places = place_nodes(flow.nodes, flow.moves)
    assert all(0 < x < 1 and 0 < y < 1 for x, y in places.values())
    inner = HEIGHT - MARGIN["t"] - MARGIN["b"]
    by_column: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for node in flow.nodes:
        by_column[node.column].append((places[node.column, node.name][1] * inner, node.journey_count))
        assert (
            places[node.column, node.name][0] == places[flow.nodes[0].column, flow.nodes[0].name][0]
            or node.column > 1
        )
    for column in by_column.values():
        centres = sorted(centre for centre, _ in column)
        assert all(b - a > 10 for a, b in pairwise(centres))


def test_transition_map_has_a_column_a_stage() -> None:
    """Start, the stages in use in their order, unmapped, End; a long column keeps its largest touchpoints."""
    moves = [("__start__", "a", 9), ("a", "lost", 8), ("lost", "z", 7), ("z", "__end__", 9)]
    moves += [("a", f"b{number:02d}", number) for number in range(1, 20)]
    rows = [{"from_touchpoint": s, "to_touchpoint": t, "transition_count": n} for s, t, n in moves]
    stages = {"a": "first", "z": "last", **{f"b{number:02d}": "first" for number in range(1, 20)}}
    places, headings = arrange_map(rows, ["first", "unused", "last"], stages)
    assert headings == ["", "first", "last", "unmapped", ""]
    first = [place.name for place in places if place.column == 1]
    assert len(first) == ROWS
    assert first[0] == "b19"
    assert {place.name: place.column for place in places}["lost"] == 3
