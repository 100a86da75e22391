"""Kaplan-Meier: the share converted by a time after the start, with those still open censored."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.duration.survfunc import SurvfuncRight

COLUMNS = ["seconds", "at_risk", "converted", "conversion", "low", "high"]


def estimate_conversion(waiting: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """One row a time at which someone converted: at_risk, converted, and the share converted by then with its interval.

    `waiting`: seconds, is_converted, unit_count. Kaplan and Meier 1958 through `statsmodels`' SurvfuncRight, with
    Greenwood's error of the logarithm (of counted units `statsmodels` gives another error); the interval is normal on
    the log-minus-log scale (Kalbfleisch and Prentice 1980), so that it stays within 0 and 1. attrs: unit_count, censored_count, median_seconds with median_low and median_high, NaN where not half
    of the units convert within what was seen.
    """
    empty: dict[Hashable, float] = {
        "unit_count": 0,
        "censored_count": 0,
        **dict.fromkeys(("median_seconds", "median_low", "median_high"), np.nan),
    }
    if waiting.empty or not waiting["is_converted"].any():
        found = pd.DataFrame(columns=COLUMNS, dtype=np.float64)
        total = int(waiting["unit_count"].sum()) if len(waiting) else 0
        found.attrs = {**empty, "unit_count": total, "censored_count": total}
        return found
    status = waiting["is_converted"].astype(int)
    counts = waiting["unit_count"].astype(float)
    # Statsmodels drops times of 0, where units convert at once: all times move a little, and back.
    fitted = SurvfuncRight(waiting["seconds"].astype(float) + 1, status, freq_weights=counts)
    survived = np.asarray(fitted.surv_prob)
    at_risk, ended = np.asarray(fitted.n_risk), np.asarray(fitted.n_events)
    with np.errstate(divide="ignore"):
        error = np.sqrt(np.cumsum(ended / (at_risk * (at_risk - ended))))
    low, high = _log_log_interval(survived, error, level)
    found = pd.DataFrame(
        {
            "seconds": np.asarray(fitted.surv_times) - 1,
            "at_risk": fitted.n_risk,
            "converted": fitted.n_events,
            "conversion": 1 - survived,
            "low": 1 - high,
            "high": 1 - low,
        }
    )
    found.attrs = {
        "unit_count": int(counts.sum()),
        "censored_count": int(counts[status == 0].sum()),
        "median_seconds": _reach_half(found, "conversion"),
        "median_low": _reach_half(found, "high"),
        "median_high": _reach_half(found, "low"),
    }
    return found


def _log_log_interval(survived: np.ndarray, error: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Low and high ends of the survival, from the error of its logarithm; NaN where nobody or everybody is left."""
    inner = (survived > 0) & (survived < 1) & np.isfinite(error)
    logs = np.log(np.where(inner, survived, 0.5))
    reach = norm.ppf((1 + level) / 2) * np.where(inner, error, 0) / np.abs(logs)
    ends = [np.where(inner, np.exp(logs * np.exp(sign * reach)), np.nan) for sign in (1, -1)]
    return ends[0], ends[1]


def _reach_half(found: pd.DataFrame, column: str) -> float:
    """The first time at which a share is one half or more."""
    reached = found.loc[found[column] >= 0.5 - 1e-12, "seconds"]
    return float(reached.iloc[0]) if len(reached) else float("nan")
