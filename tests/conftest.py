"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from depth import TIMES
from worlds import Lab

settings.register_profile(
    "journeys",
    max_examples=15 * TIMES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile(
    "unshrunk", settings.get_profile("journeys"), phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("journeys")


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One in-memory warehouse for the session: opening one takes longer than emptying it."""
    lab = Lab(tmp_path_factory.mktemp("lab") / "spill")
    yield lab
    lab.warehouse.connection.close()


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    """An empty in-memory warehouse."""
    shared_lab.reset()
    return shared_lab
