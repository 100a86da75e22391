"""What tells two segments of customers apart: every feature's rates, ranked, with corrected evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from journey_mining.analysis.log import EventLog
from journey_mining.analysis.segments import write_features, write_segment, write_sizes
from journey_mining.errors import QueryError
from journey_mining.mining.statistics import difference_intervals, exact_p_values, find_discoveries

Segment = str | Mapping[str, Any]
COLUMNS = [
    "kind", "feature", "rate_a", "rate_b", "difference", "low", "high", "shown_a", "n_a", "shown_b", "n_b", "p_value", "q_value",
    "is_distinguishing",
]  # fmt: skip


def compare_segments(
    log: EventLog,
    segment_a: Segment,
    segment_b: Segment | None = None,
    minimum_effect: float = 0.05,
    minimum_count: int = 5,
    false_discovery_rate: float = 0.05,
) -> tuple[pd.DataFrame, str]:
    """One row a feature, the distinguishing ones first and by the smallest difference that their interval allows.

    rate_a, rate_b: share of the segment's customers who show the feature; difference (a - b) with Newcombe's interval;
    exact p-value (Fisher), q_value by Benjamini and Hochberg over all features that `minimum_count` customers show.
    attrs: both_count, customers in both segments, who are left out. Raises QueryError, also for an empty segment.
    """
    condition = write_segment(log, segment_a)
    other = None if segment_b is None else write_segment(log, segment_b)
    log.require("customers")
    sizes = log.read(write_sizes(condition, other)).iloc[0]
    for name, column in (("segment_a", "a_count"), ("segment_b", "b_count")):
        if sizes[column] - sizes["both_count"] < 1:
            given = segment_a if name == "segment_a" else segment_b
            raise QueryError(
                f"{name} has no customers of its own.",
                found="everyone else" if given is None else str(given),
                fix="widen one or narrow the other",
            )
    query = write_features(log, condition, other)
    found = rank_features(log.read(query), minimum_effect, minimum_count, false_discovery_rate)
    found.attrs = {name: int(sizes[name]) for name in ("a_count", "b_count", "both_count")}
    return found, query


def rank_features(
    counts: pd.DataFrame, minimum_effect: float, minimum_count: int, false_discovery_rate: float
) -> pd.DataFrame:
    """The ranked features of counts (kind, feature, a_shown, a_count, b_shown, b_count)."""
    kept = counts[counts["a_shown"] + counts["b_shown"] >= minimum_count].reset_index(drop=True)
    if kept.empty:
        return pd.DataFrame(columns=COLUMNS)
    rate_a, rate_b = kept["a_shown"] / kept["a_count"], kept["b_shown"] / kept["b_count"]
    low, high = difference_intervals(rate_a, kept["a_count"], rate_b, kept["b_count"])
    judged = find_discoveries(
        exact_p_values(rate_a, kept["a_count"], rate_b, kept["b_count"]),
        rate_a - rate_b,
        minimum_effect=minimum_effect,
        false_discovery_rate=false_discovery_rate,
    )
    found = kept.rename(
        columns={"a_shown": "shown_a", "a_count": "n_a", "b_shown": "shown_b", "b_count": "n_b"}
    )
    found = found.assign(
        rate_a=rate_a,
        rate_b=rate_b,
        difference=rate_a - rate_b,
        low=low,
        high=high,
        p_value=judged["p_value"],
        q_value=judged["adjusted_p_value"],
        is_distinguishing=judged["is_discovery"],
        least=np.where((low > 0) | (high < 0), np.minimum(np.abs(low), np.abs(high)), 0),
    )
    order = ["is_distinguishing", "least", "p_value", "kind", "feature"]
    return found.sort_values(order, ascending=[False, False, True, True, True], ignore_index=True)[COLUMNS]
