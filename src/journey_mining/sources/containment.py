"""What a run may open: files that lie where journey.yaml says, under names that can be shown."""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

from journey_mining.config import Config, Source, locate
from journey_mining.errors import ConfigError, JourneyMiningError, SourceError

_FILE_SYSTEMS_OWN = "lost+found"
"""A folder at the root of a disk that only the administrator may read, and that holds no exports."""
_UNFINISHED = re.compile(r"(~|\.part|\.partial|\.tmp|\.crdownload|\.swp)$", re.IGNORECASE)
"""Ends of names that programs give to what they still write, and to what they keep of an older version."""
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

_UNSHOWABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def find_paths(config: Config, name: str, source: Source) -> list[Path]:
    """The files that `path:` names, sorted; hidden and unfinished ones, unless it names them themselves, and the home folder
    are left out.

    Raises JourneyMiningError naming a file or folder that cannot be read: what lies there would count as vanished.
    """
    home = config.home_dir
    try:
        named = config.path.parent / source.path
        found = [path for path in _search(config, source) if path == named or not _is_set_aside(path)]
        folders: dict[Path, Path] = {}
        return sorted(
            path for path in found if _is(path, stat.S_ISREG) and home not in _resolve(path, folders).parents
        )
    except OSError as error:
        where = locate(config.path, "sources", name, "path")
        raise JourneyMiningError(
            f"{where}: sources.{name}: {error.filename} cannot be read: {error.strerror}.",
            fix="give this user read access to it, or name other files in `path:`",
        ) from error


def _is_set_aside(path: Path) -> bool:
    return path.name.startswith(".") or _UNFINISHED.search(path.name) is not None


def require_apart(config: Config, name: str, source: Source) -> None:
    """Raise ConfigError when the home folder holds all that the source could be."""
    root = _folder(config.path.parent / source.path).resolve()
    if not _is_outside(config, root / "file"):
        raise ConfigError(
            f"{locate(config.path, 'home')}: the home folder holds the exports of sources.{name}; nothing in it is read.",
            found=f"home {config.home_dir}, exports in {root}",
            fix="name a folder that is nothing else, such as: home: ./journeys",
        )


def _search(config: Config, source: Source) -> Iterator[Path]:
    base = config.path.parent
    named = base / source.path
    wanted = source.path if Path(source.path).is_absolute() else f"{glob.escape(str(base))}/{source.path}"
    if glob.has_magic(source.path):
        _require_listable(config, Path(wanted))
    if _is(named, stat.S_ISDIR):
        yield from _walk(named, config.home_dir)
    elif _is(named, stat.S_ISREG):
        yield named
    else:
        yield from map(Path, glob.glob(wanted, recursive=True))  # noqa: PTH207 - the pattern may be absolute


def _walk(folder: Path, home: Path) -> Iterator[Path]:
    """What lies below a folder and is no folder itself; the home is not entered, and no link is followed."""
    for place, folders, names in os.walk(folder, onerror=_raise_unless_gone):
        folders[:] = [
            inner for inner in folders
            if inner != _FILE_SYSTEMS_OWN and Path(place, inner).resolve() != home
        ]  # fmt: skip
        yield from (Path(place, name) for name in names)


def _raise_unless_gone(error: OSError) -> None:
    if error.errno not in _NOT_THERE:
        raise error


def _require_listable(config: Config, pattern: Path) -> None:
    """Raise OSError for a folder that the pattern must list and this user may not: `glob` would pass it over."""
    for number, part in enumerate(pattern.parts):
        if glob.has_magic(part):
            before = Path(*pattern.parts[: number + (part == "**")])
            is_plain = not glob.has_magic(str(before))
            for name in [str(before)] if is_plain else glob.glob(f"{before}/", recursive=True):  # noqa: PTH207
                folder = Path(name)
                is_other = folder.name == _FILE_SYSTEMS_OWN or not _is_outside(config, folder / "file")
                if not is_other and _is(folder, stat.S_ISDIR):
                    os.scandir(folder).close()


def _is(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Whether something of a kind is there; raises OSError where that cannot be told, which pathlib takes for a no."""
    try:
        return is_kind(path.stat().st_mode)
    except OSError as error:
        _raise_unless_gone(error)
        return False
    except ValueError:
        return False


def _is_outside(config: Config, path: Path) -> bool:
    return config.home_dir not in path.resolve().parents


def _resolve(path: Path, folders: dict[Path, Path]) -> Path:
    """Where a path leads; `folders` notes where folders lead, so that each is looked at once."""
    if path.is_symlink():
        return path.resolve()
    folder = path.parent
    if folder not in folders:
        folders[folder] = folder.resolve()
    return folders[folder] / path.name


def require_contained(config: Config, name: str, source: Source, found: list[Path]) -> None:
    """Raise SourceError for a link that leads out of the source's folder, and for a name that cannot be shown.

    `path:` itself may lead anywhere: it is the word of whoever writes journey.yaml. What is dropped into the folder is
    not: a link there could have the key, or another's files, read as an export.
    """
    root = _folder(config.path.parent / source.path).resolve()
    where = f"{locate(config.path, 'sources', name, 'path')}: sources.{name}"
    folders: dict[Path, Path] = {}
    for path in found:
        target = _resolve(path, folders)
        if _UNSHOWABLE.search(str(path)):
            raise SourceError(
                f"{where} holds a file whose name cannot be shown.",
                found=ascii(str(path)),
                fix="rename the file",
            )
        if target != root and root not in target.parents:
            raise SourceError(
                f"{where} holds a link that leads out of its folder.",
                found=f"{path} -> {target}",
                expected=f"files below {root}",
                fix="replace the link by the file, or name the folder that it leads to in `path:`",
            )


def is_read_from(config: Config, source: Source, path: Path) -> bool:
    """Whether the source would read a file at `path`, which need not be there."""
    base = config.path.parent.resolve()
    if (base / source.path).is_dir() or "**" in source.path:
        return _folder(base / source.path).resolve() in path.resolve().parents
    pattern = Path(glob.escape(str(base)), source.path)
    return glob.has_magic(source.path) and path.resolve().match(str(pattern))


def _folder(named: Path) -> Path:
    """The file or folder that the path names; of a pattern the part before its first sign."""
    if named.exists():
        return named
    return Path(*takewhile(lambda part: not glob.has_magic(part), named.parts))
