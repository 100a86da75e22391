"""How a run ended: noted in the home for `status`, and told to the program that `notify:` names.

Neither note nor message holds an identifier: names, counts, and the first line of an error. Neither changes how the
run ends; a program that fails is a warning in the log.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from journey_mining.config import Config, Notify, locate
from journey_mining.errors import AuditError, ConfigError, JourneyMiningError, ModelError
from journey_mining.publication import Home, is_locked

_LOG = logging.getLogger("journey_mining")
_SHOWN = ("audit", "severity", "status", "offending_count", "purpose")


@dataclass
class Outcome:
    """What became of a run, as far as it is known."""

    run_id: str
    started_at: datetime
    state: str = "running"
    """running; then failed, stopped (by an audit), warned (published, with warnings) or published."""
    message: str = ""
    snapshot: str | None = None
    """Name of the published snapshot."""
    summary: dict[str, Any] = field(default_factory=dict)
    """The run's summary, of which the audits are taken."""
    ended_at: datetime | None = None

    def end(self, error: BaseException | None) -> None:
        """Settle state, message and time by the error that ended the run; the first call counts."""
        if self.state != "running":
            return
        self.ended_at = datetime.now(UTC)
        if error is not None or self.snapshot is None:
            self.state = "stopped" if isinstance(error, AuditError) else "failed"
            self.message = _message_of(error)
            if self.snapshot is not None:
                self.message += f" {self.snapshot} was published before."
            return
        warned = [audit["audit"] for audit in self.audits]
        self.state = "warned" if warned else "published"
        self.message = f"Published {self.snapshot}" + (
            f" with warnings: {', '.join(warned)}." if warned else "."
        )

    @property
    def audits(self) -> list[dict[str, Any]]:
        """The audits that did not pass, without the rows that they found."""
        found = self.summary.get("audits", [])
        return [{key: audit[key] for key in _SHOWN} for audit in found if audit["status"] != "passed"]

    def describe(self) -> dict[str, Any]:
        """The JSON document that is noted and told."""
        return {
            "run_id": self.run_id,
            "state": self.state,
            "message": self.message,
            "snapshot": self.snapshot,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "ended_at": self.ended_at and self.ended_at.isoformat(timespec="seconds"),
            "audits": self.audits,
        }


def _message_of(error: BaseException | None) -> str:
    """What an error says, without what may quote a record."""
    if error is None:
        return "The run ended before publication."
    if not isinstance(error, Exception):  # Ctrl-C, and what Prefect raises when its process is to end
        return "The run was interrupted."
    if isinstance(error, ModelError):
        return error.what.split(": ", 1)[0].rstrip(".") + "."
    if isinstance(error, JourneyMiningError):
        return error.what
    return f"The run failed with {type(error).__name__}; its own messages say more."


@contextmanager
def noting(home: Home, outcome: Outcome) -> Iterator[None]:
    """Note in the home that the run is at work, and in the end what became of it. The caller holds the lock."""
    _note(home, outcome)
    try:
        yield
    except BaseException as error:
        outcome.end(error)
        raise
    else:
        outcome.end(None)
    finally:
        _note(home, outcome)


def _note(home: Home, outcome: Outcome) -> None:
    document = {**outcome.describe(), "pid": os.getpid(), "host": socket.gethostname()}
    new = home.private / "last_run.new"
    try:
        new.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        os.replace(new, home.private / "last_run.json")
    except OSError as error:
        _LOG.warning("How the run ended could not be noted: %s.", error.strerror)


def read_last_run(home: Home) -> dict[str, Any] | None:
    """How the last run ended, or None; one whose process is gone without a word was `killed`."""
    try:
        noted = json.loads((home.private / "last_run.json").read_text(encoding="utf-8"))
        unnoted = Outcome(
            noted["run_id"], datetime.fromisoformat(noted["started_at"]), noted["state"]
        ).describe()
        found = {name: noted.get(name, value) for name, value in unnoted.items()}
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if found["state"] == "running" and not is_locked(home):
        found.update(state="killed", message="The run's process ended without a word; nothing was lost.")
    return found


def check_command(config: Config) -> None:
    """Raise ConfigError when `notify.command` names no program that this user may start."""
    if config.notify is None:
        return
    named = config.notify.command[0]
    folder = config.path.parent if os.path.dirname(named) else None  # noqa: PTH120 - Path drops the ./ that decides
    if shutil.which(named if folder is None else str(folder / named)) is None:
        raise ConfigError(
            f"{locate(config.path, 'notify', 'command', 0)}: notify.command: there is no program '{named}'.",
            expected="a program on the PATH, or the path of an executable file, relative to journey.yaml",
            fix="correct it, or make it executable: chmod +x",
        )


@contextmanager
def telling(config: Config, outcome: Outcome) -> Iterator[None]:
    """Tell the configured program how the run ended, when it ended so that somebody wants to know."""
    try:
        yield
    except BaseException as error:
        outcome.end(error)
        raise
    else:
        outcome.end(None)
    finally:
        if config.notify is not None and outcome.state in config.notify.states:
            _tell(config, config.notify, outcome)


def _tell(config: Config, notify: Notify, outcome: Outcome) -> None:
    text = json.dumps(outcome.describe())
    try:
        program = subprocess.Popen(
            notify.command,
            cwd=config.path.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        _LOG.warning("notify: '%s' could not be started: %s.", notify.command[0], error.strerror)
        return
    try:
        program.communicate(text, timeout=notify.timeout.total_seconds())
    except BaseException as error:  # a signal that ends the run ends the program too
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        _LOG.warning("notify: '%s' took too long and was killed.", notify.command[0])
        return
    if program.returncode != 0:
        _LOG.warning("notify: '%s' ended with exit code %d.", notify.command[0], program.returncode)
