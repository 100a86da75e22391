"""Statistics: published worked examples, the tables' own intervals, and bootstraps that cover."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from journey_mining.errors import MiningError
from journey_mining.mining.statistics import (
    Resampling,
    bootstrap_interval,
    estimate_ces,
    estimate_csat,
    estimate_nps,
    find_discoveries,
    median_with_interval,
    newcombe_difference,
    score_forecasts,
    suppress_small_cells,
    wilson_interval,
)
from journey_mining.models import sql_folder

CASES = [(0, 1), (1, 1), (8, 10), (81, 263), (15, 148), (0, 20), (1, 29), (29, 29)]


def mean_of_totals(totals: np.ndarray) -> np.ndarray:
    """Sum over count: the columns of a contribution are the sum and the count."""
    return totals[:, :1] / totals[:, 1:]


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_equals_the_published_table(part: int, whole: int, low: float, high: float) -> None:
    """Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3."""
    found = wilson_interval(part, whole)
    assert [round(float(end), 4) for end in found] == [low, high]


def test_wilson_of_nothing_is_blank_and_of_nonsense_refused() -> None:
    """0 of 0 has no interval; 3 of 2 is an error."""
    assert np.isnan(wilson_interval(0, 0)).all()
    with pytest.raises(MiningError):
        wilson_interval(3, 2)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((10, 10, 0, 10), 0.6075, 1.0)],
)
def test_newcombe_equals_the_published_table(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    """Newcombe 1998 (Statistics in Medicine 17:873), table II, method 10."""
    found = newcombe_difference(*counts)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_a_difference_with_an_empty_group_is_blank() -> None:
    """No rate, no difference."""
    assert math.isnan(newcombe_difference(0, 0, 1, 2).value)


def test_discoveries_of_the_published_example() -> None:
    """Benjamini and Hochberg 1995, section 4: of fifteen p-values the four smallest are discoveries at 5 %."""
    p = [.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1]  # fmt: skip
    assert find_discoveries(p)["is_discovery"].tolist() == [True] * 4 + [False] * 11


def test_a_discovery_needs_the_minimum_effect_and_a_p_value() -> None:
    """A tiny effect is none, however certain; a missing p-value neither counts nor is found."""
    found = find_discoveries([0.001, 0.001, np.nan], [0.01, -0.2, 0.5], minimum_effect=0.05)
    assert found["is_discovery"].tolist() == [False, True, False]
    assert found["adjusted_p_value"].iloc[0] == pytest.approx(0.001)


def test_bootstrap_agrees_with_the_normal_interval_of_a_mean() -> None:
    """1,000 independent customers: the percentiles lie where the central limit theorem puts them."""
    values = np.random.default_rng(1).exponential(size=1000)
    low, high = bootstrap_interval(
        np.c_[values, np.ones(1000)], mean_of_totals, plan=Resampling(resamples=4000)
    )
    expected = stats.norm.interval(0.95, values.mean(), values.std() / math.sqrt(1000))
    assert (low[0], high[0]) == pytest.approx(expected, abs=0.008)


def test_bootstrap_draws_customers_not_rows() -> None:
    """Ten equal rows of each customer say no more than one: the interval of the mean stays as wide."""
    values = np.random.default_rng(1).normal(size=200)
    rows, names = np.repeat(np.c_[values, np.ones(200)], 10, axis=0), np.repeat(np.arange(200), 10)
    alone = bootstrap_interval(np.c_[values, np.ones(200)], mean_of_totals)
    repeated = bootstrap_interval(rows, mean_of_totals, customers=names.tolist())
    assert np.allclose(alone, repeated)


def test_bootstrap_is_seeded_and_knows_no_order() -> None:
    """Equal seeds give equal ends, also of rows in another order; another seed gives others."""
    values, names = np.random.default_rng(2).normal(size=(50, 1)), [f"c{n:02}" for n in range(50)]
    rows = np.c_[values, np.ones(50)]
    first = bootstrap_interval(rows, mean_of_totals, customers=names)
    assert np.allclose(bootstrap_interval(rows[::-1], mean_of_totals, customers=names[::-1]), first)
    other = bootstrap_interval(rows, mean_of_totals, customers=names, plan=Resampling(seed=1))
    assert not np.allclose(other, first)


def test_counts_are_customers_alike() -> None:
    """30 of 100 customers converted, as two rows: near the binomial interval. The same with counts in the millions."""
    rows = np.array([[1.0, 1.0], [0.0, 1.0]])
    low, high = bootstrap_interval(rows, mean_of_totals, counts=[30, 70])
    assert (low[0], high[0]) == pytest.approx((0.21, 0.39), abs=0.02)
    low, high = bootstrap_interval(rows, mean_of_totals, counts=[3_000_000, 7_000_000])
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * math.sqrt(0.21 / 1e7), rel=0.1)


def test_no_draws_give_no_interval() -> None:
    """Without resamples the ends are blank; without customers there is an error."""
    ends = bootstrap_interval(np.ones((3, 2)), mean_of_totals, plan=Resampling(resamples=0))
    assert np.isnan(ends).all()
    with pytest.raises(MiningError):
        bootstrap_interval(np.ones((0, 2)), mean_of_totals)


def test_the_median_is_exact_and_its_interval_holds_order_statistics() -> None:
    """Of 1 to 100 the median is 50.5, and 95 % lie from the 40th to the 61st value (Conover 1999); of three none does."""
    found = median_with_interval([*range(1, 101), math.nan])
    assert (found.value, found.low, found.high, found.count) == (50.5, 40, 61, 100)
    few = median_with_interval([1, 2, 3])
    assert few.value == 2
    assert math.isnan(few.low)
    assert median_with_interval([]).count == 0


def test_the_median_interval_over_customers_is_as_wide_as_their_number_says() -> None:
    """Fifty customers of a hundred equal values each are fifty observations."""
    values = np.random.default_rng(4).normal(size=50)
    found = median_with_interval(np.repeat(values, 100), np.repeat(np.arange(50), 100).tolist())
    alone = median_with_interval(values)
    assert found.value == alone.value
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.25)


def test_a_drawn_median_lies_halfway_between_two_middle_values() -> None:
    """Of customers with 0 and 10 half of all draws hold both: the middle 40 % of medians are 5."""
    found = median_with_interval([0, 10], ["x", "y"], Resampling(level=0.4))
    assert (found.value, found.low, found.high) == (5, 5, 5)


def test_forecasts_are_scored_by_hand() -> None:
    """Rain at 0.9 came 8 of 10 times, at 0.25 once in 10; the baseline says half."""
    forecasts, outcomes = np.array([[0.9, 0.1], [0.25, 0.75]]), np.array([[8.0, 2.0], [1.0, 9.0]])
    found = score_forecasts(forecasts, outcomes, np.array([10.0, 10.0]), np.array([0.5, 0.5]))
    errors = 8 * 2 * 0.1**2 + 2 * 2 * 0.9**2 + 1 * 2 * 0.75**2 + 9 * 2 * 0.25**2
    assert found.brier == pytest.approx(errors / 20)
    assert (found.baseline_brier, found.accuracy) == (0.5, 0.85)
    assert found.skill == pytest.approx(1 - errors / 20 / 0.5)
    assert found.reliability["bin_low"].tolist() == pytest.approx([0.1, 0.2, 0.7, 0.9])
    assert found.reliability["mean_forecast"].tolist() == pytest.approx([0.1, 0.25, 0.75, 0.9])
    assert found.reliability["observed_rate"].tolist() == pytest.approx([0.2, 0.1, 0.9, 0.8])
    assert found.reliability["forecast_count"].tolist() == [10] * 4


def test_small_cells_are_blank_and_zero_stays() -> None:
    """One to four are hidden with what they would give away."""
    frame = pd.DataFrame({"customers": [0, 1, 4, 5], "rate": [0.0, 1.0, 0.5, 0.4]})
    found = suppress_small_cells(frame, "customers", ["rate"])
    assert found["customers"].isna().tolist() == [False, True, True, False]
    assert found["rate"].isna().tolist() == [False, True, True, False]
    assert not frame.isna().any().any()


@given(st.lists(st.integers(0, 10), min_size=1, max_size=50))
def test_nps_is_the_share_of_promoters_minus_that_of_detractors(scores: list[int]) -> None:
    """In points; the three groups are all answers; the interval holds the score."""
    found = estimate_nps(scores)
    assert found.promoter_count + found.passive_count + found.detractor_count == found.count == len(scores)
    assert found.value == pytest.approx(100 * (found.promoter_count - found.detractor_count) / len(scores))
    assert len(scores) == 1 or found.low <= found.value <= found.high


def test_the_bounds_of_the_three_groups() -> None:
    """Six is a detractor, seven and eight are neither, nine is a promoter."""
    found = estimate_nps([6, 7, 8, 9])
    assert (found.detractor_count, found.passive_count, found.promoter_count) == (1, 2, 1)


def test_missing_answers_are_left_out_and_wrong_ones_refused() -> None:
    """Blank is no zero; 11 is not on the scale; no answers, no score."""
    assert estimate_nps([None, 9]).count == 1
    with pytest.raises(MiningError, match="outside its scale"):
        estimate_nps([11])
    assert math.isnan(estimate_csat([], 1, 5).value)
    assert math.isnan(estimate_ces([], 1, 7).value)


def test_csat_counts_the_top_two_answers_or_the_top_one_of_a_short_scale() -> None:
    """As the table `feedback` does; with Wilson's interval."""
    found = estimate_csat([5, 4, 3, 1], 1, 5)
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx(tuple(float(end) for end in wilson_interval(2, 4)))
    assert estimate_csat([3, 2, 1], 1, 3).value == pytest.approx(1 / 3)


def test_intervals_equal_those_of_the_tables() -> None:
    """Wilson in SQL and in Python is one and the same."""
    connection = duckdb.connect()
    connection.execute((sql_folder() / "macros" / "statistics.sql").read_text(encoding="utf-8"))
    for part, whole in CASES:
        row = connection.execute("select wilson_low(?, ?), wilson_high(?, ?)", [part, whole] * 2).fetchone()
        assert row == pytest.approx(tuple(float(end) for end in wilson_interval(part, whole)), abs=1e-12)
