"""What a run may open: files that lie where journey.yaml says, under names that can be shown."""

from __future__ import annotations

import glob
import re
from itertools import takewhile
from pathlib import Path

from journey_mining.config import Config, Source, locate
from journey_mining.errors import SourceError

_UNSHOWABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def require_contained(config: Config, name: str, source: Source, found: list[Path]) -> None:
    """Raise SourceError for a link that leads out of the source's folder, and for a name that cannot be shown.

    `path:` itself may lead anywhere: it is the word of whoever writes journey.yaml. What is dropped into the folder is
    not: a link there could have the key, or another's files, read as an export.
    """
    root = _folder(config.path.parent / source.path).resolve()
    where = f"{locate(config.path, 'sources', name, 'path')}: sources.{name}"
    for path in found:
        target = path.resolve()
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


def _folder(named: Path) -> Path:
    """The file or folder that the path names; of a pattern the part before its first sign."""
    if named.exists():
        return named
    return Path(*takewhile(lambda part: not glob.has_magic(part), named.parts))
