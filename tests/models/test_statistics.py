"""The macros of sql/macros/statistics.sql: rates and their Wilson intervals."""

from __future__ import annotations

import pytest
from statsmodels.stats.proportion import proportion_confint

from worlds import Lab


@pytest.mark.parametrize(
    ("part", "whole"), [(0, 1), (1, 1), (0, 7), (7, 7), (3, 7), (50, 100), (1, 10_000), (999_999, 1_000_000)]
)
def test_wilson_equals_statsmodels(lab: Lab, part: int, whole: int) -> None:
    """Both ends, to twelve digits, from integers as counts are."""
    row = lab.rows(f"select wilson_low({part}, {whole}) as low, wilson_high({part}, {whole}) as high")[0]
    low, high = proportion_confint(part, whole, alpha=0.05, method="wilson")
    assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-11, abs=1e-12)


def test_wilson_of_huge_counts_does_not_overflow(lab: Lab) -> None:
    """Products of counts stay exact enough beyond 64 bits of integers."""
    row = lab.rows("select wilson_low(cast(4000000000 as bigint), cast(9000000000 as bigint)) as low")[0]
    assert row["low"] == pytest.approx(4 / 9, rel=1e-4)


def test_nothing_has_no_rate(lab: Lab) -> None:
    """The rate of nothing and its interval are NULL, neither infinite nor zero."""
    row = lab.rows("select rate(0, 0) as share, wilson_low(0, 0) as low, wilson_high(0, 0) as high")[0]
    assert list(row.values()) == [None, None, None]


def test_a_rate_is_no_integer_division(lab: Lab) -> None:
    """One of three is a third."""
    assert lab.rows("select rate(1, 3) as share")[0]["share"] == pytest.approx(1 / 3)
