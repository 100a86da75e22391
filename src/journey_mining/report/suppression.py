"""Small cells: counts of one to `min_cell` - 1 units are not shown, nor left to be found by subtraction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from journey_mining.mining.subtraction import Link, find_detour, find_forced
from journey_mining.report.query import Row

Count = int | str | None
_LEAST_BOUND = 2
"""Below it, and above zero, there is one whole number."""


def is_small(count: float | None, min_cell: int) -> bool:
    """Whether a count is to be suppressed; zero says nothing about anyone and may be shown.

    >>> is_small(4, 5), is_small(5, 5), is_small(0, 5), is_small(None, 5)
    (True, False, False, False)
    """
    return count is not None and 0 < count < min_cell


def mask_count(count: int | None, min_cell: int) -> Count:
    """The count, or "< 5" where it is small; None for the only small one, since "< 2" is 1.

    >>> mask_count(3, 5), mask_count(12, 5), mask_count(1, 2)
    ('< 5', 12, None)
    """
    if not is_small(count, min_cell):
        return count
    return f"< {min_cell}" if min_cell > _LEAST_BOUND else None


def find_masked_parts(parts: Mapping[str, int], min_cell: int) -> set[str]:
    """The parts of a known total to hide: the small ones, and more while the hidden rest would be small.

    Parts that are hidden for another's sake are taken smallest first, earlier names first.

    >>> sorted(find_masked_parts({"dropped_off": 2, "open": 7, "converted": 90}, 5))
    ['dropped_off', 'open']
    """
    hidden = {name for name, count in parts.items() if is_small(count, min_cell)}
    spare = sorted(
        (n for n in parts if n not in hidden and parts[n] > 0), key=lambda n: (parts[n], list(parts).index(n))
    )
    while hidden and spare and (len(hidden) == 1 or sum(parts[n] for n in hidden) < min_cell):
        hidden.add(spare.pop(0))
    return hidden


def find_masked_links(links: Sequence[tuple[str, str, int]], min_cell: int) -> set[int]:
    """The positions of the (source, target, count) links to hide, where the totals of all nodes of min_cell are known.

    Small links are hidden; then, at every node whose hidden rest is small or is a single link, the smallest link that
    still shows; then, where a small link would still follow from the totals, the links of the cheapest cycle with it.
    """
    hidden = {position for position, link in enumerate(links) if is_small(link[2], min_cell)}
    placed = _place_ends(links, min_cell)
    ends: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, pair in enumerate(placed):
        for end in pair:
            ends[end].append(position)
    tried: set[int] = set()
    while True:
        _hide_at_nodes(list(ends.values()), hidden, links, min_cell)
        cover = _find_next_cover(placed, hidden, links, min_cell, tried)
        if not cover:
            return hidden
        hidden |= cover


def _place_ends(links: Sequence[tuple[str, str, int]], min_cell: int) -> list[Link]:
    """The two nodes of each link; those of a side whose totals are small, and so unknown, are one node."""
    totals: Counter[tuple[str, str]] = Counter()
    for source, target, count in links:
        totals["from", source] += count
        totals["to", target] += count

    def place(side: str, name: str) -> tuple[str, str]:
        return (f"{side} the unknown", "") if is_small(totals[side, name], min_cell) else (side, name)

    return [(place("from", source), place("to", target)) for source, target, _ in links]


def _hide_at_nodes(
    nodes: list[list[int]], hidden: set[int], links: Sequence[tuple[str, str, int]], min_cell: int
) -> None:
    """Hide more links until no node's hidden rest gives anything away."""
    changed = True
    while changed:
        changed = False
        for members in nodes:
            extra = _next_to_hide(members, hidden, links, min_cell)
            if extra is not None:
                hidden.add(extra)
                changed = True


def _find_next_cover(
    placed: Sequence[Link],
    hidden: set[int],
    links: Sequence[tuple[str, str, int]],
    min_cell: int,
    tried: set[int],
) -> set[int]:
    """Links that protect a small one of which the totals tell the count; empty when there is none.

    Where no cycle leads through it, a link between two other nodes: pairs that are not listed may then be what is
    missing. `tried` remembers for which links that was done.
    """
    order = sorted(hidden)
    shown = [pair for position, pair in enumerate(placed) if position not in hidden]
    forced = find_forced([placed[position] for position in order], shown)
    costs = [0 if position in hidden else link[2] for position, link in enumerate(links)]
    for position in (order[place] for place in sorted(forced)):
        if not is_small(links[position][2], min_cell) or position in tried:
            continue
        cover = set(find_detour(placed, costs, position)) - hidden
        if not cover:
            tried.add(position)
            apart = [
                p for p in range(len(links)) if p not in hidden and not {*placed[p]} & {*placed[position]}
            ]
            cover = {min(apart, key=lambda p: (costs[p], p))} if apart else set()
        if cover:
            return cover
    return set()


def _next_to_hide(
    members: list[int], hidden: set[int], links: Sequence[tuple[str, str, int]], min_cell: int
) -> int | None:
    """The link of one node to hide next, None where its hidden rest gives nothing away."""
    gone = [position for position in members if position in hidden]
    shown = [position for position in members if position not in hidden]
    exposed = bool(gone) and (len(gone) == 1 or sum(links[p][2] for p in gone) < min_cell)
    return min(shown, key=lambda p: (links[p][2], p)) if exposed and shown else None


def mask_rates(row: Row, min_cell: int) -> Row:
    """The row without a conversion rate (nor interval, nor lift) that stands for a count of 1 to min_cell - 1 journeys.

    >>> mask_rates({"journey_count": 50, "conversion_rate": 0.04}, 5)["conversion_rate"] is None
    True
    >>> mask_rates({"journey_count": 50, "conversion_rate": 0.4}, 5)["conversion_rate"]
    0.4
    """
    rate = row["conversion_rate"]
    if rate is None or not 0.5 <= min(rate, 1 - rate) * row["journey_count"] < min_cell - 0.5:
        return row
    hidden = ("conversion_rate", "conversion_rate_low", "conversion_rate_high", "lift")
    return {**row, **{key: None for key in hidden if key in row}}


def mask_figures(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The key figures (see headline) without small counts, nor what gives them away; what is hidden is None.

    journeys = matured + open and matured = converted + dropped_off: where one part is small, its total or its other part
    goes with it. `suppressed` lists what is hidden.
    """
    least = figures["min_cell"]
    hidden = {name for name in ("customers", "journeys", "events") if is_small(figures[name], least)}
    if is_small(figures["open"], least) or is_small(figures["matured"], least):
        hidden |= {"journeys", "open_share"}
        hidden |= {name for name in ("open", "matured") if is_small(figures[name], least)}
    if is_small(figures["converted"], least) or is_small(figures["dropped_off"], least):
        hidden |= {
            "converted",
            "dropped_off",
            "conversion_rate",
            "conversion_rate_low",
            "conversion_rate_high",
        }
    if is_small(figures["converted"], least):
        hidden |= {"median_seconds", "value"}
    others = figures["dropped_off"] - figures["main_exit_count"]
    if "dropped_off" in hidden or is_small(figures["main_exit_count"], least) or is_small(others, least):
        hidden |= {"main_exit_count", "main_exit_share"}
    shown = {name: None if name in hidden else value for name, value in figures.items()}
    return {**shown, "suppressed": sorted(hidden)}


def find_masked_transitions(rows: Iterable[Mapping[str, Any]], min_cell: int) -> set[tuple[str, str]]:
    """The (from, to) pairs of the table `transitions` to hide: those of few customers, and what would give them away."""
    links = sorted(
        (str(r["from_touchpoint"]), str(r["to_touchpoint"]), int(r["customer_count"])) for r in rows
    )
    return {links[position][:2] for position in find_masked_links(links, min_cell)}


def suppress_transitions(transitions: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """The transitions that may be shown: without those of few customers, others that would give them away, and telling rates."""
    records = [{str(key): value for key, value in row.items()} for row in transitions.to_dict("records")]
    hidden = find_masked_transitions(records, min_cell)
    rows = [
        mask_rates({key: _or_none(value) for key, value in row.items()}, min_cell)
        for row in records
        if (row["from_touchpoint"], row["to_touchpoint"]) not in hidden
    ]
    return pd.DataFrame(rows, columns=transitions.columns)


PERSONAL = ("customers", "journeys", "sessions", "events", "steps", "positions", "identifiers")
"""What the counts of a run's steps say about persons; the others count files, rounds and rows of aggregates."""


def mask_steps(
    steps: Mapping[str, Mapping[str, Any]], min_cell: int, suppressed: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """The counts of a run's steps; of those that tell of persons the small ones, and the `suppressed`, are None.

    >>> mask_steps({"derive journeys": {"renewed_customers": 1, "renewed_events": 40}, "audit results": {"warned": 1}}, 5)
    {'derive journeys': {'renewed_customers': None, 'renewed_events': 40}, 'audit results': {'warned': 1}}
    """

    def may_show(name: str, count: Any) -> bool:
        is_personal = name.rsplit("_", 1)[-1] in PERSONAL
        return name not in suppressed and not (is_personal and is_small(count, min_cell))

    return {
        step: {name: count if may_show(name, count) else None for name, count in counts.items()}
        for step, counts in steps.items()
    }


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
