"""The parts that `make bench` measures still run: they take steps apart, which nothing else does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PARTS_FILE = Path(__file__).parents[1] / "benchmarks" / "parts.py"
EVENTS = 5_000
NIGHTS = 2


def run_part(folder: Path, part: str) -> dict[str, Any]:
    """The figures of one part over a little company."""
    task = {
        "part": part, "form": "parquet", "folder": str(folder), "events": EVENTS, "threads": 2, "memory_limit": "2GB",
        "nights": NIGHTS,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(PARTS_FILE), json.dumps(task)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.strip().rsplit("\n", 1)[-1])
    return figures


def test_the_parts_of_a_run_are_measured(tmp_path: Path) -> None:
    """Estimates are timed apart from the marts."""
    found = {part: run_part(tmp_path, part) for part in ("generate", "stage", "derive")}
    assert found["stage"]["events"] > EVENTS
    derived = found["derive"]
    assert derived["evidence_seconds"] > 0
    assert derived["page_bytes"] > derived["page_data_bytes"] > 0


@pytest.mark.slow
def test_nights_are_measured(tmp_path: Path) -> None:
    """A night reads less than everything, and its figures are those of the nights."""
    run_part(tmp_path, "generate")
    night = run_part(tmp_path, "night")
    first, before, after, quiet = (
        run["counts"]["read exports"]["records"]
        for run in (night["first"], *night["rebuilds"], night["quiet_night"])
    )
    read = [run["counts"]["read exports"]["records"] for run in night["nights"]]
    assert len(read) == NIGHTS
    assert after == before + sum(read) > before == first > max(read) >= min(read) > quiet == 0
    assert min(run["new_share"] for run in night["nights"]) > 0
    assert night["full_seconds"] * 2 == pytest.approx(sum(run["seconds"] for run in night["rebuilds"]))
    assert night["night_seconds"] * NIGHTS == pytest.approx(sum(run["seconds"] for run in night["nights"]))
