"""Connected components of identity links, by contraction: joins and minima only, every step materialised.

Each round points every node at the smallest node in its neighbourhood, shortens those pointers until they
are roots (pointer doubling), and relabels the links; what remains is a smaller graph. The number of rounds
grows with the logarithm of the longest chain. (Kiveris et al. 2014, "Connected Components in MapReduce and
Beyond"; label propagation would need as many rounds as the chain is long.)
"""

from __future__ import annotations

from journey_mining.errors import ModelError
from journey_mining.warehouse import Warehouse

MAX_ROUNDS = 64
"""Rounds after which a defect is certain: names are hashes, so that a round leaves about half of the nodes."""


def resolve_components(warehouse: Warehouse) -> int:
    """Create store.identity_components(identifier_hash, component_hash) from identity_links; returns the rounds.

    The component is named by its smallest hash. Identifiers without a link are not listed.
    """
    rounds = contract_links(warehouse, "select left_hash as a, right_hash as b from identity_links")
    warehouse.execute(
        "create or replace table store.main.identity_components as "
        "select node as identifier_hash, root as component_hash from labels"
    )
    warehouse.execute("drop table temp.main.labels")
    return rounds


def contract_links(warehouse: Warehouse, links: str) -> int:
    """Create temp.labels(node, root) from links, a query of (a, b); returns the rounds."""
    _create(warehouse, "links_left", links)
    _create(
        warehouse,
        "labels",
        "select distinct node, node as root from (select a as node from links_left union all select b from links_left)",
    )
    rounds = 0
    while warehouse.value("select count(*) from links_left"):
        rounds += 1
        if rounds > MAX_ROUNDS:
            raise ModelError("Identity components did not converge.", fix="report this as a defect")
        _point_at_smallest(warehouse)
        _shorten_pointers(warehouse)
        _relabel(warehouse)
    for name in ("links_left", "pointers"):
        warehouse.execute(f"drop table if exists temp.main.{name}")
    return rounds


def _create(warehouse: Warehouse, name: str, query: str) -> None:
    warehouse.execute(f"create or replace temporary table {name} as {query}")


def _point_at_smallest(warehouse: Warehouse) -> None:
    """pointers(node, target): the smallest of a node and its neighbours."""
    _create(
        warehouse,
        "pointers",
        """select node, least(node, min(neighbour)) as target
        from (select a as node, b as neighbour from links_left union all select b, a from links_left)
        group by node""",
    )


def _shorten_pointers(warehouse: Warehouse) -> None:
    """Follow pointers of pointers until each points at a root."""
    moved = True
    while moved:
        _create(
            warehouse,
            "shorter",
            "select p.node, q.target, p.target <> q.target as is_moved "
            "from pointers as p inner join pointers as q on p.target = q.node",
        )
        moved = bool(warehouse.value("select coalesce(bool_or(is_moved), false) from shorter"))
        _create(warehouse, "pointers", "select node, target from shorter")
    warehouse.execute("drop table temp.main.shorter")


def _relabel(warehouse: Warehouse) -> None:
    """Put roots in the place of nodes, in the labels and in the links; links within a root are done."""
    _create(
        warehouse,
        "labels",
        "select l.node, coalesce(p.target, l.root) as root from labels as l left join pointers as p on l.root = p.node",
    )
    _create(
        warehouse,
        "links_left",
        """select distinct least(p.target, q.target) as a, greatest(p.target, q.target) as b
        from links_left as l
        inner join pointers as p on l.a = p.node
        inner join pointers as q on l.b = q.node
        where p.target <> q.target""",
    )
