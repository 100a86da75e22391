"""Nothing personal leaves the exports: canaries are searched in every byte that runs leave behind, however they end."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from meta.checkout import ROOT
from privacy.canaries import (
    EMAIL,
    FORBIDDEN,
    HASHED,
    QUARANTINED,
    find_canaries,
    find_in_rows,
    write_exports,
)

ROWS = 60_000
START_SECONDS, END_SECONDS = 120, 300


@dataclass
class Runs:
    """A company's folder and what its runs left."""

    company: Path
    outside: Path
    """Everything that lies neither in the home nor in the exports: logs, temporary files, Prefect's home."""
    spilled: list[str] = field(default_factory=list)
    """Names of the spill files that were there when the first run was stopped."""
    spill_findings: list[tuple[str, str]] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.company / "journeys"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command on the company's configuration; its log, temporary files and Prefect's home lie outside."""
        for name in ("temp", "prefect", "logs"):
            (self.outside / name).mkdir(parents=True, exist_ok=True)
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PREFECT_", "JOURNEY_MINING_"))
        }
        environment = {
            **kept,
            "PREFECT_HOME": str(self.outside / "prefect"),
            "TMPDIR": str(self.outside / "temp"),
            "PREFECT_LOGGING_LEVEL": "INFO",
        }
        environment["PYTHONPATH"] = os.pathsep.join((str(ROOT / "src"), str(ROOT / "pipelines")))
        log = (self.outside / "logs" / f"{len(list((self.outside / 'logs').iterdir()))}.log").open("wb")
        command = [sys.executable, *arguments, "--config", str(self.company / "journey.yaml")]
        return subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=self.outside
        )

    def kill_while_spilling(self) -> None:
        """A run that is stopped as soon as it has written out of memory, searched, and killed."""
        process = self.start("-m", "journey_mining.cli", "run")
        spill = self.home / "private" / "working" / "spill"
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if sum(path.stat().st_size for path in _files(spill)) > 4 << 20:
                process.send_signal(signal.SIGSTOP)
                self.spilled = [path.name for path in _files(spill) if path.stat().st_size]
                self.spill_findings = find_canaries([*_files(self.home), *_files(self.outside)])
                break
            time.sleep(0.02)
        process.kill()
        process.wait()

    def finish(self, *arguments: str) -> None:
        """A run to its end, through Prefect."""
        process = self.start(str(ROOT / "pipelines" / "nightly.py"), *arguments)
        self.exit_codes.append(process.wait(timeout=END_SECONDS))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Three runs with little memory: one killed while it spills, one through Prefect, one that fails through Prefect."""
    found = Runs(tmp_path_factory.mktemp("company"), tmp_path_factory.mktemp("outside"))
    write_exports(found.company, ROWS)
    found.kill_while_spilling()
    found.finish()
    config = found.company / "journey.yaml"
    config.write_text(config.read_text() + "  bare: {system: table, path: bare.csv, timezone: UTC}\n")
    (found.company / "bare.csv").write_text(f"{EMAIL},+49 30 5550 1771,zquser7781@shop.example\n" * 2)
    found.finish()
    return found


@pytest.mark.slow
def test_the_runs_ended_as_they_should(runs: Runs) -> None:
    """The first one spilled, the second published, the third met a file that is no table (exit code 3)."""
    assert runs.spilled
    assert runs.exit_codes == [0, 3], (runs.outside / "logs" / "1.log").read_text()[-2000:]
    document = json.loads((runs.home / "current" / "run.json").read_text())
    counts = {
        file["source"]: (file["event_count"], file["quarantined_count"], file["refused_count"])
        for file in document["inputs"]
    }
    assert counts["ga"] == (14, 2, 1)
    assert counts["snow"] == (1, 1, 1)
    assert counts["survey"] == (1, 1, 0)
    assert counts["log"][0] > 0.99 * ROWS


@pytest.mark.slow
def test_spilled_memory_and_a_killed_run_hold_no_canary(runs: Runs) -> None:
    """What DuckDB writes out of memory is encrypted, and what the run had stored by then is hashed."""
    assert runs.spill_findings == []


@pytest.mark.slow
def test_no_byte_that_was_left_holds_a_canary(runs: Runs) -> None:
    """Databases, snapshots, reports, graph, run.json, key, logs, temporary files, Prefect's database and storage."""
    names = {path.name for path in _files(runs.home) + _files(runs.outside)}
    assert {
        "journeys.duckdb",
        "index.html",
        "run.json",
        "graph.graphml",
        "key",
        "prefect.db",
        "1.log",
    } <= names
    assert find_canaries([*_files(runs.home), *_files(runs.outside)]) == []


@pytest.mark.slow
def test_no_value_of_a_database_holds_a_canary(runs: Runs) -> None:
    """Every column of every table, the private ones too; what is broken stands in the quarantine only."""
    for database in [path for path in _files(runs.home) if path.suffix == ".duckdb"]:
        assert find_in_rows(database) == []
        where = {column for column, _ in find_in_rows(database, QUARANTINED)}
        assert where <= ({"quarantine.raw"} if "private" in database.parts else set())


@pytest.mark.slow
def test_quarantined_bytes_lie_in_the_private_store_only(runs: Runs) -> None:
    """They are there, and only the owner may read them; nothing outside private/ holds them."""
    public = [
        path
        for path in _files(runs.home) + _files(runs.outside)
        if (runs.home / "private") not in path.parents
    ]
    assert find_canaries(public, QUARANTINED) == []
    stores = list((runs.home / "private").glob("*.duckdb"))
    assert [bool(find_in_rows(store, QUARANTINED)) for store in stores] == [True]
    assert (runs.home / "private").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in stores)


@pytest.mark.parametrize(
    "spelling",
    [
        EMAIL.encode(), EMAIL.upper().encode(), quote(EMAIL).encode(), json.dumps({"a": {"b": EMAIL}}).encode(),
        *(base64.b64encode(b"x" * shift + EMAIL.encode()) for shift in range(4)), base64.b64encode(EMAIL.upper().encode()),
        gzip.compress(EMAIL.encode(), mtime=0), b"noise" + gzip.compress(b"--" + EMAIL.encode(), mtime=0), EMAIL.encode("utf-16-le"),
        EMAIL.encode().hex().encode(), "".join(f"%{byte:02X}" for byte in EMAIL.encode()).encode(),
        hashlib.sha256(HASHED[0].encode()).hexdigest().encode(), hashlib.md5(HASHED[3].encode()).digest(),
    ],
)  # fmt: skip
def test_the_search_finds_what_it_should(tmp_path: Path, spelling: bytes) -> None:
    """A canary is found in each of the spellings in which it might hide."""
    (tmp_path / "artefact").write_bytes(b"\x00before " + spelling + b" after")
    assert find_canaries([tmp_path / "artefact"])


def test_the_search_finds_the_exports(tmp_path: Path) -> None:
    """Every canary is planted (one number only with blanks): a search that finds none of a kind proves nothing about it."""
    write_exports(tmp_path, 10)
    assert {core for core in FORBIDDEN if not find_canaries(_files(tmp_path), (core,))} == {"0305550177"}
    assert all(find_canaries(_files(tmp_path), (core,)) for core in QUARANTINED)
