"""A configured source: its files on disk, its preset, and what decides how they are read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from journey_mining.config import Config, Source, locate
from journey_mining.errors import SourceError
from journey_mining.models import fingerprint, sql_folder
from journey_mining.sources.consent import consent_rules
from journey_mining.sources.containment import find_paths, require_apart, require_contained
from journey_mining.sources.presets import Preset, load_preset


@dataclass(frozen=True)
class FoundFile:
    """A file of a source on disk; `relative` is its path as the ledger and the report name it."""

    path: Path
    relative: str


def find_files(config: Config, name: str, source: Source) -> list[FoundFile]:
    """The files of a source, sorted by path; raises SourceError when there is none, ConfigError when they lie in the home."""
    found = list_files(config, name, source)
    if not found:
        require_apart(config, name, source)
        raise SourceError(
            f"{locate(config.path, 'sources', name, 'path')}: sources.{name} matches no file.",
            found=str(config.path.parent / source.path),
            fix="correct `path:` (a file, folder or glob relative to journey.yaml), or deliver the export",
        )
    return found


def list_files(config: Config, name: str, source: Source) -> list[FoundFile]:
    """The files of a source, sorted by path."""
    found = find_paths(config, name, source)
    require_contained(config, name, source, found)
    return [FoundFile(path, _relative(path, config.path.parent)) for path in found]


def is_there(config: Config, relative: str) -> bool:
    """Whether a file of the ledger is where it was, named by a source or not."""
    try:
        return (config.path.parent / relative).is_file()
    except OSError:  # in a folder that may not be searched
        return False


def _relative(path: Path, base: Path) -> str:
    try:
        return path.relative_to(base).as_posix()
    except ValueError:
        return path.as_posix()


def preset_of(config: Config, source: Source) -> Preset:
    """The preset of a source."""
    return load_preset(source.system, config.path.parent)


def check_source(config: Config, name: str, source: Source, preset: Preset) -> None:
    """Raise SourceError for settings that the preset needs and the source lacks."""
    if preset.timezone == "required" and source.timezone is None:
        raise SourceError(
            f"{locate(config.path, 'sources', name)}: sources.{name} needs a timezone.",
            expected=f"the zone in which {preset.system} wrote its times",
            fix="add for example: timezone: Europe/Berlin",
        )
    consent_rules(name, source, preset, locate(config.path, "sources", name, "consent"))
    known = {column for table in preset.tables.values() for column in table.columns}
    for column in source.columns:
        if column not in known:
            raise SourceError(
                f"{locate(config.path, 'sources', name, 'columns', column)}: the preset '{preset.system}' has no column '{column}'.",
                expected="one of " + ", ".join(sorted(known)),
                fix="write `columns: {<column of the preset>: <column of the file>}`",
            )


def reading_fingerprint(config: Config, name: str) -> str:
    """Hash of all that decides how a source's bytes become staged events; when it changes, they are read again."""
    folder = sql_folder()
    system = config.sources[name].system
    own = config.path.parent / system if system.endswith(".sql") else folder / "sources" / f"{system}.sql"
    shared = [path for part in ("staging", "macros", "store") for path in (folder / part).glob("*.sql")]
    settings = {
        "source": config.sources[name].model_dump(mode="json"),
        "poisoned": config.identity.poisoned,
        "retention": config.retention_us,
        # Files are cut into records by our own code, and phones are brought into normal form by a library's tables.
        "versions": [version(name) for name in ("journey-mining", "duckdb", "phonenumbers")],
    }
    text = json.dumps(settings, sort_keys=True) + fingerprint([*shared, *([own] if own.is_file() else [])])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
