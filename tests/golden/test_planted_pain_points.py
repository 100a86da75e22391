"""The sample company at a size at which every planted failure shows, and its twin without any."""

from __future__ import annotations

from pathlib import Path

import pytest

import journey_mining as jm
from journey_mining.pipeline import run_all
from journey_mining.sample.company import write_company
from journey_mining.sample.effects import PlantedEffects

SAME = PlantedEffects()
NO_EFFECT = PlantedEffects(
    completion_rate_after_error=SAME.completion_rate,
    assist_factor=1.0,
    slow_checkout_factor=1.0,
    good_rating_rate_slow=SAME.good_rating_rate_fast,
)

pytestmark = pytest.mark.slow


def find(folder: Path, seed: int, effects: PlantedEffects) -> list[str]:
    """The pain points of a company of 4,000 customers, the worst first."""
    write_company(folder, 4_000, 100, seed, effects=effects)
    run_all(folder / "journey.yaml")
    with jm.open(folder / "journeys") as snapshot:
        return [str(name) for name in snapshot.pain_points()["signal"]]


def test_both_planted_failures_are_found(tmp_path: Path) -> None:
    """The payment that fails first, and the answer that takes more than two days."""
    found = find(tmp_path, 11, PlantedEffects())
    assert found[0] == "checkout error"
    assert "support request: no answer within 2 days" in found[1:]
    assert len(found) == 2


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_without_planted_failures_nothing_is_claimed(tmp_path: Path, seed: int) -> None:
    """Errors still happen, answers still take days, and leads still take another way, but nothing keeps anybody from
    buying who would have bought."""
    assert find(tmp_path, seed, NO_EFFECT) == []
