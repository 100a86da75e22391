"""One writer, many readers: a second run is refused, and readers see one whole snapshot at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from processes import finish, run, start, tell_run, told
from shop import home_of, published

from journey_mining.publication import DATABASE, Home, locked, publish, start_working_copy

PUBLICATIONS = 50
TABLES = ("events", "stage_funnel", "settings", "runs")


def publish_number(home: Home, number: int) -> None:
    """Publish a database in which every table says the same number, in as many rows."""
    with locked(home, f"r{number}"):
        folder = start_working_copy(home, f"r{number}", keep_store=False)
        with duckdb.connect(str(folder / DATABASE)) as database:
            for table in TABLES:
                database.execute(f"create table {table} as select {number} as n from range({number})")
        with duckdb.connect(str(folder / "store.duckdb")) as store:
            store.execute(f"create table files as select {number} as n")
        publish(home, folder, f"s_{number:03}", keep=5)


def read_on(root: Path, log: Path) -> None:
    """Open the published database and compare its tables, again and again until a file named `stop` is there."""
    current, seen, reads = root / "current", [], 0
    query = " union all ".join(f"select '{table}', min(n), max(n), count(*) from {table}" for table in TABLES)
    while not (root / "stop").exists():
        with duckdb.connect(str(current / DATABASE), read_only=True) as database:
            answers = database.execute(query).fetchall()
            time.sleep(0.002)
            again = database.execute(query).fetchall()
        numbers = {number for answer in (answers, again) for row in answer for number in row[1:]}
        assert len(numbers) == 1, f"a mix: {answers}, {again}"
        reads += 1
        if not seen or seen[-1] not in numbers:
            seen.extend(numbers)
    log.write_text(json.dumps({"seen": seen, "reads": reads}))


@contextmanager
def readers(root: Path, count: int) -> Iterator[list[Path]]:
    """So many reading processes while the block runs; afterwards each has left its log, or failed."""
    logs = [root.parent / f"reader{number}.json" for number in range(count)]
    processes = [start(read_on, root, log) for log in logs]
    yield logs
    (root / "stop").write_text("")
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * count


def test_readers_see_whole_snapshots(tmp_path: Path) -> None:
    """While fifty snapshots are published and removed, each look of each reader finds one of them, never an older one."""
    home = Home(tmp_path / "journeys")
    publish_number(home, 1)
    with readers(home.root, 2) as logs:
        for number in range(2, PUBLICATIONS + 2):
            publish_number(home, number)
    found = [json.loads(log.read_text()) for log in logs]
    for reader in found:
        assert reader["seen"] == sorted(set(reader["seen"]))
        assert reader["reads"] >= PUBLICATIONS
    assert max(len(reader["seen"]) for reader in found) > PUBLICATIONS / 3


def test_a_reader_during_a_real_run(shop: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """From the first step of a run to its last, whoever looks finds the old tables or the new ones."""
    seen = [published(shop)]
    process = start(run, shop)
    while process.is_alive():
        try:
            found = published(shop)
        except (FileNotFoundError, AssertionError):
            # Two looks, at the link and at what it led to, may fall before and after the rename.
            found = published(shop)
        if found != seen[-1]:
            seen.append(found)
    assert process.exitcode == 0
    assert seen in ([old, new], [old])
    assert published(shop) == new


def test_a_second_run_is_refused(shop: Path) -> None:
    """It names the holder and ends with its own exit code; the first one is not disturbed."""
    with locked(home_of(shop), "20260301"):
        code, message = told(tell_run, shop)
    assert code == 6
    assert f"run 20260301, process {os.getpid()} on " in message
    assert finish(run, shop) == 0


def test_two_runs_at_once(shop: Path, new: dict[str, str]) -> None:
    """Of runs that start together one publishes, and the others are refused."""
    processes = [start(run, shop) for _ in range(4)]
    for process in processes:
        process.join(120)
    codes = [process.exitcode for process in processes]
    assert set(codes) == {0, 6}, codes
    assert published(shop) == new


def test_the_lock_of_a_killed_run_is_free(shop: Path, new: dict[str, str]) -> None:
    """A run that is killed with the lock in its hand locks nobody out, though its name still stands in the file."""
    code = "import sys, time\nfrom pathlib import Path\nfrom journey_mining.publication import Home, locked\n"
    code += (
        "with locked(Home(Path(sys.argv[1])), 'killed'):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    root = str(home_of(shop).root)
    with subprocess.Popen([sys.executable, "-c", code, root], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert told(tell_run, shop)[0] == 6
        holder.kill()
    assert "killed" in (home_of(shop).private / "lock").read_text(encoding="utf-8")
    assert finish(run, shop) == 0
    assert published(shop) == new
