"""The incidents of a shop's log that are known to be in it, and the same log without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.snapshot import Snapshot

pytestmark = pytest.mark.real_data

ERRORS = ["checkout_bug", "payment_error", "error_page"]


@pytest.fixture(scope="module")
def shop_events(shared_data: Path) -> pd.DataFrame:
    """The web events of 600 customers."""
    events = pd.read_csv(shared_data / "logs" / "retentioneering_ecom" / "ecom.csv.gz")
    return events.rename(
        columns={
            "acquisition_channel": "channel",
            "user_id": "customer_id",
            "timestamp": "occurred_at",
            "event": "touchpoint",
        }
    )


def open_shop(events: pd.DataFrame) -> Snapshot:
    """The events as a snapshot, with the source's own sessions."""
    return jm.from_events(events, session="session_id", goal="purchase")


def test_the_gateway_failure_and_the_checkout_bug_are_found_and_dated(shop_events: pd.DataFrame) -> None:
    """The failure is claimed for the conversions that it cost; the bug, met by 30 customers, for its sudden frequency."""
    found = open_shop(shop_events).pain_points()
    assert found[["kind", "signal"]].to_numpy().tolist() == [
        ["error", "payment_error"],
        ["incident", "checkout_bug"],
    ]
    days = [[f"{row.first_at:%Y-%m-%d}", f"{row.last_at:%Y-%m-%d}"] for row in found.itertuples()]
    assert days == [["2024-05-19", "2024-06-08"], ["2024-04-13", "2024-05-09"]]
    assert found["difference"].iloc[0] > 0.15
    assert found["q_value"].max() < 0.001


def test_the_bug_s_cost_is_not_claimed(shop_events: pd.DataFrame) -> None:
    """Thirty customers are too few to say what it cost: fewer of them bought, and zero is within the interval."""
    found = open_shop(shop_events).pain_points(candidates=True).set_index(["kind", "signal"])
    bug = found.loc[("error", "checkout_bug")]
    assert not bug["is_claimed"]
    assert bug["low"] < 0 < bug["difference"]
    assert found.loc[("incident", "checkout_bug"), "at_stake_low"] == 0


def scatter_errors(events: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same log with its errors at random other places: neither an incident nor an effect is left."""
    rng = np.random.default_rng(seed)
    touchpoints = events["touchpoint"].to_numpy(dtype=object, copy=True)
    errors = np.flatnonzero(np.isin(touchpoints, ERRORS))
    others = rng.choice(
        np.flatnonzero(~np.isin(touchpoints, [*ERRORS, "purchase"])), len(errors), replace=False
    )
    touchpoints[errors], touchpoints[others] = touchpoints[others], touchpoints[errors]
    return events.assign(touchpoint=touchpoints)


def test_without_its_incidents_nothing_is_claimed_of_the_log(shop_events: pd.DataFrame) -> None:
    """Of ten such logs no more than two claim anything (at 5 % false discoveries, three would have a chance of 1 %)."""
    claims = [open_shop(scatter_errors(shop_events, seed)).pain_points() for seed in range(10)]
    assert sum(not found.empty for found in claims) <= 2
    assert all("incident" not in set(found["kind"]) for found in claims)
