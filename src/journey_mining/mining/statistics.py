"""Statistics of evidence: intervals, comparisons, medians and survey scores, as thin wrappers over SciPy and statsmodels.

Rows are counted, and shown with their Wilson intervals, in SQL; what stands here is for numbers that Python holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from journey_mining.errors import MiningError

FloatArray = NDArray[np.float64]
_CELLS_AT_ONCE = 4_000_000


class Resampling(BaseModel):
    """How a bootstrap draws customers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(1000, ge=0)
    """Times that as many customers as there are get drawn, with replacement; 0 leaves intervals out."""
    seed: int = Field(0, ge=0)
    """Seed of the generator; equal input and seed give equal intervals."""
    level: float = Field(0.95, gt=0, lt=1)
    """Two-sided coverage of an interval, 0 to 1."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval and the count of what it rests on; NaN where the data are too few to say."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class NetPromoterScore(Estimate):
    """A net promoter score in points, -100 to 100, with the answers behind it."""

    promoter_count: int
    passive_count: int
    detractor_count: int


@dataclass(frozen=True)
class Calibration:
    """How far forecast probabilities held on outcomes that they were not fitted to.

    brier: mean of the summed squared errors of all symbols (Brier 1950; 0 to 2, smaller is better); baseline_brier: the
    same for the baseline forecast; skill: 1 - brier / baseline_brier, NaN for a baseline without error; accuracy: share
    of outcomes that were the most probable symbol; reliability: one row a tenth of probability (bin_low, bin_high,
    forecast_count, mean_forecast, observed_rate, observed_low, observed_high), of every symbol's forecast each time.
    """

    outcome_count: float
    brier: float
    baseline_brier: float
    skill: float
    accuracy: float
    reliability: pd.DataFrame


def wilson_interval(part: ArrayLike, whole: ArrayLike, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Low and high ends of the Wilson score interval of part / whole, elementwise; NaN where whole is 0.

    Source: Wilson 1927, through `statsmodels.stats.proportion.proportion_confint`. Raises MiningError unless
    0 <= part <= whole.

    >>> low, high = wilson_interval(8, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.4902, 0.9433)
    """
    parts, wholes = (np.asarray(numbers, dtype=np.float64) for numbers in (part, whole))
    if not np.all((parts >= 0) & (parts <= wholes)):
        raise MiningError("A rate needs 0 <= part <= whole.", found="a part below 0 or above its whole")
    parts, wholes = np.broadcast_arrays(parts, np.where(wholes == 0, np.nan, wholes))
    low, high = proportion_confint(parts, wholes, alpha=1 - level, method="wilson")
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


def newcombe_difference(
    part: int, whole: int, other_part: int, other_whole: int, level: float = 0.95
) -> Estimate:
    """The rate part / whole minus the rate other_part / other_whole, with Newcombe's hybrid score interval.

    Source: Newcombe 1998, method 10, through `statsmodels`' `confint_proportions_2indep`. The count is that of both
    groups. NaN where a group is empty.

    >>> difference = newcombe_difference(56, 70, 48, 80)
    >>> round(difference.value, 4), round(difference.low, 4), round(difference.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    wilson_interval([part, other_part], [whole, other_whole], level)
    count = whole + other_whole
    if not (whole and other_whole):
        return Estimate(np.nan, np.nan, np.nan, count)
    low, high = confint_proportions_2indep(
        part, whole, other_part, other_whole, method="newcomb", compare="diff", alpha=1 - level
    )
    return Estimate(part / whole - other_part / other_whole, float(low), float(high), count)


def difference_intervals(
    rate: ArrayLike, whole: ArrayLike, other_rate: ArrayLike, other_whole: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Low and high ends of Newcombe's 95 % intervals of many differences of rates; wholes may be effective numbers.

    >>> low, high = difference_intervals([0.8], [70], [0.6], [80])
    >>> round(float(low[0]), 4), round(float(high[0]), 4)
    (0.0524, 0.3339)
    """
    p, n, q, m = (np.asarray(one, dtype=np.float64) for one in (rate, whole, other_rate, other_whole))
    ends = confint_proportions_2indep(p * n, n, q * m, m, method="newcomb", compare="diff")
    return np.asarray(ends[0], dtype=np.float64), np.asarray(ends[1], dtype=np.float64)


def exact_p_values(
    rate: ArrayLike, whole: ArrayLike, other_rate: ArrayLike, other_whole: ArrayLike
) -> FloatArray:
    """Fisher's exact test of many pairs of rates, two-sided by doubling the smaller tail; wholes are rounded down.

    >>> round(float(exact_p_values([0.8], [10], [0.2], [10])[0]), 4)
    0.023
    """
    sizes = [np.maximum(np.floor(np.asarray(one, dtype=np.float64)), 1) for one in (whole, other_whole)]
    parts = [np.round(np.asarray(p) * n) for p, n in zip((rate, other_rate), sizes, strict=True)]
    table = stats.hypergeom(sizes[0] + sizes[1], parts[0] + parts[1], sizes[1])
    smaller = np.minimum(table.cdf(parts[1]), table.sf(parts[1] - 1))
    return np.asarray(np.minimum(2 * smaller, 1), dtype=np.float64)


def find_discoveries(
    p_values: ArrayLike,
    effects: ArrayLike | None = None,
    *,
    minimum_effect: float = 0.0,
    false_discovery_rate: float = 0.05,
) -> pd.DataFrame:
    """One row a comparison, in the given order: p_value, adjusted_p_value, effect, is_discovery.

    Adjusted as Benjamini and Hochberg 1995 do (`statsmodels` `multipletests`, fdr_bh) over the comparisons that have a
    p-value; a NaN stays NaN and is none. A discovery also has an effect of `minimum_effect` or more in size.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if np.any((p < 0) | (p > 1)):
        raise MiningError("A p-value lies between 0 and 1.", found=f"{p[(p < 0) | (p > 1)][0]:g}")
    sizes = np.full(p.shape, np.nan) if effects is None else np.asarray(effects, dtype=np.float64)
    known, adjusted = np.isfinite(p), np.full(p.shape, np.nan)
    if known.any():
        adjusted[known] = multipletests(p[known], method="fdr_bh")[1]
    is_large = np.ones(p.shape, dtype=bool) if effects is None else np.abs(sizes) >= minimum_effect
    found = (adjusted <= false_discovery_rate) & is_large
    return pd.DataFrame({"p_value": p, "adjusted_p_value": adjusted, "effect": sizes, "is_discovery": found})


def bootstrap_interval(
    contributions: Any,
    statistic: Callable[[FloatArray], FloatArray],
    *,
    counts: ArrayLike | None = None,
    customers: Sequence[Any] | NDArray[Any] | None = None,
    plan: Resampling | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Low and high ends (percentiles; Efron 1979) of a statistic of totals, customers drawn with replacement.

    `contributions` has one column a total (dense or sparse). Row i happened counts[i] times (default 1): to customers[i],
    or without `customers` to so many customers once each. `statistic` turns totals (draws x columns) into numbers (draws
    x outputs). Draws in which an output is NaN do not count for it; where none is left its ends are NaN.
    """
    rows, plan = sparse.csr_array(contributions), plan or Resampling()
    alike = np.ones(rows.shape[0]) if counts is None else np.asarray(counts, dtype=np.float64)
    if not alike.sum():
        raise MiningError("A bootstrap needs at least one customer.")
    if customers is not None:
        rows = sum_by_customer(rows, alike, customers)
        alike = np.ones(rows.shape[0])
    drawn = [statistic(np.asarray(weights @ rows)) for weights in _draw_weights(alike, plan)]
    if not drawn:
        nothing = np.full(statistic(np.asarray(alike @ rows)[None, :]).shape[1], np.nan)
        return nothing, nothing
    return _percentiles(np.concatenate(drawn), plan.level)


def median_with_interval(
    values: ArrayLike, customers: Sequence[Any] | None = None, plan: Resampling | None = None
) -> Estimate:
    """The exact median of the values that are not NaN, with its interval.

    With independent values the ends are order statistics (`scipy.stats.quantile_test`, Conover 1999), NaN where too few
    values reach the level. With `customers`, one for each value, whole customers are drawn (bootstrap percentiles).
    """
    given, plan = np.asarray(values, dtype=np.float64), plan or Resampling()
    known = ~np.isnan(given)
    kept = given[known]
    if not len(kept):
        return Estimate(np.nan, np.nan, np.nan, 0)
    if customers is None:
        ends = stats.quantile_test(kept, q=float(np.median(kept)), p=0.5).confidence_interval(plan.level)
        return Estimate(float(np.median(kept)), float(ends.low), float(ends.high), len(kept))
    codes, names = pd.factorize(np.asarray(customers, dtype=object)[known], sort=True)
    order = np.argsort(kept, kind="stable")
    medians = [
        _weighted_medians(kept[order], weights[:, codes[order]])
        for weights in _draw_weights(np.ones(len(names)), plan, len(kept))
    ]
    low, high = _percentiles(np.concatenate([*medians, np.empty(0)])[:, None], plan.level)
    return Estimate(float(np.median(kept)), float(low[0]), float(high[0]), len(kept))


def score_forecasts(
    forecasts: FloatArray, outcomes: FloatArray, totals: FloatArray, baseline: FloatArray
) -> Calibration:
    """The calibration of forecasts (situations x symbols), given how often each symbol then came (the same shape).

    `totals` counts each situation's outcomes, symbols that no forecast names among them; `baseline` is one forecast for
    all situations.
    """
    count = float(totals.sum())
    brier, plain = (
        float((totals @ (p**2).sum(axis=1) - 2 * (p * outcomes).sum() + count) / count)
        for p in (forecasts, np.broadcast_to(baseline, forecasts.shape))
    )
    best = outcomes[np.arange(len(outcomes)), forecasts.argmax(axis=1)].sum()
    skill = 1 - brier / plain if plain else np.nan
    table = _tabulate_reliability(forecasts, outcomes, totals)
    return Calibration(count, brier, plain, skill, float(best / count), table)


def _tabulate_reliability(forecasts: FloatArray, outcomes: FloatArray, totals: FloatArray) -> pd.DataFrame:
    """Forecast and observed rates by tenth of forecast probability; tenths without a forecast are left out."""
    tenths = np.minimum((forecasts * 10).astype(int), 9)
    times = np.broadcast_to(totals[:, None], forecasts.shape)
    counts, forecast, came = (
        np.bincount(tenths.ravel(), weights=numbers.ravel(), minlength=10)
        for numbers in (times, times * forecasts, outcomes)
    )
    low, high = wilson_interval(came, counts)
    found = {
        "bin_low": np.arange(10) / 10,
        "bin_high": np.arange(1, 11) / 10,
        "forecast_count": counts,
        "mean_forecast": forecast / np.where(counts, counts, np.nan),
        "observed_rate": came / np.where(counts, counts, np.nan),
        "observed_low": low,
        "observed_high": high,
    }
    return pd.DataFrame(found)[counts > 0].reset_index(drop=True)


def suppress_small_cells(
    frame: pd.DataFrame, count_column: str, columns: Sequence[str], min_cell: int = 5
) -> pd.DataFrame:
    """A copy in which the count and `columns` are missing wherever the count is 1 to min_cell - 1; 0 stays.

    What a total gives away by subtraction is not hidden here: see `report.suppression`.
    """
    counts = frame[count_column]
    is_small = (counts > 0) & (counts < min_cell)
    hidden = [count_column, *columns]
    return frame.assign(**{name: frame[name].mask(is_small) for name in hidden})


def estimate_nps(scores: ArrayLike) -> NetPromoterScore:
    """Promoters (9, 10) minus detractors (0 to 6) in points of all answers, with a normal 95 % interval.

    Missing answers are left out. Source: Reichheld 2003. Raises MiningError outside 0 to 10.

    >>> estimate_nps([10, 10, 9, 9, 9, 8, 7, 5, 3, 0]).value
    20.0
    """
    known = _read_scores(scores, 0, 10)
    points = np.select([known >= 9, known <= 6], [100.0, -100.0], 0.0)
    mean = _estimate_mean(points)
    promoters, detractors = int((points > 0).sum()), int((points < 0).sum())
    return NetPromoterScore(
        mean.value,
        mean.low,
        mean.high,
        mean.count,
        promoter_count=promoters,
        passive_count=mean.count - promoters - detractors,
        detractor_count=detractors,
    )


def estimate_csat(scores: ArrayLike, score_min: float, score_max: float) -> Estimate:
    """The share (0 to 1) of answers in the top two of the scale, with Wilson's 95 % interval.

    Of a scale with fewer than four answers the top one counts, as in the table `feedback`.

    >>> estimate_csat([5, 4, 3, 1], 1, 5).value
    0.5
    """
    known = _read_scores(scores, score_min, score_max)
    lowest_top = score_max - (1 if score_max - score_min >= 3 else 0)
    top = int((known >= lowest_top).sum())
    low, high = wilson_interval(top, len(known))
    return Estimate(top / len(known) if len(known) else np.nan, float(low), float(high), len(known))


def estimate_ces(scores: ArrayLike, score_min: float, score_max: float) -> Estimate:
    """The mean answer on its own scale, with a normal 95 % interval.

    >>> estimate_ces([2, 4, 6], 1, 7).value
    4.0
    """
    return _estimate_mean(_read_scores(scores, score_min, score_max))


def _read_scores(scores: ArrayLike, score_min: float, score_max: float) -> FloatArray:
    """The answers that are not missing; raises MiningError for one outside the scale."""
    given = np.asarray(pd.to_numeric(pd.Series(scores)), dtype=np.float64)
    known: FloatArray = given[~np.isnan(given)]
    outside = known[(known < score_min) | (known > score_max)]
    if len(outside):
        scale = f"{score_min:g} to {score_max:g}"
        raise MiningError("A score lies outside its scale.", found=f"{outside[0]:g}", expected=scale)
    return known


def _estimate_mean(known: FloatArray) -> Estimate:
    """The mean with a normal interval; the interval is NaN for fewer than two answers."""
    if len(known) < 2:
        return Estimate(float(known[0]) if len(known) else np.nan, np.nan, np.nan, len(known))
    low, high = DescrStatsW(known).zconfint_mean()
    return Estimate(float(known.mean()), float(low), float(high), len(known))


def sum_by_customer(rows: Any, weights: NDArray[Any], customers: Sequence[Any] | NDArray[Any]) -> Any:
    """The rows of each customer, in sorted order, summed as often as `weights` says; raises MiningError."""
    known = customers if isinstance(customers, np.ndarray) else np.asarray(customers, dtype=object)
    codes, names = pd.factorize(known, sort=True)
    if (codes < 0).any():
        raise MiningError(
            "A bootstrap over customers needs the customer of every row.", found="a row without"
        )
    return sparse.csr_array((weights, (codes, np.arange(len(codes)))), shape=(len(names), len(codes))) @ rows


def _draw_weights(counts: FloatArray, plan: Resampling, width: int = 0) -> Iterator[FloatArray]:
    """How often each customer is drawn (draws x customers), in blocks that fit into memory."""
    generator, total = np.random.default_rng(plan.seed), int(counts.sum())
    owners = np.repeat(np.arange(len(counts)), counts.astype(int)) if total <= 20 * len(counts) else None
    block = max(1, _CELLS_AT_ONCE // max(len(counts), width))
    for done in range(0, plan.resamples if total else 0, block):
        size = min(block, plan.resamples - done)
        if owners is not None:
            # Many times faster than a multinomial over nearly as many cells as there are customers.
            chosen = (owners[generator.integers(total, size=total)] for _ in range(size))
            yield np.stack([np.bincount(one, minlength=len(counts)) for one in chosen]).astype(np.float64)
        else:
            yield generator.multinomial(total, counts / total, size=size).astype(np.float64)


def _percentiles(drawn: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Low and high percentiles of each column, NaN draws left out; NaN where none is left."""
    tail, ends = (1 - level) / 2, np.full((2, drawn.shape[1]), np.nan)
    known = ~np.isnan(drawn).all(axis=0) if len(drawn) else np.zeros(drawn.shape[1], dtype=bool)
    if known.any():
        ends[:, known] = np.nanquantile(drawn[:, known], [tail, 1 - tail], axis=0)
    return ends[0], ends[1]


def _weighted_medians(ordered: FloatArray, weights: FloatArray) -> FloatArray:
    """The median of each draw (draws x values) of the sorted values; halfway between two middle ones."""
    reached = np.cumsum(weights, axis=1)
    half = reached[:, -1:] / 2
    lower, upper = (reached < half).sum(axis=1), (reached <= half).sum(axis=1)
    last = len(ordered) - 1
    medians: FloatArray = (ordered[np.minimum(lower, last)] + ordered[np.minimum(upper, last)]) / 2
    return np.where(reached[:, -1] > 0, medians, np.nan)
