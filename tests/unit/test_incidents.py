"""Incidents: found where errors come in a burst, not where there are more customers, more checkouts, or more newcomers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.analysis.incidents import write_occasions
from journey_mining.mining.incidents import estimate_incidents
from journey_mining.mining.pain_points import PainRules

DAY = 86_400


def draw_occasions(seed: int, burst: float = 1.0, customers: int = 800, days: int = 180) -> pd.DataFrame:
    """Occasions of a world in which an error is met at a constant rate at each place, from day 90 to 104 `burst` times.

    Customers differ in how easily they meet it, newcomers meet it three times as often, there are four times as many
    customers a day at the end as at the beginning, most newcomers arrive in one campaign, and checkouts, after which
    the error is ten times as frequent, triple in the last third.
    """
    rng = np.random.default_rng(seed)
    begin = np.where(
        rng.random(customers) < 0.4, rng.integers(100, 110, customers), rng.integers(0, days, customers)
    )
    ease = rng.gamma(2, 0.5, customers)
    count = 12 * customers
    customer = rng.integers(0, customers, count)
    weight = np.linspace(1, 4, days)
    day = rng.choice(days, count, p=weight / weight.sum())
    rows = pd.DataFrame({"customer": customer, "day_number": day})[day >= begin[customer]].drop_duplicates()
    rows["is_first_day"] = rows.groupby("customer")["day_number"].transform("min") == rows["day_number"]
    at_checkout = rng.random(len(rows)) < np.where(rows["day_number"] > 120, 0.3, 0.1)
    rows["place"] = np.where(at_checkout, "checkout", "shop")
    chance = (
        0.004 * ease[rows["customer"]] * np.where(at_checkout, 10, 1) * np.where(rows["is_first_day"], 3, 1)
    )
    chance *= np.where(rows["day_number"].between(90, 104), burst, 1)
    rows["met_count"] = rng.random(len(rows)) < chance
    rows = rows.sort_values("day_number", kind="stable")
    before = rows.groupby("customer")["met_count"].cumsum() - rows["met_count"]
    exposed = rows[before == 0].assign(signal="error", occasion_count=1)
    cell = ["signal", "day_number", "place", "is_first_day"]
    return exposed.groupby(cell, as_index=False)[["occasion_count", "met_count"]].sum()


def claim(occasions: pd.DataFrame) -> bool:
    """Whether an incident would be claimed if it were the only candidate."""
    rules, found = PainRules(), estimate_incidents(occasions)
    is_claimed = (found["p_value"] <= 0.05) & (found["rate_ratio"] >= rules.minimum_burst)
    return bool((is_claimed & (found["customers"] >= rules.min_customers)).any())


def test_worlds_without_an_incident_have_none() -> None:
    """With a growing shop, a campaign and a season of checkouts in each of 200 worlds, at most 5 % would be claimed."""
    assert sum(claim(draw_occasions(seed)) for seed in range(200)) <= 10


def test_a_planted_burst_is_found_and_dated() -> None:
    """Twelve times as many for two weeks: found in every one of twenty worlds, most of its days within the span."""
    for seed in range(20):
        occasions = draw_occasions(seed, burst=12)
        (found,) = estimate_incidents(occasions).to_dict("records")
        assert claim(occasions)
        assert found["rate_ratio"] > 4
        assert 85 <= found["first_day"] <= 95
        assert 99 <= found["last_day"] <= 109


def test_the_numbers_by_hand() -> None:
    """Ten occasions a day for ten days; one meets the error on most days, six and seven on the fourth and fifth."""
    met = [1, 0, 1, 6, 7, 1, 0, 1, 0, 1]
    occasions = pd.DataFrame(
        {"signal": "error", "day_number": range(100, 110), "place": "cart", "is_first_day": False,
         "occasion_count": 10, "met_count": met}
    )  # fmt: skip
    (found,) = estimate_incidents(occasions).to_dict("records")
    assert (found["customers"], found["first_day"], found["last_day"]) == (13, 103, 104)
    assert found["expected"] == pytest.approx(18 * 2 / 10)
    assert found["rate_ratio"] == pytest.approx((13 / 20) / (5 / 80))
    assert 1e-6 < found["p_value"] < 1e-3


def test_what_lasts_for_most_of_the_log_is_no_incident() -> None:
    """A span holds half of what is expected at most, and nobody who met the error is none either."""
    occasions = pd.DataFrame(
        {"signal": ["a"] * 4 + ["b"] * 4, "day_number": [*range(4)] * 2, "place": "cart", "is_first_day": False,
         "occasion_count": 10, "met_count": [3, 3, 3, 3, 0, 0, 0, 0]}
    )  # fmt: skip
    assert estimate_incidents(occasions).empty
    assert estimate_incidents(occasions.head(0)).empty


def test_a_long_log_is_scanned_in_bins_of_days() -> None:
    """Three years of days, with a burst of ten days in the second: its days are within the bins that are named."""
    rng = np.random.default_rng(1)
    day = np.arange(1100)
    met = rng.binomial(50, np.where((day >= 500) & (day < 510), 0.2, 0.004))
    occasions = pd.DataFrame(
        {"signal": "error", "day_number": day, "place": "cart", "is_first_day": False, "occasion_count": 50, "met_count": met}
    )  # fmt: skip
    (found,) = estimate_incidents(occasions).to_dict("records")
    assert 497 <= found["first_day"] <= 500
    assert 509 <= found["last_day"] <= 512
    assert found["p_value"] < 1e-9


def load(rows: list[tuple[Any, ...]]) -> Any:
    """Events (customer, day, touchpoint) in memory; a day's fraction is its time."""
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint"])
    frame["occurred_at"] *= DAY
    return jm.from_events(frame, goal="buy", repeats="collapse")


def test_occasions_end_with_the_first_meeting() -> None:
    """A customer is at a place once a day, and after the first meeting with the error no more."""
    snapshot = load([
        (1, 0, "cart"), (1, 0.01, "shop"), (1, 0.02, "cart"), (1, 0.03, "card error"), (1, 1, "cart"), (1, 1.01, "card error"),
        (2, 0, "shop"), (2, 1, "card error"),
    ])  # fmt: skip
    found = snapshot.sql(write_occasions(snapshot._log, ["card error"]))
    columns = ["day_number", "place", "is_first_day", "occasion_count", "met_count"]
    assert found[columns].to_numpy().tolist() == [
        [0, "__start__", True, 2, 0],
        [0, "cart", True, 1, 1],
        [0, "shop", True, 2, 0],
        [1, "__start__", False, 1, 1],
    ]


def test_days_before_1970_are_days_too() -> None:
    """The evening before is another day than the morning after."""
    snapshot = load([(1, -0.5, "cart"), (1, 0.25, "cart"), (1, 0.26, "card error")])
    found = snapshot.sql(write_occasions(snapshot._log, ["card error"]))
    assert found["day_number"].unique().tolist() == [-1, 0]


def burst(is_planted: bool) -> list[tuple[Any, ...]]:
    """Carts of 1,000 customers over 100 days; an error that costs nothing is met by 6 in 100, or by most for a week."""
    rng = np.random.default_rng(3)
    rows: list[tuple[Any, ...]] = []
    for customer in range(1000):
        start = float(rng.integers(0, 90)) + 0.3
        rows += [(customer, start, "shop"), (customer, start + 0.001, "cart")]
        if rng.random() < (0.8 if is_planted and 40 <= start < 47 else 0.06):
            rows.append((customer, start + 0.002, "card error"))
        if rng.random() < 0.4:
            rows.append((customer, start + 0.003, "buy"))
    return [*rows, (0, 100, "shop")]


def test_an_incident_is_a_pain_point_even_if_it_cost_nothing() -> None:
    """It is claimed for being frequent, with its dates; what it cost stands beside it, with zero in the interval."""
    (found,) = load(burst(is_planted=True)).pain_points().to_dict("records")
    assert (found["kind"], found["signal"], found["touchpoint"]) == ("incident", "card error", "card error")
    assert (found["first_at"], found["last_at"]) == (pd.Timestamp("1970-02-10"), pd.Timestamp("1970-02-16"))
    assert found["low"] < 0 < found["high"]
    assert found["at_stake_low"] == 0
    assert found["customers"] > 40


def test_without_a_burst_there_is_no_incident() -> None:
    """The same events with the error at one rate: nothing is claimed."""
    assert load(burst(is_planted=False)).pain_points().empty
