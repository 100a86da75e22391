"""The sample company, published once for the tests that compare it with its planted truth."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from journey_mining.pipeline import run_all
from journey_mining.runs import RunContext

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """A published run on a copy of data/sample."""
    folder = tmp_path_factory.mktemp("sample") / "company"
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("journeys"))
    return run_all(folder / "journey.yaml")
