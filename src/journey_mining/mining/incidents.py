"""Incidents: times at which customers met an error far more often than at other times, given where they were.

A scan over all spans of days (Kulldorff 1997, "A spatial scan statistic", in one dimension): of the customers who met
the error, how many did so within the span, against how many were to be expected from the occasions of these days. An
occasion is a customer at a place on a day, before the customer had met the error; places differ in how often an error
follows them, and so do a customer's first and later days, so that more checkouts, or more new customers, are no incident.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from journey_mining.mining.statistics import FloatArray

COLUMNS = ["signal", "customers", "expected", "rate_ratio", "first_day", "last_day", "p_value"]
MAX_BINS = 400
"""Longer logs are scanned in bins of several days."""


def estimate_incidents(occasions: pd.DataFrame) -> pd.DataFrame:
    """One row an error: the span of days that stands out most, by likelihood.

    `occasions` is the answer to analysis.incidents. `customers` met the error for the first time within the span, where
    `expected` ones would have at the rates of the whole log; `rate_ratio` compares the span with all other days;
    `first_day` and `last_day` are numbers of days since 1970, UTC. A span holds half of what is expected at most: what
    lasts longer is no incident. The p-value is binomial, times the number of all spans (Bonferroni), hence conservative.
    """
    rows = [_scan(str(signal), part) for signal, part in occasions.groupby("signal", sort=True)]
    return pd.DataFrame([row for row in rows if row is not None], columns=COLUMNS)


def _scan(signal: str, occasions: pd.DataFrame) -> tuple[object, ...] | None:
    """The span of one error; None where nobody met it."""
    total = int(occasions["met_count"].sum())
    if not total:
        return None
    days, met, expected = _bin_days(occasions)
    inside, usual = _sum_spans(met), _sum_spans(expected)
    gain = _likelihood_gain(inside, usual, total)
    if not (gain > 0).any():
        return None
    first, last = np.unravel_index(int(gain.argmax()), gain.shape)
    count, mean = inside[first, last], usual[first, last]
    spans = len(days) * (len(days) + 1) / 2
    tail = float(stats.binom.sf(count - 1, total, mean / total))
    outside = (total - count) / (total - mean)
    ratio = count / mean / outside if outside else np.inf
    seen = np.flatnonzero(met[first : last + 1]) + first
    ends = days[seen[0], 0], days[seen[-1], 1]
    return (signal, int(count), float(mean), float(ratio), int(ends[0]), int(ends[1]), min(1.0, tail * spans))


def _bin_days(occasions: pd.DataFrame) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """By bin of days: its ends, who met the error, and how many were to be expected there."""
    strata = occasions.groupby(["place", "is_first_day"])[["met_count", "occasion_count"]].transform("sum")
    expected = occasions["occasion_count"] * strata["met_count"] / strata["occasion_count"]
    day = occasions["day_number"].to_numpy(dtype=np.int64)
    width = -(-(int(day.max() - day.min()) + 1) // MAX_BINS)
    place = (day - day.min()) // width
    size = int(place.max()) + 1
    begins = day.min() + np.arange(size) * width
    days = np.column_stack([begins, begins + width - 1]).astype(np.int64)
    return (
        days,
        np.bincount(place, occasions["met_count"], size).astype(np.float64),
        np.bincount(place, expected, size).astype(np.float64),
    )


def _sum_spans(values: FloatArray) -> FloatArray:
    """Sums from each bin (row) to each bin (column); 0 where the last comes before the first."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(np.triu(sums[None, 1:] - sums[:-1, None]), dtype=np.float64)


def _likelihood_gain(inside: FloatArray, usual: FloatArray, total: int) -> FloatArray:
    """The log likelihood ratio of every span with more than expected, and half of what is expected at most; else 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        within = inside * np.log(inside / usual)
        outside = np.where(inside < total, (total - inside) * np.log((total - inside) / (total - usual)), 0)
    fits = (inside > usual) & (usual > 1e-9) & (usual <= total / 2)
    return np.asarray(np.where(fits, within + outside, 0), dtype=np.float64)
