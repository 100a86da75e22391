"""The backfill runs past cutoffs in order."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey_mining.errors import ConfigError

from backfill import backfill, list_cutoffs, parse_interval

DAY = timedelta(days=1)


def test_cutoffs_include_both_ends() -> None:
    """The first and the last day are both run, oldest first."""
    cutoffs = list_cutoffs(datetime(2026, 3, 1), datetime(2026, 3, 3), DAY)
    assert cutoffs == ["2026-03-01T00:00:00", "2026-03-02T00:00:00", "2026-03-03T00:00:00"]


def test_cutoffs_stop_before_the_end_is_passed() -> None:
    """A step that does not divide the span never runs past its end."""
    cutoffs = list_cutoffs(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC), 2 * DAY)
    assert cutoffs == ["2026-03-01T00:00:00+00:00", "2026-03-03T00:00:00+00:00"]


@pytest.mark.parametrize("every", [timedelta(0), DAY])
def test_nothing_to_run_is_an_error(every: timedelta) -> None:
    """An empty list of cutoffs is a mistake, not a success."""
    with pytest.raises(ConfigError, match="no cutoff"):
        list_cutoffs(datetime(2026, 3, 2), datetime(2026, 3, 1), every)


def test_mixed_offsets_are_an_error() -> None:
    """A local and an absolute time cannot be compared, so the user is told before anything runs."""
    with pytest.raises(ConfigError, match="offset"):
        list_cutoffs(datetime(2026, 3, 1), datetime(2026, 3, 2, tzinfo=UTC), DAY)


@pytest.mark.parametrize(("text", "expected"), [("12h", DAY / 2), ("1d", DAY), ("2w", 14 * DAY)])
def test_interval(text: str, expected: timedelta) -> None:
    """Hours, days and weeks are understood."""
    assert parse_interval(text) == expected


def test_interval_rejects_other_text() -> None:
    """Anything else is refused with an example."""
    with pytest.raises(argparse.ArgumentTypeError, match="12h"):
        parse_interval("daily")


def test_publishes_each_cutoff(shop: Path) -> None:
    """Each cutoff becomes a snapshot, and the last one is current."""
    report = Path(backfill(["2026-03-01T12:00:00+00:00", "2026-03-02T12:00:00+00:00"], str(shop)))
    home = shop.parent / "journeys"
    assert len([path for path in (home / "snapshots").iterdir() if path.is_dir()]) == 2
    assert (home / "current").resolve() in report.resolve().parents
