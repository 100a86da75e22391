"""What can be told of counts that are not shown, from the totals of the nodes that they join."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx

Node = tuple[str, str]
Link = tuple[Node, Node]


def find_forced(hidden: Sequence[Link], shown: Sequence[Link]) -> set[int]:
    """The positions of the hidden links whose counts follow from the totals of all nodes and the shown counts.

    A count can be another one where a row of others can rise and fall in turn without any total changing. Those that
    fall must be hidden links; those that rise may be any pair that does not show, since zeros do not show either. Links
    between the same two nodes never follow.

    >>> a, b, x, y = ("from", "a"), ("from", "b"), ("to", "x"), ("to", "y")
    >>> find_forced([(a, x), (b, x)], [(a, y), (b, y)]), find_forced([(a, x), (b, x), (a, y), (b, y)], [])
    ({0, 1}, set())
    """
    many = Counter(hidden)
    graph: nx.Graph[Node] = nx.Graph()
    graph.add_edges_from(many)
    # On a cycle of hidden links there is such a row, so that only the bridges are left to look at.
    bridges: set[frozenset[Any]] = {frozenset(bridge) for bridge in nx.bridges(graph)}
    unseen = _Unseen.of(hidden, shown)
    return {
        position
        for position, link in enumerate(hidden)
        if many[link] == 1
        and frozenset(link) in bridges
        and not unseen.may_fall(link)
        and not unseen.may_rise(link)
    }


@dataclass
class _Unseen:
    """The pairs that do not show, between nodes of which some count is hidden."""

    targets: set[Node]
    filled: defaultdict[Node, set[Node]] = field(default_factory=lambda: defaultdict(set))
    """The sources of hidden links by their target: these counts can fall."""
    shown: defaultdict[Node, set[Node]] = field(default_factory=lambda: defaultdict(set))
    """The targets of shown links by their source: all other pairs can rise."""

    @classmethod
    def of(cls, hidden: Sequence[Link], shown: Sequence[Link]) -> _Unseen:
        """What these links leave open."""
        unseen = cls({target for _, target in hidden})
        for source, target in hidden:
            unseen.filled[target].add(source)
        for source, target in shown:
            unseen.shown[source].add(target)
        return unseen

    def may_fall(self, link: Link) -> bool:
        """Whether other pairs can rise and fall so that this link falls by one."""
        source, target = link
        return target in self._reach(self.targets - self.shown[source] - {target}, source)

    def may_rise(self, link: Link) -> bool:
        """Whether other pairs can rise and fall so that this link rises by one."""
        source, target = link
        first = {t for other in self.filled[target] - {source} for t in self.targets - self.shown[other]}
        return any(source in self.filled[reached] for reached in self._reach(first - {target}, target))

    def _reach(self, targets: set[Node], end: Node) -> set[Node]:
        """The targets whose totals can be kept up when one of `targets` rises: by a fall there, and a rise elsewhere, never at `end`."""
        reached: set[Node] = set()
        while targets:
            reached |= targets
            sources = {source for target in targets for source in self.filled[target]} - {end}
            targets = {t for source in sources for t in self.targets - self.shown[source]} - reached - {end}
        return reached


def find_detour(links: Sequence[Link], costs: Sequence[int], position: int) -> list[int]:
    """The positions of the links on the cheapest way between the ends of a link that does not use it; [] without one."""
    graph: nx.Graph[Node] = nx.Graph()
    for other, (source, target) in enumerate(links):
        if other == position:
            continue
        known = graph.get_edge_data(source, target, {"cost": costs[other], "position": other})
        if (costs[other], other) <= (known["cost"], known["position"]):
            graph.add_edge(source, target, cost=costs[other], position=other)
    source, target = links[position]
    if source not in graph or target not in graph or not nx.has_path(graph, source, target):
        return []
    way = nx.dijkstra_path(graph, source, target, weight="cost")
    return [graph.edges[pair]["position"] for pair in nx.utils.pairwise(way)]
