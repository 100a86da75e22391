"""The nightly flow wraps the library's steps: it publishes, leaves artifacts, and hides no failure."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.artifacts import Artifact

from journey_mining.errors import AuditError, SourceError
from journey_mining.pipeline import STEPS
from journey_mining.runs import Step

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


def test_a_stopped_audit_leaves_artifacts(shop: Path) -> None:
    """The page of the run and the table of its audits say what stopped it; the flow fails with that error."""
    shop.write_text(shop.read_text(encoding="utf-8") + "audits: {stop: [files_unread]}\n", encoding="utf-8")
    shop.write_text(shop.read_text(encoding="utf-8").replace("shop.csv", "'*.csv'"), encoding="utf-8")
    (shop.parent / "nothing.csv").write_text("", encoding="utf-8")
    with pytest.raises(AuditError, match="files_unread"):
        nightly(str(shop))
    summary, audits = Artifact.get(tasks.SUMMARY_KEY), Artifact.get(tasks.AUDITS_KEY)
    assert summary is not None
    assert audits is not None
    assert "Published: `nothing`" in str(summary.data)
    assert "- **files_unread** failed, 1 rows" in str(summary.data)
    assert "nothing.csv" in str(audits.data)


def test_the_flow_tells_as_the_command_does(shop: Path) -> None:
    """`notify:` works for the flow too, on a success and on a failure."""
    program = "import sys; open('told.json', 'a').write(sys.stdin.read() + chr(10))"
    notify = {"command": [sys.executable, "-c", program], "states": ["published", "warned", "failed"]}
    shop.write_text(f"{shop.read_text(encoding='utf-8')}notify: {json.dumps(notify)}\n", encoding="utf-8")
    nightly(str(shop))
    (shop.parent / "shop.csv").unlink()
    with pytest.raises(SourceError):
        nightly(str(shop))
    told = [json.loads(line) for line in (shop.parent / "told.json").read_text().splitlines()]
    assert [document["state"] for document in told][1:] == ["failed"]
    assert told[0]["state"] in ("published", "warned")


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
