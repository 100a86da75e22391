"""Sums of paths: those of parts add up to those of all, and answers follow from them alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_mining.mining.attribution import attribute_paths, attribute_sums
from journey_mining.mining.path_sums import (
    METHODS,
    AttributionRules,
    PathSums,
    Unavailable,
    read_sums,
    sum_paths,
    tabulate_sums,
)
from journey_mining.mining.paths import Paths
from journey_mining.mining.statistics import Resampling

RULES = AttributionRules(resampling=Resampling(resamples=20))
CHANNELS = ("ads", "direct", "mail", "shop \U0001f6d2")
KEYS = ["kind", "method", "item", "customer"]
# A path: its customer, channels with days before the conversion, and its value, or None where it is lost.
PATH = st.tuples(
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 60)), min_size=1, max_size=5),
    st.none() | st.floats(-1e6, 1e13),
)
Given = tuple[int, list[tuple[int, float]], float | None]


def paths_of(rows: Sequence[Given], names: Sequence[Any]) -> Paths:
    used = sorted({channel for _, contacts, _ in rows for channel, _ in contacts})
    number = {channel: place for place, channel in enumerate(used)}
    flat = [(path, *contact) for path, (_, contacts, _) in enumerate(rows) for contact in contacts]
    is_won = np.array([worth is not None for *_, worth in rows], dtype=np.float64)
    return Paths(
        channels=[CHANNELS[channel] for channel in used],
        path=np.array([path for path, *_ in flat], dtype=np.int64),
        channel=np.array([number[channel] for _, channel, _ in flat], dtype=np.int64),
        days=np.array([days for *_, days in flat]),
        conversions=is_won,
        nulls=1 - is_won,
        value=np.array([worth or 0.0 for *_, worth in rows]),
        customers=np.array([names[who] for who, *_ in rows], dtype=np.asarray(names).dtype),
    )


def tabulated(rows: Sequence[Given], names: Sequence[Any]) -> pd.DataFrame:
    return tabulate_sums(sum_paths(paths_of(rows, names), METHODS, RULES))


def added(*tables: pd.DataFrame) -> pd.DataFrame:
    table = pd.concat(tables).groupby(KEYS, as_index=False)["amount"].sum()
    return table[table["amount"] != 0].reset_index(drop=True)


@given(
    st.lists(PATH, min_size=1, max_size=8), st.lists(PATH, max_size=6), st.sampled_from(["numbers", "names"])
)
def test_what_is_taken_away_and_added_gives_what_all_paths_give(
    staying: list[Given], leaving: list[Given], kind: str
) -> None:
    """To the last digit, in any order."""
    names: Sequence[Any] = range(5) if kind == "numbers" else ["a", "b", "c", "d", "e"]
    everything, left = tabulated([*leaving, *staying], names), tabulated(leaving, names)
    remaining = added(everything, left.assign(amount=-left["amount"]))
    anew = added(tabulated(staying[::-1], names))
    assert remaining.equals(anew)
    told = [attribute_sums(read_sums(table, METHODS), RULES) for table in (remaining, anew.sample(frac=1))]
    asked = attribute_paths(paths_of(staying, names), METHODS, RULES)
    for method in METHODS:
        first, second, direct = told[0][method], told[1][method], asked[method]
        if isinstance(direct, Unavailable):
            assert str(first) == str(second) == str(direct)
            continue
        assert not isinstance(first, Unavailable)
        assert not isinstance(second, Unavailable)
        pd.testing.assert_frame_equal(first, second, check_exact=True)
        pd.testing.assert_frame_equal(first, direct, rtol=1e-9, atol=1e-9)


def test_sums_of_nothing() -> None:
    nothing = pd.DataFrame({name: [] for name in (*KEYS, "amount")})
    sums: PathSums = read_sums(nothing, METHODS)
    assert {str(answer) for answer in attribute_sums(sums, RULES).values()} == {
        "unavailable, because no path converts"
    }


@pytest.mark.parametrize("worth", [0.1, 1e12 + 0.25, 3e12])
def test_value_keeps_its_pennies_however_large(worth: float) -> None:
    rows: list[Given] = [(who % 5, [(0, 1.0), (1, 0.0)], worth) for who in range(9)]
    answer = attribute_sums(read_sums(tabulated(rows, range(5)), METHODS), RULES)["linear"]
    assert not isinstance(answer, Unavailable)
    assert answer["value"].tolist() == pytest.approx([9 * worth / 2] * 2, rel=1e-10)
