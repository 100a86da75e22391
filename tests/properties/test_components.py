"""Customers are the connected components of identity links: equal to NetworkX, in few rounds."""

from __future__ import annotations

import math
import random
import uuid
from itertools import pairwise

import networkx as nx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_mining.identity import resolve_components
from worlds import Lab

LINKS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60)


def resolve(lab: Lab, links: list[tuple[uuid.UUID, uuid.UUID]]) -> tuple[set[frozenset[uuid.UUID]], int]:
    """The components that the library finds, and its rounds."""
    left, right = [str(a) for a, _ in links], [str(b) for _, b in links]
    table = pa.table({"left_hash": pa.array(left, pa.string()), "right_hash": pa.array(right, pa.string())})
    lab.warehouse.connection.register("links_given", table)
    lab.warehouse.execute(
        "create or replace table store.main.identity_links as "
        "select cast(left_hash as uuid) as left_hash, cast(right_hash as uuid) as right_hash from links_given"
    )
    lab.warehouse.connection.unregister("links_given")
    rounds = resolve_components(lab.warehouse)
    found = lab.warehouse.execute(
        "select component_hash, list(identifier_hash) from identity_components group by component_hash"
    )
    groups = found.fetchall()
    assert all(name == min(members) for name, members in groups), (
        "a component is named by its smallest member"
    )
    assert sum(len(members) for _, members in groups) == len(set(left) | set(right))
    return {frozenset(members) for _, members in groups}, rounds


def expected(links: list[tuple[uuid.UUID, uuid.UUID]]) -> set[frozenset[uuid.UUID]]:
    """The components that NetworkX finds."""
    return {frozenset(component) for component in nx.connected_components(nx.Graph(links))}


def hashes(count: int, seed: int = 0) -> list[uuid.UUID]:
    """Identifiers in no order, as hashes are."""
    draw = random.Random(seed)
    return [uuid.UUID(int=draw.getrandbits(128)) for _ in range(count)]


@given(pairs=LINKS, seed=st.integers(0, 3), is_ordered=st.booleans())
def test_components_equal_networkx(
    shared_lab: Lab, pairs: list[tuple[int, int]], seed: int, is_ordered: bool
) -> None:
    """On any graph: with loops, repeated links, links in both directions, and names in or out of order."""
    names = [uuid.UUID(int=number + 1) for number in range(41)] if is_ordered else hashes(41, seed)
    links = [(names[a], names[b]) for a, b in pairs]
    assert resolve(shared_lab, links)[0] == expected(links)


@pytest.mark.parametrize("length", [2, 3, 1000, 30_000])
@pytest.mark.parametrize("is_ordered", [True, False])
def test_a_long_chain_takes_few_rounds(shared_lab: Lab, length: int, is_ordered: bool) -> None:
    """One component, in a number of rounds that grows with the logarithm of the length."""
    names = sorted(hashes(length)) if is_ordered else hashes(length)
    found, rounds = resolve(shared_lab, list(pairwise(names)))
    assert found == {frozenset(names)}
    assert rounds <= math.log2(length) + 1


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_star_takes_few_rounds(shared_lab: Lab, place: str) -> None:
    """Whether its centre's hash is the smallest, the largest, or any."""
    names = sorted(hashes(2000))
    centre = names.pop({"first": 0, "middle": 1000, "last": -1}[place])
    found, rounds = resolve(shared_lab, [(centre, name) for name in names])
    assert found == {frozenset([centre, *names])}
    assert rounds <= 2


def test_a_tree_and_a_grid_take_few_rounds(shared_lab: Lab) -> None:
    """Shapes with many paths of middling length."""
    for graph in (nx.balanced_tree(2, 10), nx.grid_2d_graph(40, 40)):
        names = dict(zip(graph, hashes(len(graph)), strict=True))
        links = [(names[a], names[b]) for a, b in graph.edges]
        found, rounds = resolve(shared_lab, links)
        assert found == {frozenset(names.values())}
        assert rounds <= math.log2(len(graph)) + 1


def test_without_links_there_is_nothing(shared_lab: Lab) -> None:
    """No link, no component, no round."""
    assert resolve(shared_lab, []) == (set(), 0)
