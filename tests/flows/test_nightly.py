"""The nightly flow wraps the library's steps: it publishes, leaves artifacts, and hides no failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from prefect.artifacts import Artifact

from journey_mining.errors import AuditError
from journey_mining.pipeline import STEPS, Step

import nightly as nightly_module
import tasks
from nightly import main, nightly


def fail_with(error: Exception) -> Step:
    """A step that always raises `error`."""

    def run(context: Any) -> dict[str, int | float | str]:
        raise error

    return Step(name="fails", run=run, retries=0)


def test_publishes_and_leaves_artifacts(shop: Path) -> None:
    """A run of the flow publishes a report, and sums itself up with Prefect without naming a customer."""
    report = Path(nightly(str(shop)))
    assert report.name == "index.html"
    assert report.stat().st_size > 0
    assert (shop.parent / "journeys" / "current").resolve() in report.resolve().parents
    summary, audits = Artifact.get(tasks.SUMMARY_KEY), Artifact.get(tasks.AUDITS_KEY)
    assert summary is not None
    assert audits is not None
    assert report.parents[1].name in str(summary.data)
    assert all(f"| {step.name} |" in str(summary.data) for step in STEPS)
    assert "conservation" in str(audits.data) or "status" in str(audits.data)
    assert "anna" not in str(summary.data) + str(audits.data)


def test_failed_step_publishes_nothing(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a step fails, the flow fails with that step's error and the published snapshot stands."""
    nightly(str(shop))
    before = (shop.parent / "journeys" / "current").readlink()
    monkeypatch.setattr(nightly_module, "STEPS", (STEPS[0], fail_with(AuditError("Two rows offend."))))
    with pytest.raises(AuditError, match="Two rows offend"):
        nightly(str(shop))
    assert (shop.parent / "journeys" / "current").readlink() == before


def test_unexpected_failure_names_no_value(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect stores the text of an exception, so that of an unexpected one, which may quote a record, is replaced."""
    monkeypatch.setattr(nightly_module, "STEPS", (fail_with(ValueError("jane@example.org")),))
    state = nightly(str(shop), return_state=True)
    assert "jane" not in str(state.message)
    with pytest.raises(tasks.StepError, match="'fails' failed with ValueError"):
        state.result()


def test_failed_step_is_tried_again(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that may be retried is run again after a failure, on the same run."""
    calls: list[str] = []

    def run(context: Any) -> dict[str, int | float | str]:
        calls.append(context.run_id)
        if len(calls) == 1:
            raise OSError("busy")
        return {}

    monkeypatch.setattr(tasks, "RETRY_DELAY_SECONDS", 0)
    monkeypatch.setattr(nightly_module, "STEPS", (Step(name="flaky", run=run, retries=1), *STEPS))
    nightly(str(shop))
    assert len(calls) == 2
    assert len(set(calls)) == 1


def test_main_prints_the_report_last(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A script finds the report in the last line that is printed."""
    assert main(["--config", str(shop)]) == 0
    assert Path(capfd.readouterr().out.splitlines()[-1]).is_file()


def test_main_shows_user_errors_without_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An error that is the user's to fix comes as its message and its own exit code."""
    assert main(["--config", str(tmp_path / "absent.yaml")]) == 2
    shown = capfd.readouterr()
    assert shown.err.startswith("ConfigError: ")
    assert "Traceback" not in shown.err + shown.out


@pytest.mark.slow
def test_schedule_fires(shop: Path) -> None:
    """`--serve` starts a run at the time of the schedule, and leaves no server behind when it is stopped."""
    shop.write_text(shop.read_text(encoding="utf-8") + "schedule: {cron: '* * * * *'}\n", encoding="utf-8")
    script = str(Path(nightly_module.__file__))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    serving = subprocess.Popen([sys.executable, script, "--config", str(shop), "--serve"], env=environment)
    try:
        deadline = time.monotonic() + 240
        while not (shop.parent / "journeys" / "current").exists() and time.monotonic() < deadline:
            assert serving.poll() is None
            time.sleep(1)
        assert (shop.parent / "journeys" / "current" / "report" / "index.html").is_file()
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(timeout=30)
