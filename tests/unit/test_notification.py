"""How a run ended is noted and told; neither changes how it ends, and neither names anybody."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from journey_mining import pipeline, publication
from journey_mining.cli import main
from journey_mining.config import load_config
from journey_mining.errors import AuditError, LockError, ModelError
from journey_mining.inspection import describe_status
from journey_mining.notification import Outcome, read_last_run, telling
from journey_mining.pipeline import STEPS, run_all
from journey_mining.publication import Home, is_locked, locked
from journey_mining.runs import Step

LOG = """\
customer_id,occurred_at,touchpoint
anna,2026-03-02T09:00:00Z,page
anna,2026-03-02T09:01:00Z,purchase
ben,not a time,page
"""
CONFIG = "home: journeys\nsources: {shop: {system: table, path: shop.csv}}\n"
KEEP = "import sys; open('told.json', 'a').write(sys.stdin.read() + chr(10))"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A journey.yaml over a small log, of which one line is no event."""
    (tmp_path / "shop.csv").write_text(LOG, encoding="utf-8")
    return configured(tmp_path / "journey.yaml", [sys.executable, "-c", KEEP])


def configured(path: Path, command: list[str], more: str = "") -> Path:
    """The journey.yaml with a program to tell of every end."""
    states = "[failed, stopped, warned, published]"
    path.write_text(
        f"{CONFIG}notify: {{command: {json.dumps(command)}, states: {states}, timeout: 2 seconds}}\n{more}",
        encoding="utf-8",
    )
    return path


def told(config: Path) -> list[dict[str, Any]]:
    """The documents that the program was given."""
    file = config.parent / "told.json"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def last_run(config: Path) -> dict[str, Any]:
    """What is noted of the last run."""
    found = read_last_run(Home(load_config(config).home_dir))
    assert found is not None
    return found


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Have the next run's last but one step raise an error."""

    def fail(context: Any) -> dict[str, int | float | str]:
        raise error

    monkeypatch.setattr(pipeline, "STEPS", (*STEPS[:-1], Step("fails", fail), STEPS[-1]))


def test_a_publication_with_warnings_is_told(shop: Path) -> None:
    """The run, its snapshot, and the audits that did not pass, with counts and no rows."""
    context = run_all(shop)
    (document,) = told(shop)
    assert (document["run_id"], document["state"]) == (context.run_id, "warned")
    assert document["snapshot"] == context.name
    assert "quarantine_small" in document["message"]
    found = [audit for audit in document["audits"] if audit["audit"] == "quarantine_small"]
    assert found[0]["offending_count"] == 1
    assert not [audit for audit in document["audits"] if "detail" in audit]
    assert last_run(shop) == document


def test_a_run_ends_once() -> None:
    """However late it is noted or told."""
    outcome = Outcome("1", datetime(2026, 3, 2, tzinfo=UTC))
    assert outcome.describe()["ended_at"] is None
    outcome.end(None)
    outcome.ended_at = datetime(2026, 3, 2, 1, tzinfo=UTC)
    outcome.end(None)
    assert outcome.describe()["ended_at"] == "2026-03-02T01:00:00+00:00"


def test_a_publication_without_warnings_is_told(shop: Path) -> None:
    """Nothing needs a look."""
    (shop.parent / "shop.csv").write_text(LOG.replace("not a time", "2026-03-02T09:02:00Z"), encoding="utf-8")
    configured(shop, [sys.executable, "-c", KEEP], "audits: {unmapped: 1}\n")
    run_all(shop)
    assert [(document["state"], document["audits"]) for document in told(shop)] == [("published", [])]


def test_a_stopped_audit_is_told(shop: Path) -> None:
    """The exit code is the audits', nothing is published, and the status says what stopped the last run."""
    run_all(shop)
    before = Home(load_config(shop).home_dir).current_name()
    configured(shop, [sys.executable, "-c", KEEP], "audits: {stop: [quarantine_small]}\n")
    done = CliRunner().invoke(main, ["run", "--config", str(shop)])
    assert done.exit_code == 5
    assert "quarantined_count=1" in done.output
    assert Home(load_config(shop).home_dir).current_name() == before
    document = told(shop)[-1]
    assert (document["state"], document["snapshot"]) == ("stopped", None)
    assert "quarantine_small" in document["message"]
    status = describe_status(shop)
    assert status["last_run"]["state"] == "stopped"
    assert status["figures"]["snapshot"] == before
    assert "stopped: Audits failed" in CliRunner().invoke(main, ["status", "--config", str(shop)]).output


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModelError("The model core/x.sql failed: cannot cast 'anna@example.org'."), "The model core/x.sql failed."),
        (ValueError("anna@example.org"), "The run failed with ValueError; its own messages say more."),
        (KeyboardInterrupt(), "The run was interrupted."),
        (OSError(28, "No space left on device"), "'fails' could not read or write: [Errno 28] No space left on device."),
    ],
)  # fmt: skip
def test_a_failure_is_told_without_what_it_quotes(
    shop: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, message: str
) -> None:
    """The message of an error may hold a record: what is told names the kind of error only."""
    fail_with(monkeypatch, error)
    with pytest.raises(BaseException, match=r".*"):
        run_all(shop)
    (document,) = told(shop)
    assert (document["state"], document["message"]) == ("failed", message)
    assert last_run(shop)["state"] == "failed"


def test_a_refused_run_is_told_and_not_noted(shop: Path) -> None:
    """What is noted is the run that holds the lock."""
    run_all(shop)
    noted = last_run(shop)
    with locked(Home(load_config(shop).home_dir), "other"), pytest.raises(LockError):
        run_all(shop)
    assert told(shop)[-1]["message"].startswith("Another run is at work")
    assert last_run(shop) == noted


def test_only_the_wanted_states_are_told(shop: Path) -> None:
    """By default a run that published says nothing."""
    shop.write_text(
        CONFIG + f"notify: {{command: {json.dumps([sys.executable, '-c', KEEP])}}}\n", encoding="utf-8"
    )
    run_all(shop)
    assert told(shop) == []
    (shop.parent / "shop.csv").write_text("customer_id,occurred_at,touchpoint\n", encoding="utf-8")
    assert CliRunner().invoke(main, ["run", "--rebuild", "--config", str(shop)]).exit_code == 3
    assert [document["state"] for document in told(shop)] == ["failed"]


@pytest.mark.parametrize(
    ("command", "warning"),
    [
        (["./absent"], "notify: './absent' could not be started: No such file or directory."),
        (["false"], "notify: 'false' ended with exit code 1."),
        (["sh", "-c", "sleep 60 & sleep 60"], "notify: 'sh' took too long and was killed."),
        (["true"], ""),
    ],
)
def test_a_failing_program_changes_nothing(
    shop: Path, caplog: pytest.LogCaptureFixture, command: list[str], warning: str
) -> None:
    """A warning says so, and the run is published in good time all the same."""
    configured(shop, command)
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="journey_mining"):
        assert run_all(shop).published is not None
    assert time.monotonic() - begun < 40
    assert [record.getMessage() for record in caplog.records] == ([warning] if warning else [])
    assert last_run(shop)["state"] == "warned"


def test_a_signal_that_ends_the_run_ends_the_program_too(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs when somebody stops the run is not left behind."""
    configured(shop, ["sh", "-c", "echo $$ > begun; sleep 60"])
    begun = shop.parent / "begun"

    def interrupted(*_: Any, **__: Any) -> None:
        until = time.monotonic() + 60
        while not begun.exists() or not begun.read_text():
            assert time.monotonic() < until, "the program has not begun"
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt), telling(load_config(shop), Outcome("r1", datetime.now(UTC))):
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)


def test_what_a_failing_program_says_of_a_failing_run(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's own error comes through."""
    configured(shop, ["./absent"])
    fail_with(monkeypatch, AuditError("Two rows offend."))
    with pytest.raises(AuditError, match="Two rows offend"):
        run_all(shop)
    assert last_run(shop)["state"] == "stopped"


def test_the_program_starts_without_a_shell(shop: Path) -> None:
    """Arguments reach it as they are written."""
    configured(
        shop, [sys.executable, "-c", "import sys; open('told.txt', 'w').write(sys.argv[1])", "$HOME; *"]
    )
    run_all(shop)
    assert (shop.parent / "told.txt").read_text() == "$HOME; *"


def test_a_run_that_left_no_word_was_killed(tmp_path: Path) -> None:
    """A note that says running counts only as long as the run holds the lock, whoever has its process id by now."""
    home = Home(tmp_path)
    assert read_last_run(home) is None
    document = {**Outcome("r1", datetime(2026, 3, 1, tzinfo=UTC)).describe(), "pid": os.getpid(), "host": "h"}
    with locked(home, "r1"):
        (home.private / "last_run.json").write_text(json.dumps(document))
        assert last_state(home) == "running"
    assert last_state(home) == "killed"
    with locked(home, "r2"):
        assert last_state(home) == "running"


def last_state(home: Home) -> str:
    """How the last run is said to have ended."""
    found = read_last_run(home)
    assert found is not None
    assert "pid" not in found
    return str(found["state"])


@pytest.mark.parametrize("text", ["", "{broken", "[1]", '{"run_id": "r1"}', '"text"'])
def test_a_damaged_note_tells_nothing(tmp_path: Path, text: str) -> None:
    """Neither `status` nor the schedule ends with a traceback."""
    home = Home(tmp_path)
    home.private.mkdir()
    (home.private / "last_run.json").write_text(text)
    assert read_last_run(home) is None


def test_looking_at_the_lock_refuses_no_run(tmp_path: Path) -> None:
    """Whoever asks for the status at the moment when a run begins is not in its way."""
    home = Home(tmp_path)
    with locked(home, "r1"):
        pass
    ended = threading.Event()
    watcher = threading.Thread(target=lambda: [is_locked(home) for _ in iter(ended.is_set, True)])
    watcher.start()
    try:
        for number in range(300):
            with locked(home, f"r{number}"):
                assert is_locked(home)
    finally:
        ended.set()
        watcher.join()


def test_an_end_after_publication_names_the_snapshot(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stops a run while it removes old snapshots has published, and is told so."""
    run_all(shop)

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(publication, "_remove_old", interrupt)
    done = CliRunner().invoke(main, ["run", "--config", str(shop)])
    assert done.exit_code == 130
    assert "nothing was published" not in done.output
    name = Home(load_config(shop).home_dir).current_name()
    document = told(shop)[-1]
    assert (document["state"], document["snapshot"]) == ("failed", name)
    assert document["message"] == f"The run was interrupted. {name} was published before."
