"""Real exports and known answers are read from outside the project; their tests say so when they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (JOURNEY_MINING_SHARED_DATA, or shared/data beside the checkout)."""
    named = os.environ.get("JOURNEY_MINING_SHARED_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is absent: no folder {folder} (name one in JOURNEY_MINING_SHARED_DATA)")
    return folder
