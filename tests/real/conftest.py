"""Real exports and known answers are read from outside the project; their tests say so when they are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from worked_cases import ABSENT, find_shared_data


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; see worked_cases.find_shared_data."""
    folder = find_shared_data()
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: {ABSENT}")
    return folder
