"""The incidents of a shop's log that are known to be in it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import journey_mining as jm

pytestmark = pytest.mark.real_data


def test_the_gateway_failure_ranks_first_and_the_checkout_bug_is_dated(shared_data: Path) -> None:
    """Both incidents are candidates of their weeks; only the first is large enough to be claimed of 600 customers."""
    events = pd.read_csv(shared_data / "logs" / "retentioneering_ecom" / "ecom.csv.gz")
    events = events.rename(columns={"acquisition_channel": "channel"})
    names = {
        "customer_id": "user_id",
        "occurred_at": "timestamp",
        "touchpoint": "event",
        "session": "session_id",
    }
    found = jm.from_events(events, **names, goal="purchase").pain_points(candidates=True)
    assert found["signal"].iloc[0] == "payment_error"
    assert found["is_claimed"].iloc[0]
    errors = found[found["kind"] == "error"].set_index("signal")
    assert errors.loc["payment_error", "difference"] > 0.15
    assert f"{errors.loc['payment_error', 'first_at']:%Y-%m-%d}" == "2024-05-19"
    assert f"{errors.loc['payment_error', 'last_at']:%Y-%m-%d}" == "2024-06-08"
    assert f"{errors.loc['checkout_bug', 'first_at']:%Y-%m-%d}" == "2024-04-13"
    assert f"{errors.loc['checkout_bug', 'last_at']:%Y-%m-%d}" == "2024-05-09"
    assert errors.loc["checkout_bug", "difference"] > 0.05
