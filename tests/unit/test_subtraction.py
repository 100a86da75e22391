"""What is hidden cannot be computed: a reader with a linear program finds no small count from what is shown."""

from __future__ import annotations

import doctest
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import linprog

from journey_mining.mining import subtraction
from journey_mining.mining.subtraction import find_forced
from journey_mining.report.flow import drop_telling_variant
from journey_mining.report.funnel import RATES, mask_funnel
from journey_mining.report.suppression import find_masked_links

Cell = tuple[Any, ...]
Equation = tuple[Mapping[Cell, float], float]

counts = st.one_of(st.integers(1, 7), st.integers(1, 60))
tables = st.dictionaries(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("vwxyz")), counts, min_size=1, max_size=25
)


def span(
    cell: Cell, equations: Iterable[Equation], bounds: Mapping[Cell, tuple[float, float | None]]
) -> float:
    """How far the values lie apart that a cell may have; `bounds` names all unknown cells."""
    places = {name: place for place, name in enumerate(bounds)}
    matrix, totals = [], []
    for weights, total in equations:
        row = np.zeros(len(places))
        for name, weight in weights.items():
            row[places[name]] = weight
        matrix.append(row)
        totals.append(total)
    if not matrix:
        return np.inf
    wanted = np.zeros(len(places))
    wanted[places[cell]] = 1
    ends = []
    for sign in (1, -1):
        found = linprog(sign * wanted, A_eq=matrix, b_eq=totals, bounds=list(bounds.values()))
        assert found.status in (0, 3), found.message
        ends.append(sign * found.fun if found.status == 0 else sign * -np.inf)
    return float(ends[1] - ends[0])


def totals_less_shown(
    table: Mapping[tuple[str, str], int], shown: set[tuple[str, str]], least: int
) -> tuple[list[Equation], dict[Cell, tuple[float, float | None]]]:
    """What a reader knows of a table: totals of at least `least`, shown cells; of no other pair whether it is zero."""
    sides = [sorted({pair[side] for pair in table}) for side in (0, 1)]
    unseen = [(a, b) for a in sides[0] for b in sides[1] if (a, b) not in shown]
    equations: list[Equation] = []
    for side in (0, 1):
        for name in sides[side]:
            total = sum(count for pair, count in table.items() if pair[side] == name)
            rest = total - sum(table[pair] for pair in shown if pair[side] == name)
            if total >= least:
                equations.append(({pair: 1.0 for pair in unseen if pair[side] == name}, rest))
    return equations, dict.fromkeys(unseen, (0, None))


@given(table=tables, data=st.data())
def test_forced_links_are_those_without_another_value(
    table: dict[tuple[str, str], int], data: st.DataObject
) -> None:
    """The graph's answer is the linear program's."""
    hidden = data.draw(st.lists(st.sampled_from(sorted(table)), min_size=1, unique=True))
    shown = [pair for pair in table if pair not in hidden]
    equations, bounds = totals_less_shown(table, set(shown), 1)
    expected = {place for place, pair in enumerate(hidden) if span(pair, equations, bounds) < 0.5}

    def placed(pairs: Iterable[tuple[str, str]]) -> list[subtraction.Link]:
        return [(("from", a), ("to", b)) for a, b in pairs]

    assert find_forced(placed(hidden), placed(shown)) == expected


@given(table=tables, least=st.integers(2, 8))
@example(table={("a", "v"): 3, ("c", "y"): 1, ("d", "y"): 3, ("e", "v"): 7}, least=3)
def test_no_small_link_follows_from_totals(table: dict[tuple[str, str], int], least: int) -> None:
    """Whoever knows the totals of all nodes cannot compute a hidden small link, unless all links share an end with it.

    Of such a star the totals of its points are the links.
    """
    links = [(a, b, count) for (a, b), count in sorted(table.items())]
    hidden = find_masked_links(links, least)
    shown = {links[position][:2] for position in range(len(links)) if position not in hidden}
    assert all(table[pair] >= least for pair in shown)
    equations, bounds = totals_less_shown(table, shown, least)
    for position in hidden:
        source, target, count = links[position]
        if count < least and any(a != source and b != target for a, b, _ in links):
            assert span(links[position][:2], equations, bounds) > 0.5, links[position]


stages = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=6)


def funnel_of(left: list[tuple[int, int]], reached: int) -> list[dict[str, Any]]:
    """A funnel of customers in which so many left and are open in each stage, and so many reached the last one."""
    rows: list[dict[str, Any]] = []
    entered = reached
    for number, (gone, still) in reversed(list(enumerate([*left, (0, 0)]))):
        is_last = number == len(left)
        converted, entered = entered, entered + gone + still
        rate = None if is_last or not converted + gone else converted / (converted + gone)
        rows.append({
            "unit": "customers", "stage": f"s{number}", "entered": entered, "converted": converted, "dropped_off": gone,
            "open": still, "skipped": 0, "median_seconds": 1.0, **dict.fromkeys(RATES, rate),
        })  # fmt: skip
    return rows[::-1]


@given(left=stages, reached=st.one_of(st.integers(0, 8), st.integers(0, 300)), least=st.integers(2, 6))
@example(left=[(0, 1)], reached=2, least=2)
@example(left=[(3, 0), (20, 20)], reached=80, least=5)
@example(left=[(4, 4), (20, 20)], reached=80, least=5)
def test_no_small_cell_of_a_funnel_follows_from_the_others(
    left: list[tuple[int, int]], reached: int, least: int
) -> None:
    """Neither from a stage's total, nor from the next stage's, nor from a rate, nor from "< 5" itself."""
    rows = funnel_of(left, reached)
    shown = mask_funnel(rows, least)["customers"]
    names = ("entered", "converted", "dropped_off", "open")
    assert not any(isinstance(row[name], int) and 0 < row[name] < least for row in shown for name in names)
    bounds: dict[Cell, tuple[float, float | None]] = {}
    equations: list[Equation] = []
    for number, row in enumerate(shown):
        for name in names:
            value = row[name]
            bounds[number, name] = (
                (value, value)
                if isinstance(value, int)
                else (1, least - 1 if isinstance(value, str) else None)
            )
        equations.append(({(number, "entered"): 1, **{(number, name): -1 for name in names[1:]}}, 0))
        if number:
            equations.append(({(number, "entered"): 1, (number - 1, "converted"): -1}, 0))
        rate = row["conversion_rate"]
        if rate is not None:
            equations.append(({(number, "converted"): 1 - rate, (number, "dropped_off"): -rate}, 0))
    if not isinstance(shown[0]["entered"], int):
        return
    for number, row in enumerate(rows):
        for name in names:
            if 0 < row[name] < least:
                assert span((number, name), equations, bounds) > 0.5, (number, name, shown)


@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8), least=st.integers(2, 6))
def test_variants_that_are_not_listed_are_none_or_many(sizes: list[int], least: int) -> None:
    """All journeys less the listed ones are not a small count."""
    total = sum(sizes)
    listed = sorted((size for size in sizes if size >= least), reverse=True)
    rows = drop_telling_variant([{"journey_count": n, "share": n / total} for n in listed], least)
    rest = total - sum(row["journey_count"] for row in rows)
    assert rest == 0 or rest >= least or not listed
    assert len(rows) >= len(listed) - 1


def test_examples_hold() -> None:
    """The doctests give what they say."""
    result = doctest.testmod(subtraction)
    assert (result.attempted > 0, result.failed) == (True, 0)
