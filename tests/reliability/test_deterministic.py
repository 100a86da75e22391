"""The same input, configuration and cutoff give the same tables, whatever the machine is set to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shop import published

SETTINGS = [
    {"threads": "1", "TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "0"},
    {"threads": "2", "TZ": "America/St_Johns", "LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "1"},
    {"threads": "2", "TZ": "Pacific/Chatham", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2"},
]
"""What a machine may be set to; the first is compared with the others."""
CUTOFF = "2026-04-01T00:00:00Z"


def write_company(folder: Path, *size: str) -> Path:
    """The exports of a made-up company; returns the folder."""
    command = [sys.executable, "-m", "journey_mining.cli", "sample", *size, "--out", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def run_with(company: Path, number: int, settings: dict[str, str]) -> dict[str, str]:
    """What a run of its own process publishes, into a home of its own with a given key."""
    variables = {name: value for name, value in settings.items() if name != "threads"}
    text = (company / "journey.yaml").read_text(encoding="utf-8")
    config = company / f"journey{number}.yaml"
    config.write_text(
        text.replace("home: ./journeys", f"home: ./home{number}\nthreads: {settings['threads']}"),
        encoding="utf-8",
    )
    environment = {**os.environ, "JOURNEY_MINING_KEY": "5a" * 32, **variables}
    command = [sys.executable, "-m", "journey_mining.cli", "run", "--config", str(config), "--cutoff", CUTOFF]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return published(config)


def differing(company: Path) -> list[str]:
    """The tables that differ between runs under the settings above."""
    first, *others = [run_with(company, number, settings) for number, settings in enumerate(SETTINGS)]
    assert all(other.keys() == first.keys() for other in others)
    return sorted({name for other in others for name in first if other[name] != first[name]})


def test_a_small_company(tmp_path: Path) -> None:
    """Threads, time zone, locale and hash seed change nothing in any table, published or private."""
    assert differing(write_company(tmp_path / "company", "--customers", "120", "--days", "40")) == []


@pytest.mark.slow
def test_a_company_large_enough_for_several_threads(tmp_path: Path) -> None:
    """With several row groups a table, so that threads do share the work."""
    assert differing(write_company(tmp_path / "company", "--events", "400000")) == []
