"""Publication: killed anywhere, `current` is the old or the new snapshot, whole; the next run converges."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journey_mining.errors import JourneyMiningError, LockError
from journey_mining.publication import DATABASE, Home, locked, publish, start_working_copy


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The folders of a home, empty."""
    found = Home(tmp_path / "journeys")
    with locked(found, "r0"):
        return found


def work(home: Home, run_id: str) -> Path:
    """A working copy of a run that only has to be published; its files carry the run's id."""
    folder = start_working_copy(home, run_id, keep_store=True)
    (folder / DATABASE).write_text(run_id)
    (folder / "store.duckdb").write_text(run_id)
    (folder / "report").mkdir()
    (folder / "report" / "index.html").write_text(run_id)
    return folder


def release(home: Home, run_id: str, keep: int = 5) -> None:
    """A whole run."""
    with locked(home, run_id):
        publish(home, work(home, run_id), f"s_{run_id}", keep)


def published(home: Home) -> str | None:
    """The run whose snapshot is current, after checking that all its parts are of that run."""
    name = home.current_name()
    if name is None:
        return None
    parts = [home.current / DATABASE, home.current / "report" / "index.html", home.store_of(name)]
    assert len({part.read_text() for part in parts}) == 1, "a mix of two runs"
    return parts[0].read_text()


def left_behind(home: Home) -> set[str]:
    """Everything under the home that belongs to no listed snapshot."""
    names = set((home.private / "published").read_text().split())
    known = {"lock", "published", "key", *(f"{name}.duckdb" for name in names)}
    links = {path.name for path in home.root.iterdir()} - {"private", "snapshots", "current"}
    return (
        ({p.name for p in home.snapshots.iterdir()} - names)
        | ({p.name for p in home.private.iterdir()} - known)
        | links
    )


class Killer:
    """Counts calls of file operations and kills at the chosen one, before or after it took effect."""

    OPERATIONS = (
        (os, "replace"),
        (os, "symlink"),
        (os, "fsync"),
        (shutil, "rmtree"),
        (shutil, "copyfile"),
        (Path, "unlink"),
    )

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, after: bool) -> None:
        self.count, self.at, self.after = 0, at, after
        for owner, name in self.OPERATIONS:
            monkeypatch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        """The operation, deadly at the chosen count."""

        def call(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.count == self.at and not self.after:
                raise Killed
            result = operation(*arguments, **named)
            if self.count == self.at:
                raise Killed
            return result

        return call


def operations(home: Home, monkeypatch: pytest.MonkeyPatch, keep: int) -> int:
    """How many file operations a run takes."""
    with monkeypatch.context() as patch:
        killer = Killer(patch, at=0, after=False)
        release(home, "r2", keep)
        return killer.count


def killed_release(
    home: Home, run_id: str, monkeypatch: pytest.MonkeyPatch, at: int, after: bool, keep: int = 5
) -> None:
    """A run that dies at a file operation."""
    with monkeypatch.context() as patch:
        Killer(patch, at, after)
        with pytest.raises(Killed):
            release(home, run_id, keep)


def test_a_snapshot_becomes_current(home: Home) -> None:
    """With its database, its report, its store and the next run's beginning."""
    release(home, "r1")
    assert published(home) == "r1"
    folder = start_working_copy(home, "r2", keep_store=True)
    assert (folder / "store.duckdb").read_text() == "r1"
    assert list(start_working_copy(home, "r3", keep_store=False).iterdir()) == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("keep", [1, 5])
@pytest.mark.parametrize("has_predecessor", [False, True])
def test_killed_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool, keep: int, has_predecessor: bool
) -> None:
    """At every file operation of a run: old or new, never a mix; the next run publishes and leaves nothing over."""
    total = operations(begun(tmp_path / "count", has_predecessor), monkeypatch, keep)
    assert total > 8
    for at in range(1, total + 1):
        home = begun(tmp_path / f"{at}", has_predecessor)
        killed_release(home, "r2", monkeypatch, at, after, keep)
        assert published(home) in ("r2", "r1" if has_predecessor else None)
        release(home, "r3", keep)
        assert published(home) == "r3"
        assert left_behind(home) == set()


def begun(root: Path, has_predecessor: bool) -> Home:
    """A home with or without a published snapshot r1, and one before it, which goes where two are kept."""
    home = Home(root)
    if has_predecessor:
        release(home, "r0")
        release(home, "r1")
    return home


def test_killed_again_and_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that die one after the other do not pile up what they leave."""
    release(home, "r1")
    for at in range(1, 16):
        killed_release(home, f"dead{at}", monkeypatch, at, after=True)
        published(home)
    release(home, "r2")
    assert published(home) == "r2"
    assert left_behind(home) == set()


def test_the_last_few_are_kept(home: Home) -> None:
    """Snapshots and stores of the last N runs; a smaller N takes effect with the next run."""
    for number in range(5):
        release(home, f"r{number}", keep=3)
    assert sorted(path.name for path in home.snapshots.iterdir()) == ["s_r2", "s_r3", "s_r4"]
    assert sorted(path.name for path in home.private.glob("*.duckdb")) == [
        "s_r2.duckdb",
        "s_r3.duckdb",
        "s_r4.duckdb",
    ]
    release(home, "r5", keep=1)
    assert sorted(path.name for path in home.snapshots.iterdir()) == ["s_r4", "s_r5"], (
        "readers may be on their way"
    )
    assert left_behind(home) == set()


def test_after_a_step_back_the_newer_snapshot_goes(home: Home) -> None:
    """Who points `current` at an older snapshot by hand has the next run continue from there."""
    for number in range(3):
        release(home, f"r{number}")
    link = home.root / "link"
    link.symlink_to(Path("snapshots") / "s_r0")
    link.replace(home.current)
    assert published(home) == "r0"
    release(home, "r3")
    assert published(home) == "r3"
    assert sorted(path.name for path in home.snapshots.iterdir()) == ["s_r0", "s_r3"]
    assert left_behind(home) == set()


def test_a_reader_keeps_its_snapshot(home: Home) -> None:
    """A file that is open stays readable though its snapshot was replaced and removed."""
    release(home, "r1", keep=1)
    with (home.current / DATABASE).open() as reader:
        release(home, "r2", keep=1)
        release(home, "r3", keep=1)
        assert not (home.snapshots / "s_r1").exists()
        assert reader.read() == "r1"
    assert published(home) == "r3"


def test_a_reader_on_its_way_arrives(home: Home) -> None:
    """Who followed the link and opens the file only after the next publication still finds it."""
    release(home, "r1", keep=1)
    followed = home.current.resolve() / DATABASE
    release(home, "r2", keep=1)
    assert followed.read_text() == "r1"


def test_current_is_there_at_every_moment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that looks between any two operations of a publication finds a whole snapshot."""
    release(home, "r1", keep=1)
    seen: set[str | None] = set()
    for owner, name in Killer.OPERATIONS:
        operation = getattr(owner, name)

        def watched(*arguments: Any, operation: Callable[..., Any] = operation, **named: Any) -> Any:
            result = operation(*arguments, **named)
            seen.add(published(home))
            return result

        monkeypatch.setattr(owner, name, watched)
    release(home, "r2", keep=1)
    assert seen == {"r1", "r2"}


def test_a_second_run_is_refused_and_told_of_the_first(home: Home) -> None:
    """The message names the holder; the lock is free again when it ends."""
    with (
        locked(home, "first"),
        pytest.raises(LockError, match=rf"run first, process {os.getpid()} on ") as caught,
        locked(home, "second"),
    ):
        pass
    assert caught.value.exit_code == 6
    with locked(home, "third"):
        pass


def test_a_lock_file_without_a_holder_locks_nobody_out(home: Home) -> None:
    """What a killed run wrote into the file says nothing; only the lock itself counts."""
    (home.private / "lock").write_text("{broken")
    with locked(home, "r1"), pytest.raises(LockError, match="run r1"), locked(home, "r2"):
        pass


def test_a_file_in_the_way_of_the_home(tmp_path: Path) -> None:
    """The message says what cannot be written and what to do."""
    (tmp_path / "journeys").write_text("")
    with (
        pytest.raises(JourneyMiningError, match=r"journeys cannot be written: .*\n.*fix:"),
        locked(Home(tmp_path / "journeys"), "r1"),
    ):
        pass


def test_private_is_private_and_the_snapshot_is_not(home: Home) -> None:
    """Stores and keys are the owner's; the snapshot is everybody's."""
    release(home, "r1")
    assert home.private.stat().st_mode & 0o777 == 0o700
    assert home.store_of("s_r1").stat().st_mode & 0o777 == 0o600
    assert (home.snapshots / "s_r1").stat().st_mode & 0o777 == 0o755


def test_a_database_that_was_not_closed_is_not_published(home: Home) -> None:
    """A write-ahead log beside the database means that its file is not whole."""
    release(home, "r1")
    folder = work(home, "r2")
    (folder / f"{DATABASE}.wal").write_text("")
    with pytest.raises(JourneyMiningError, match="not closed cleanly"):
        publish(home, folder, "s_r2", 5)
    assert published(home) == "r1"
