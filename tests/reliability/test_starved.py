"""A run without disk, memory or permission says so, leaves what is published alone, and converges when it has them."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from processes import finish, run, start, tell_run, tell_run_with_small_files, tell_run_without_rights, told
from shop import CONFIG, copied, deliver_more, home_of, left_behind, published, write_day, write_shop

from journey_mining.errors import JourneyMiningError, LockError
from journey_mining.publication import locked

MEGABYTE = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A function that makes a small disk of its own, of so many bytes."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip(
                "this user may not mount a disk of memory; the test of small files covers the same errors"
            )
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def size_of(folder: Path) -> int:
    """Bytes of all files under a folder, of which some may vanish meanwhile."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.lstat().st_size if path.is_file() else 0
    return size


@pytest.mark.parametrize("spare", [2, 9])
def test_full_disk(
    spare: int, old_shop: Path, old: dict[str, str], new: dict[str, str], disk: Callable[[int], Path]
) -> None:
    """With too few spare megabytes a run fails with one sentence; with enough of them the next one publishes."""
    folder = disk(size_of(old_shop.parent) + spare * MEGABYTE + MEGABYTE // 4)
    shop = copied(old_shop, folder / "shop")
    deliver_more(shop)
    code, message = told(tell_run, shop)
    assert code == 1, message
    assert message.startswith("JourneyMiningError: ")
    assert "No space left on device" in message or "cannot be written" in message or "temp" in message
    assert "fix:" in message
    assert published(shop) == old
    grown = ["mount", "-o", f"remount,size={64 * MEGABYTE}", str(folder)]
    subprocess.run(grown, check=True)
    assert finish(run, shop) == 0
    assert published(shop) == new
    assert left_behind(shop) == set()


@pytest.mark.parametrize("limit", [0, 300, 6 * MEGABYTE])
def test_files_that_cannot_grow(limit: int, shop: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """Wherever writing fails, the run fails with one sentence, and the next one publishes."""
    code, message = told(tell_run_with_small_files, shop, limit)
    assert code == 1, message
    assert message.startswith("JourneyMiningError: ")
    assert "File too large" in message
    assert not home_of(shop).working.exists(), "what it had written would keep the disk full"
    assert published(shop) == old
    assert finish(run, shop) == 0
    assert published(shop) == new
    assert left_behind(shop) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
@pytest.mark.parametrize("place", ["snapshots", "private/lock"])
def test_missing_permission(place: str, shop: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """What cannot be used in the home is named, and nothing changes until it can be."""
    path = home_of(shop).root / place
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o555 if path.is_dir() else 0)
    code, message = told(tell_run_without_rights, shop)
    assert code in (1, 2), message
    assert "Error: " in message
    assert "ermi" in message
    assert "fix:" in message
    path.chmod(mode)
    assert published(shop) == old
    assert told(tell_run_without_rights, shop) == (0, "")
    assert published(shop) == new
    assert left_behind(shop) == set()


@pytest.mark.parametrize("limit", [50, 20_000, 100_000])
def test_files_that_cannot_grow_in_the_first_run(limit: int, tmp_path: Path, old: dict[str, str]) -> None:
    """At the opening of the store, in a model and in the report: the disk is named, not the model."""
    shop = write_shop(tmp_path)
    code, message = told(tell_run_with_small_files, shop, limit)
    assert code == 1, message
    assert message.startswith("JourneyMiningError: ")
    assert "File too large" in message
    assert home_of(shop).current_name() is None
    assert finish(run, shop) == 0
    assert published(shop).keys() == old.keys()


def test_too_little_memory(shop: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """A limit under which nothing can be done is named as such, and nothing changes."""
    settings = shop.read_text(encoding="utf-8")
    shop.write_text(settings.replace("500MB", "1MB"), encoding="utf-8")
    code, message = told(tell_run, shop)
    assert code == 1, message
    assert "needs more memory" in message
    assert "memory_limit" in message
    assert published(shop) == old
    shop.write_text(settings, encoding="utf-8")
    assert finish(run, shop) == 0
    assert published(shop) == new


def test_little_memory(tmp_path: Path) -> None:
    """A run that has to spill to disk publishes the same tables, and leaves nothing of what it spilled."""
    (tmp_path / "rich").mkdir()
    for day in range(1, 15):
        write_day(tmp_path / "rich" / "shop", day, customers=2000)
    rich = tmp_path / "rich" / "journey.yaml"
    rich.write_text(CONFIG, encoding="utf-8")
    poor = copied(rich, tmp_path / "poor")
    poor.write_text(CONFIG.replace("500MB", "64MB"), encoding="utf-8")
    assert finish(run, rich) == 0
    shutil.copytree(
        home_of(rich).private, home_of(poor).private, ignore=shutil.ignore_patterns("*.duckdb", "published")
    )
    process = start(run, poor)
    spilled = 0
    while process.is_alive():
        spilled = max(spilled, size_of(home_of(poor).working / "spill"))
        process.join(0.02)
    assert process.exitcode == 0
    assert spilled > 0, "the limit was not low enough"
    assert published(poor) == published(rich)
    assert left_behind(poor) == set()


def test_deleted_lock_file(shop: Path) -> None:
    """Who deletes the lock file while a run is at work still cannot start a second one."""
    home = home_of(shop)
    with locked(home, "first"):
        (home.private / "lock").unlink()
        with pytest.raises(LockError, match="file was deleted") as caught, locked(home, "second"):
            pass
        assert caught.value.exit_code == 6
    with locked(home, "third"):
        pass


def test_deleted_snapshot(shop: Path, new: dict[str, str]) -> None:
    """A night that would renew it names what is missing; --rebuild publishes anew, with the events of files that are gone."""
    home = home_of(shop)
    name = str(home.current_name())
    shutil.rmtree(home.snapshots / name)
    code, message = told(tell_run, shop)
    assert code == 1, message
    assert str(home.snapshots / name / "journeys.duckdb") in message
    assert "missing" in message
    assert "--rebuild" in message
    assert finish(run, shop, True) == 0
    assert differing(published(shop), new) == set()
    shutil.rmtree(home.snapshots / str(home.current_name()))
    (shop.parent / "shop" / "day01.csv").unlink()
    assert finish(run, shop, True) == 0
    assert differing(published(shop), new) <= {"source_files", "audits"}


def differing(tables: dict[str, str], others: dict[str, str]) -> set[str]:
    """The published tables of other content; in the store files are numbered as they were read."""
    return {name for name in tables if not name.startswith("store.") and tables[name] != others[name]}


def test_deleted_private_folder_is_an_error(tmp_path: Path, old_shop: Path) -> None:
    """A home whose private folder is a file is refused with a message."""
    shop = copied(old_shop, tmp_path / "shop")
    shutil.rmtree(home_of(shop).private)
    home_of(shop).private.write_text("")
    with pytest.raises(JourneyMiningError, match="cannot be written"), locked(home_of(shop), "first"):
        pass
