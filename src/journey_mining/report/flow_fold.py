"""Folding of true step counts into a picture with few nodes; every journey stays counted in every column."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

OTHER = "__other__"
BEYOND = "__beyond__"
OUTCOMES = {
    "__converted__": "converted",
    BEYOND: "beyond",
    "__open__": "open",
    "__dropped_off__": "left",
    "__start__": "start",
}


@dataclass(frozen=True)
class Move:
    """Journeys that go from a node of one column to a node of the next."""

    column: int
    source: str
    target: str
    journey_count: int


@dataclass(frozen=True)
class Node:
    """A node of one column: a touchpoint, "other" (with how many touchpoints it holds) or an outcome."""

    column: int
    name: str
    role: str
    journey_count: int
    folded_count: int = 0


@dataclass(frozen=True)
class Flow:
    """Nodes by column and size, moves between them."""

    nodes: list[Node]
    moves: list[Move]


def is_touchpoint(name: str) -> bool:
    """Whether a name is a touchpoint's, and not that of an outcome or of "other"."""
    return name not in OUTCOMES and name != OTHER


def cut_forward(moves: Iterable[Move], last: int) -> list[Move]:
    """The moves from column 1 to column `last`; whatever continues past it goes to "beyond" in that column."""
    kept = [move for move in moves if 1 <= move.column < last]
    return [
        Move(move.column, move.source, BEYOND, move.journey_count)
        if move.column == last - 1 and is_touchpoint(move.target)
        else move
        for move in kept
    ]


def cut_backward(moves: Iterable[Move], first: int) -> list[Move]:
    """The moves from column `first` (a negative number) to column 0; earlier steps become "beyond" in `first`."""
    kept = [move for move in moves if first <= move.column < 0]
    return [
        Move(move.column, BEYOND, move.target, move.journey_count)
        if move.column == first and is_touchpoint(move.source)
        else move
        for move in kept
    ]


def fold_flow(moves: Iterable[Move], top: int = 8, min_cell: int = 1) -> Flow:
    """The flow with at most `top` touchpoints a column; the rest of a column, and any under `min_cell`, is "other".

    Moves that become alike are added up, so for every column the sum over moves is what it was, and a touchpoint's
    inflow equals its outflow wherever it did before. Nodes are ordered by column, then size, then name.
    """
    moves = list(moves)
    kept = _choose_kept(moves, top, min_cell)
    folded: dict[int, set[str]] = defaultdict(set)
    summed: Counter[tuple[int, str, str]] = Counter()
    for move in moves:
        ends = []
        for column, name in ((move.column, move.source), (move.column + 1, move.target)):
            stays = not is_touchpoint(name) or (column, name) in kept
            ends.append(name if stays else OTHER)
            if not stays:
                folded[column].add(name)
        summed[move.column, ends[0], ends[1]] += move.journey_count
    result = [Move(*key, count) for key, count in sorted(summed.items()) if count]
    return Flow(_collect_nodes(result, folded), result)


def _choose_kept(moves: list[Move], top: int, min_cell: int) -> set[tuple[int, str]]:
    """The (column, touchpoint) pairs that keep their own node."""
    by_column: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for (column, name), size in measure_nodes(moves).items():
        if is_touchpoint(name) and size >= min_cell:
            by_column[column].append((-size, name))
    return {(column, name) for column, sizes in by_column.items() for _, name in sorted(sizes)[:top]}


def measure_nodes(moves: Iterable[Move]) -> dict[tuple[int, str], int]:
    """The journeys at each (column, name): the larger of inflow and outflow, which differ only at the borders."""
    inflow: Counter[tuple[int, str]] = Counter()
    outflow: Counter[tuple[int, str]] = Counter()
    for move in moves:
        outflow[move.column, move.source] += move.journey_count
        inflow[move.column + 1, move.target] += move.journey_count
    return {key: max(inflow[key], outflow[key]) for key in chain(inflow, outflow)}


def _collect_nodes(moves: list[Move], folded: dict[int, set[str]]) -> list[Node]:
    """The nodes of folded moves."""
    nodes = []
    for (column, name), size in measure_nodes(moves).items():
        role = OUTCOMES.get(name, "other" if name == OTHER else "touchpoint")
        nodes.append(Node(column, name, role, size, len(folded[column]) if name == OTHER else 0))
    return sorted(nodes, key=lambda node: (node.column, -node.journey_count, node.name))
