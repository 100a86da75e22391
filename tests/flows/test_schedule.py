"""The schedule fires with a real server, and neither a killed run nor a killed scheduler keeps the next run from starting."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from journey_mining.config import load_config
from journey_mining.publication import Home, locked

import nightly as nightly_module


@pytest.fixture
def minutely(shop: Path) -> Path:
    """The shop's journey.yaml with a run every minute."""
    shop.write_text(shop.read_text(encoding="utf-8") + "schedule: {cron: '* * * * *'}\n", encoding="utf-8")
    return shop


@contextmanager
def serving(config: Path, messages: IO[bytes] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler of its own process while the block runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, str(Path(nightly_module.__file__)), "--config", str(config), "--serve"]
    process = subprocess.Popen(command, env=environment, stderr=messages)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def wait_until(
    holds: Callable[[], bool], process: subprocess.Popen[bytes] | None = None, seconds: int = 240
) -> None:
    """Return as soon as something holds; fail when that takes too long or the process ends."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert process is None or process.poll() is None, "the scheduler ended"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def last_run(config: Path) -> dict[str, object]:
    """What the last run noted, empty before the first."""
    with suppress(FileNotFoundError):
        return dict(json.loads((config.parent / "journeys" / "private" / "last_run.json").read_text()))
    return {}


def kill_a_run(config: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait for a run to be at work, and kill its process."""
    wait_until(lambda: last_run(config).get("state") == "running", process)
    os.kill(int(str(last_run(config)["pid"])), signal.SIGKILL)
    assert not (config.parent / "journeys" / "current").exists()


def is_published(config: Path) -> bool:
    """Whether there is a report."""
    return (config.parent / "journeys" / "current" / "report" / "index.html").is_file()


def processes_of(config: Path) -> list[int]:
    """The living processes whose environment names the private folder of the home (Linux)."""
    mark = str(config.parent / "journeys" / "private").encode()
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit() and mark in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


@pytest.mark.slow
def test_schedule_fires(minutely: Path) -> None:
    """`--serve` starts a run at the time of the schedule, and leaves no server behind when it is stopped."""
    with serving(minutely) as process:
        wait_until(lambda: is_published(minutely), process)
        wait_until(lambda: last_run(minutely).get("state") in ("published", "warned"), process)
    wait_until(lambda: processes_of(minutely) == [], seconds=30)


@pytest.mark.slow
def test_a_killed_run_does_not_block_the_next(minutely: Path) -> None:
    """The scheduler goes on, and the next run publishes."""
    with serving(minutely) as process:
        kill_a_run(minutely, process)
        wait_until(lambda: is_published(minutely), process)


@pytest.mark.slow
def test_a_killed_scheduler_does_not_block_the_next_night(minutely: Path) -> None:
    """Its run stays Running in Prefect for ever; its server ends with it, and a new scheduler publishes."""
    with serving(minutely) as process:
        wait_until(lambda: last_run(minutely).get("state") == "running", process)
        process.kill()
        with suppress(ProcessLookupError):
            os.kill(int(str(last_run(minutely)["pid"])), signal.SIGKILL)
    assert not is_published(minutely)
    wait_until(lambda: processes_of(minutely) == [], seconds=30)
    with serving(minutely) as process:
        wait_until(lambda: is_published(minutely), process)
        caught_up = last_run(minutely)["run_id"]
        wait_until(lambda: last_run(minutely)["run_id"] != caught_up, process)


@pytest.mark.slow
def test_a_missed_night_is_caught_up(shop: Path) -> None:
    """When a time of the schedule passed while nothing served, a run starts at once."""
    nightly_module.nightly(str(shop))
    first = last_run(shop)
    date_last_run(shop, datetime.now(UTC) - timedelta(days=400))
    shop.write_text(shop.read_text(encoding="utf-8") + "schedule: {cron: '0 3 1 1 *'}\n", encoding="utf-8")
    with serving(shop) as process:
        wait_until(lambda: last_run(shop)["run_id"] != first["run_id"], process)
        wait_until(lambda: last_run(shop)["state"] != "running", process)
    assert last_run(shop)["state"] in ("published", "warned")


def date_last_run(config: Path, started_at: datetime) -> None:
    """Have the last run noted as begun at another time."""
    file = config.parent / "journeys" / "private" / "last_run.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"run_id": "r1", "state": "published", **last_run(config), "started_at": str(started_at)})
    )


@pytest.mark.parametrize(
    ("cron", "ago", "expected"),
    [
        ("0 3 * * *", timedelta(hours=25), True),
        ("0 3 * * *", timedelta(seconds=5), False),
        ("* * * * *", timedelta(seconds=50), False),
        ("* * * * *", timedelta(minutes=3), True),
    ],
)
def test_a_run_is_due_when_its_time_passed(shop: Path, cron: str, ago: timedelta, expected: bool) -> None:
    """Between the beginning of the last run and now, in the configured time zone; before the first run, never."""
    shop.write_text(f"{shop.read_text(encoding='utf-8')}schedule: {{cron: '{cron}'}}\n", encoding="utf-8")
    assert not nightly_module.is_due(load_config(shop))
    date_last_run(shop, datetime.now(UTC) - ago)
    assert nightly_module.is_due(load_config(shop)) is expected


@pytest.mark.slow
def test_a_refused_run_is_told(minutely: Path, tmp_path: Path) -> None:
    """A scheduled run that the lock refuses, and one whose exports are gone, say so where the scheduler's messages go."""
    messages = tmp_path / "messages"
    with messages.open("wb") as told, serving(minutely, told) as process:
        with locked(Home(load_config(minutely).home_dir), "other"):
            wait_until(lambda: "LockError: Another run is at work" in messages.read_text(), process)
            (minutely.parent / "shop.csv").unlink()
        wait_until(lambda: "SourceError: " in messages.read_text(), process)
