"""Small cells: counts of one to `min_cell` - 1 units are not shown, nor left to be found by subtraction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from journey_mining.report.query import Row

Count = int | str | None


def is_small(count: float | None, min_cell: int) -> bool:
    """Whether a count is to be suppressed; zero says nothing about anyone and may be shown.

    >>> is_small(4, 5), is_small(5, 5), is_small(0, 5), is_small(None, 5)
    (True, False, False, False)
    """
    return count is not None and 0 < count < min_cell


def mask_count(count: int | None, min_cell: int) -> Count:
    """The count, or "< 5" where it is small.

    >>> mask_count(3, 5), mask_count(12, 5)
    ('< 5', 12)
    """
    return f"< {min_cell}" if is_small(count, min_cell) else count


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
    """The positions of the (source, target, count) links to hide.

    Small links are hidden; then, at every node whose hidden rest is small or is a single link, the smallest link that
    still shows, until no hidden link can be found by subtraction from its node's total.
    """
    hidden = {position for position, link in enumerate(links) if is_small(link[2], min_cell)}
    ends: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, (source, target, _) in enumerate(links):
        ends["from", source].append(position)
        ends["to", target].append(position)
    changed = True
    while changed:
        changed = False
        for members in ends.values():
            extra = _next_to_hide(members, hidden, links, min_cell)
            if extra is not None:
                hidden.add(extra)
                changed = True
    return hidden


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


def suppress_transitions(transitions: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """The transitions that may be shown: without those of few journeys, others that would give them away, and telling rates."""
    ends = transitions[["from_touchpoint", "to_touchpoint", "journey_count"]].itertuples(index=False)
    hidden = find_masked_links([(str(a), str(b), int(count)) for a, b, count in ends], min_cell)
    kept = [position for position in range(len(transitions)) if position not in hidden]
    rows = [
        mask_rates({str(key): _or_none(value) for key, value in row.items()}, min_cell)
        for row in transitions.iloc[kept].to_dict("records")
    ]
    return pd.DataFrame(rows, columns=transitions.columns)


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
