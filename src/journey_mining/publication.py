"""Snapshots on disk: one writer, a working copy, one rename that publishes both files, the last few kept.

<home>/current -> snapshots/<cutoff>_<run_id>/     journeys.duckdb, report/, run.json
<home>/private/<cutoff>_<run_id>.duckdb            the private store of the same run
<home>/private/working/                            a run in progress; whatever a killed run left is removed
<home>/private/erasing                             a published erasure whose older snapshots are not all removed yet
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

from journey_mining.errors import JourneyMiningError, LockError

DATABASE = "journeys.duckdb"
_LOOKS, _LOOK_SECONDS = 5, 0.02
_FICLONE = 0x40049409
"""Linux: let a file share the blocks of another (ioctl_ficlone(2))."""


@dataclass(frozen=True)
class Home:
    """The folders under a home folder."""

    root: Path

    @property
    def private(self) -> Path:
        """What is never published: key, stores, working copies."""
        return self.root / "private"

    @property
    def snapshots(self) -> Path:
        """Published snapshots by name."""
        return self.root / "snapshots"

    @property
    def current(self) -> Path:
        """The link to the published snapshot."""
        return self.root / "current"

    @property
    def working(self) -> Path:
        """Working copies of the run in progress."""
        return self.private / "working"

    @property
    def erasing(self) -> Path:
        """The promise to remove every snapshot but one: its name, and from the second line on the receipt, if any."""
        return self.private / "erasing"

    def receipt_of(self, name: str) -> Path:
        """The receipt of what the run of a snapshot forgot."""
        return self.private / "receipts" / f"{name}.json"

    def current_name(self) -> str | None:
        """Name of the published snapshot, or None before the first one."""
        try:
            return Path(os.readlink(self.current)).name
        except OSError:
            return None

    def last_name(self) -> str | None:
        """Name of the published snapshot, or where the link to it is gone of the newest that was listed; else None."""
        return self.current_name() or next(reversed(_read_listed(self)), None)

    def older_names(self) -> list[str]:
        """Names of the snapshots before the published one that are still whole, with their stores; the oldest first."""
        return [name for name in _read_listed(self) if name != self.last_name() and self.has_whole(name)]

    def has_whole(self, name: str) -> bool:
        """Whether both files of a snapshot are there."""
        return self.store_of(name).is_file() and (self.snapshots / name / DATABASE).is_file()

    def store_of(self, name: str) -> Path:
        """The private store of a snapshot."""
        return self.private / f"{name}.duckdb"


@contextmanager
def locked(home: Home, run_id: str) -> Iterator[None]:
    """Hold the home's lock; raises LockError naming the holder when another run has it."""
    make_folders(home)
    # The file carries the holder's name; should it be deleted meanwhile, the lock on its folder still stands.
    try:
        folder = os.open(home.private, os.O_RDONLY)
        descriptor = os.open(home.private / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unwritable(home, error) from error
    try:
        try:
            _lock_folder(folder)
            _lock_file(descriptor)
        except BlockingIOError as error:
            raise LockError(
                f"Another run is at work in {home.root}.",
                found=_describe_holder(descriptor),
                fix="wait until it ends; a killed run frees the lock by itself",
            ) from error
        try:
            _write_holder(descriptor, run_id)
        except OSError as error:
            raise _unwritable(home, error) from error
        yield
    finally:
        os.close(descriptor)
        os.close(folder)


def settle_link(home: Home) -> None:
    """Make `current` anew where it is gone, as in a copy without links: the next run would begin with nothing.

    Raises JourneyMiningError when it is no link, as in a copy that followed links: a run could not replace it.
    """
    newest = next(reversed(_read_listed(home)), None)
    if home.current.exists() and not home.current.is_symlink():
        raise JourneyMiningError(
            f"{home.current} is no link to a snapshot, as in a copy that followed links.",
            fix="move it away, and run again",
        )
    if newest and home.current_name() is None and home.has_whole(newest):
        _link(home, newest)


def _lock_file(descriptor: int) -> None:
    """Lock a file, and wait a moment for those who only look whether it is locked."""
    for _ in range(_LOOKS):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        sleep(_LOOK_SECONDS)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(home: Home) -> bool:
    """Whether a run is at work, on this machine or, where the file system's locks reach there, on another.

    A process id would not tell: another process has it after a restart, or in another container.
    """
    try:
        with (home.private / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _lock_folder(descriptor: int) -> None:
    """Lock a folder; network file systems, which lock only files, leave it at that."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return


def make_folders(home: Home) -> None:
    """Make the home and its private folder, readable by the owner only; raises an error when it cannot be written."""
    try:
        home.snapshots.mkdir(parents=True, exist_ok=True)
        home.private.mkdir(mode=0o700, exist_ok=True)
        home.private.chmod(0o700)
        probe = home.private / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _unwritable(home, error) from error


def _unwritable(home: Home, error: OSError) -> JourneyMiningError:
    return JourneyMiningError(
        f"The home folder {home.root} cannot be written: {error.strerror}.",
        fix="give this user write access and free disk space, or name another `home:` in journey.yaml",
    )


def _write_holder(descriptor: int, run_id: str) -> None:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"run_id": run_id, "pid": os.getpid(), "host": socket.gethostname(), "started_at": started}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _describe_holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"run {holder['run_id']}, process {holder['pid']} on {holder['host']}, since {holder['started_at']}"
    except (ValueError, KeyError, OSError):
        return "a process whose name is not in the lock file (just begun, or the file was deleted)"


def start_working_copy(home: Home, run_id: str, keep_store: bool, keep_database: bool = True) -> Path:
    """A fresh working folder; leftovers are removed.

    With `keep_store` it has copies of the published files that there are; the database only with `keep_database`.
    """
    remove_leftovers(home)
    folder = home.working / run_id
    folder.mkdir(parents=True, mode=0o700)
    name = home.current_name()
    if keep_store and name and home.store_of(name).is_file():
        _clone(home.store_of(name), folder / "store.duckdb")
        if keep_database and (home.snapshots / name / DATABASE).is_file():
            _clone(home.snapshots / name / DATABASE, folder / DATABASE)
    return folder


@contextmanager
def leaving_nothing(home: Home) -> Iterator[None]:
    """Remove the working copy of a run that ends without publication: on a full disk it would keep what others need."""
    try:
        yield
    finally:
        shutil.rmtree(home.working, ignore_errors=True)


def _clone(source: Path, target: Path) -> None:
    """Copy a file; where the file system can share its blocks until they change, at no cost."""
    with source.open("rb") as given, target.open("wb") as taken:
        try:
            fcntl.ioctl(taken.fileno(), _FICLONE, given.fileno())
        except OSError:
            shutil.copyfile(source, target)


def remove_leftovers(home: Home) -> None:
    """Remove what killed runs left: working copies, stores and snapshots that were never published, halves of files."""
    shutil.rmtree(home.working, ignore_errors=True)
    published = _published_names(home)
    for path in home.snapshots.iterdir():
        if path.name not in published:
            shutil.rmtree(path, ignore_errors=True)
    for path in home.private.glob("*.duckdb*"):
        if path.name.removesuffix(".wal").removesuffix(".duckdb") not in published:
            path.unlink()
    for path in (*home.root.glob(".current-*"), *home.private.glob("*.new")):
        path.unlink()


def _published_names(home: Home) -> set[str]:
    """Snapshots that were once current: a snapshot gets its mark before the rename that makes it current."""
    name = home.current_name()
    listed = _read_listed(home)
    return ({name} if name else set()) | (
        set(listed[: listed.index(name) + 1]) if name in listed else set(listed)
    )


def _read_listed(home: Home) -> list[str]:
    try:
        return (home.private / "published").read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def publish(
    home: Home, working: Path, name: str, keep: int, erases: bool = False, receipt: str | None = None
) -> Path:
    """Make the working copy the published snapshot `name` by one rename; returns its folder.

    With `erases` no other snapshot stays, and then the receipt is written. Otherwise the one that was just replaced
    stays in any case: a reader may have followed the link and not opened it yet.
    """
    target = home.snapshots / name
    (working / "store.duckdb").chmod(0o600)
    working.chmod(0o755)
    _sync_tree(working)
    os.replace(working / "store.duckdb", home.store_of(name))
    os.replace(working, target)
    _list_snapshot(home, name)
    if erases:
        _write_whole(home.erasing, f"{name}\n{receipt or ''}")
    for folder in (home.private, home.snapshots):
        _sync_folder(folder)
    _link(home, name)
    if erases:
        finish_erasure(home)
    else:
        _remove_old(home, max(keep, 2))
    shutil.rmtree(home.working, ignore_errors=True)
    return target


def _link(home: Home, name: str) -> None:
    """Make a snapshot the published one."""
    link = home.root / f".current-{name}"
    link.unlink(missing_ok=True)
    os.symlink(Path("snapshots") / name, link)
    os.replace(link, home.current)
    _sync_folder(home.root)


def finish_erasure(home: Home) -> None:
    """Remove what a published erasure has promised to remove, also for a run that was killed meanwhile.

    One that was killed before it was published has promised nothing.
    """
    try:
        name, _, receipt = home.erasing.read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return
    if name == home.current_name():
        _write_listed(home, [name])
        remove_leftovers(home)
        _require_removed(home, name)
        if receipt:
            home.receipt_of(name).parent.mkdir(mode=0o700, exist_ok=True)
            _write_whole(home.receipt_of(name), receipt)
    home.erasing.unlink()


def _require_removed(home: Home, name: str) -> None:
    left = [path for path in home.snapshots.iterdir() if path.name != name and path.is_dir()]
    if left:
        raise JourneyMiningError(
            f"{left[0]} cannot be removed; it still holds what was to be erased.",
            fix="give this user the right to remove it, and run again; the new snapshot is published",
        )


def _list_snapshot(home: Home, name: str) -> None:
    current = home.current_name()
    listed = [kept for kept in _read_listed(home) if kept != name]
    if current is not None:
        listed = listed[: listed.index(current) + 1] if current in listed else []
    _write_listed(home, [*listed, name])


def _remove_old(home: Home, keep: int) -> None:
    listed = _read_listed(home)
    for name in listed[:-keep]:
        shutil.rmtree(home.snapshots / name, ignore_errors=True)
        home.store_of(name).unlink(missing_ok=True)
    _write_listed(home, listed[-keep:])


def _write_listed(home: Home, names: list[str]) -> None:
    _write_whole(home.private / "published", "\n".join(names) + "\n")


def _write_whole(path: Path, text: str) -> None:
    """Write a private file so that it has the old content or the new one, also when the power fails."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    os.replace(new, path)


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".wal":
            raise JourneyMiningError(f"{path.name} was not closed cleanly.", fix="run again")
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
