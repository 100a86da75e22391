"""The ledger of files: which ones a run must read, and which known ones changed or vanished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from journey_mining.config import Config, Source, locate
from journey_mining.errors import SourceError
from journey_mining.models import fingerprint, sql_folder
from journey_mining.sources.bytestream import RAW_KEPT_BYTES, checksum
from journey_mining.sources.changes import (
    begin_changes,
    bring_descriptions_back,
    recount_files,
    set_descriptions_aside,
    withdraw_files,
)
from journey_mining.sources.consent import consent_rules
from journey_mining.sources.containment import find_paths, require_apart, require_contained
from journey_mining.sources.keys import Pads
from journey_mining.sources.load import Batch, LoadedFile, load_batch
from journey_mining.sources.presets import Preset, load_preset
from journey_mining.sources.shapes import Shape, find_whole_shape
from journey_mining.warehouse import Connection, Warehouse

_BATCH_BYTES = 2 << 30
"""Bytes of text that are read in one batch, about two million events: what a batch needs must fit in memory."""
_PACKED = {".gz": 16, ".parquet": 32}
"""Suffix -> bytes of text that a byte of such a file holds, roughly."""


@dataclass(frozen=True)
class Look:
    """What a file was before it was read: what is written to it from then on differs, and is read by the next run."""

    shape: Shape
    byte_count: int
    modified_ns: int


@dataclass(frozen=True)
class FoundFile:
    """A file of a source on disk; `relative` is its path as the ledger and the report name it."""

    source: str
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
    return [FoundFile(name, path, _relative(path, config.path.parent)) for path in found]


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


def read_sources(
    warehouse: Warehouse,
    config: Config,
    pads: Pads,
    retried: Collection[str] = (),
    again: Collection[str] = (),
) -> dict[str, int]:
    """Bring the store up to date with the files on disk; returns counts of what was read.

    Sources in `again` are read again, every file of theirs; of those in `retried`, every file that has a record in
    quarantine. Each source is one transaction: a step that is tried again finds it wholly read or not at all.
    """
    totals = {"files_read": 0, "files_kept": 0, "files_changed": 0, "files_vanished": 0, "records": 0}
    begin_changes(warehouse)
    _withdraw_strangers(warehouse, config)
    is_all_again = frozenset(again) >= config.sources.keys()
    if is_all_again:
        set_descriptions_aside(warehouse)
    for name, source in config.sources.items():
        preset = preset_of(config, source)
        check_source(config, name, source, preset)
        found = find_files(config, name, source)
        with warehouse.transaction():
            fresh, gone = _settle_known(warehouse, name, found, totals, name in retried, name in again)
            look_at = cache(partial(_look_at, source=source, preset=preset, connection=warehouse.connection))
            fresh += _withdraw_joined(warehouse, config, name, found, fresh, gone, totals, look_at)
            files = _read_fresh(warehouse, config, pads, name, fresh, totals, look_at)
            _require_recognised(warehouse, config, name, preset, files)
            warehouse.execute("delete from store.main.readings where source = $s", {"s": name})
            warehouse.execute(
                "insert into store.main.readings values ($s, $f)",
                {"s": name, "f": reading_fingerprint(config, name)},
            )
    if is_all_again:
        bring_descriptions_back(warehouse)
    recount_files(warehouse)
    return totals


def _look_at(path: Path, source: Source, preset: Preset, connection: Connection) -> Look:
    stat = path.stat()
    return Look(find_whole_shape(path, source, preset, connection), stat.st_size, stat.st_mtime_ns)


def _withdraw_strangers(warehouse: Warehouse, config: Config) -> None:
    """Sources that are no longer configured leave the store."""
    rows = warehouse.rows(
        "select file_no from files where not list_contains($n, source)", {"n": list(config.sources)}
    )
    if rows:
        with warehouse.transaction():
            withdraw_files(warehouse, [int(row["file_no"]) for row in rows])


def _settle_known(
    warehouse: Warehouse,
    name: str,
    found: list[FoundFile],
    totals: dict[str, int],
    retry_quarantine: bool,
    again: bool,
) -> tuple[list[FoundFile], set[str]]:
    """The files that must be read, and the tables of those that went.

    Changed files are withdrawn first, vanished ones are marked and kept.
    """
    known = {
        row["path"]: row
        for row in warehouse.rows("select * from files where source = $source", {"source": name})
    }
    fresh, changed, gone = [], [], set()
    for file in found:
        row = known.pop(file.relative, None)
        wanted = again or row is None or (retry_quarantine and row["quarantined_count"])
        if row is not None and not wanted and _is_settled(file.path, row):
            totals["files_kept"] += 1
            continue
        if row is not None:
            changed.append(int(str(row["file_no"])))
            gone.add(str(row["table_name"]))
        fresh.append(file)
    empty = [int(str(row["file_no"])) for row in known.values() if row["status"] in _HOLDING_NOTHING]
    if changed or empty:
        withdraw_files(warehouse, [*changed, *empty])
    gone |= {str(row["table_name"]) for row in known.values() if row["status"] != "vanished"}
    _mark_vanished(warehouse, [int(str(row["file_no"])) for row in known.values()])
    totals["files_changed"] += len(changed)
    totals["files_vanished"] += len(known)
    return fresh, gone


_HOLDING_NOTHING = ("lookup", "unrecognised", "empty")
"""States of files that held no events: when they vanish, they leave the ledger."""


def _mark_vanished(warehouse: Warehouse, file_nos: list[int]) -> None:
    warehouse.execute(
        "update store.main.files set status = 'vanished' where list_contains($f::integer[], file_no)",
        {"f": file_nos},
    )


def _withdraw_joined(
    warehouse: Warehouse,
    config: Config,
    name: str,
    found: list[FoundFile],
    fresh: list[FoundFile],
    gone: set[str],
    totals: dict[str, int],
    look_at: Callable[[Path], Look],
) -> list[FoundFile]:
    """Further files to read, withdrawn: those that what changed explains, and those that explain what is read."""
    preset = preset_of(config, config.sources[name])
    if not preset.joined_tables or not (fresh or gone & preset.joined_tables):
        return []
    fresh_tables = {table for file in fresh if (table := look_at(file.path).shape.table)}
    explained = preset.explained_by(fresh_tables | gone)
    wanted = explained | preset.explaining(explained | fresh_tables)
    chosen = {file.relative for file in fresh}
    query = "select file_no, path, table_name from files where source = $s and status <> 'vanished'"
    others = {
        row["path"]: int(row["file_no"])
        for row in warehouse.rows(query, {"s": name})
        if row["path"] not in chosen and row["table_name"] in wanted
    }
    if others:
        withdraw_files(warehouse, others.values())
    totals["files_kept"] -= len(others)
    return [file for file in found if file.relative in others]


def _is_settled(path: Path, row: dict[str, object]) -> bool:
    """Whether the ledger's line still tells what the file holds."""
    stat = path.stat()
    if row["status"] == "vanished" or stat.st_size != row["byte_count"]:
        return False
    return stat.st_mtime_ns == row["modified_ns"] or checksum(path) == row["sha256"]


def _read_fresh(
    warehouse: Warehouse,
    config: Config,
    pads: Pads,
    name: str,
    fresh: list[FoundFile],
    totals: dict[str, int],
    look_at: Callable[[Path], Look],
) -> list[LoadedFile]:
    source = config.sources[name]
    preset = preset_of(config, source)
    # A number that a withdrawn file had is not given again: what is new in this run is told by its number.
    first = int(
        warehouse.value(
            "select greatest(coalesce((select max(file_no) from files), 0) + 1, file_no) from first_delivery"
        )
    )
    looks = [look_at(file.path) for file in fresh]
    files = [
        LoadedFile(
            first + index, file.path, file.relative, look.shape,
            byte_count=look.byte_count, modified_ns=look.modified_ns,
        )
        for index, (file, look) in enumerate(zip(fresh, looks, strict=True))
    ]  # fmt: skip
    readable = [file for file in files if file.shape.table]
    tables = {str(file.shape.table) for file in readable}
    linked = (preset.joined_tables & tables) | preset.explained_by(tables)
    readable.sort(key=lambda file: file.shape.table not in linked)
    for part in _batches(readable, sum(file.shape.table in linked for file in readable)):
        load_batch(warehouse, Batch(name, source, preset, part), config, pads)
    for file in files:
        if file.shape.format == "damaged":
            _quarantine_whole(warehouse, file)
        _enter(warehouse, name, preset, file)
        totals["files_read"] += 1
        totals["records"] += file.record_count
    return files


def _quarantine_whole(warehouse: Warehouse, file: LoadedFile) -> None:
    """Enter a file of which nothing can be read as one record in quarantine, with its first bytes."""
    with file.path.open("rb") as content:
        raw = content.read(RAW_KEPT_BYTES)
    warehouse.execute(
        "insert into store.main.quarantine values ($file_no, 0, 1, $reason, $raw, $byte_count)",
        {
            "file_no": file.file_no,
            "reason": file.shape.damage,
            "raw": raw,
            "byte_count": file.path.stat().st_size,
        },
    )
    file.record_count = file.item_count = file.quarantined_count = 1


def _batches(files: list[LoadedFile], linked_count: int) -> Iterator[list[LoadedFile]]:
    """Parts of the files that are not too large; the first `linked_count` explain one another and stay together."""
    part: list[LoadedFile] = []
    size = 0
    for number, file in enumerate(files, 1):
        part.append(file)
        size += file.path.stat().st_size * _PACKED.get(file.path.suffix.lower(), 1)
        if size >= _BATCH_BYTES and number >= linked_count:
            yield part
            part, size = [], 0
    if part:
        yield part


def _enter(warehouse: Warehouse, name: str, preset: Preset, file: LoadedFile) -> None:
    """Write the file's line in the ledger."""
    file.sha256 = file.sha256 or checksum(file.path)
    identity = f"{name}\x1f{file.relative}\x1f{file.sha256}".encode()
    warehouse.execute(
        "insert into store.main.files values ($file_no, $file_id, $source, $system, $table_name, $path, $format, $sha256, "
        "$byte_count, $modified_ns, $record_count, $item_count, $event_count, $duplicate_count, $quarantined_count, "
        "$refused_count, $status)",
        {
            "file_no": file.file_no,
            "file_id": hashlib.sha256(identity).hexdigest()[:16],
            "source": name,
            "system": preset.system,
            "table_name": file.shape.table,
            "path": file.relative,
            "format": file.shape.format,
            "sha256": file.sha256,
            "byte_count": file.byte_count,
            "modified_ns": file.modified_ns,
            "record_count": file.record_count,
            "item_count": file.item_count,
            "event_count": file.event_count,
            "duplicate_count": file.duplicate_count,
            "quarantined_count": file.quarantined_count,
            "refused_count": file.refused_count,
            "status": _status(file),
        },
    )


def _status(file: LoadedFile) -> str:
    if file.shape.format in ("empty", "damaged"):
        return file.shape.format
    if any(bad.line == 0 for bad in file.bad):
        return "damaged"
    return file.status if file.shape.table else "unrecognised"


def _require_recognised(
    warehouse: Warehouse, config: Config, name: str, preset: Preset, files: list[LoadedFile]
) -> None:
    """Raise SourceError when a source has new files, and neither they nor any that it had is a table of its system.

    Beside others a stranger is no reason to stop: an audit names it.
    """
    others = "select count(*) from files where source = $s and status <> 'unrecognised'"
    if not files or warehouse.value(others, {"s": name}):
        return
    wanted = "; ".join(
        f"{table}: {', '.join(shape.requires)}" for table, shape in preset.tables.items() if shape.requires
    )
    lacking = _lacking(files[0], preset, config.sources[name])
    # Of a file without a header the first row stands for the columns: it may hold people.
    columns = [
        row["label"]
        for row in warehouse.rows(
            "select label_of(unnest($columns::varchar[])) as label",
            {"columns": list(files[0].shape.columns[:30])},
        )
    ]
    raise SourceError(
        f"{files[0].relative} {lacking}.",
        found=", ".join(columns) or "no columns",
        expected=wanted,
        fix=f"map the columns under sources.{name}.columns in journey.yaml ({locate(config.path, 'sources', name)})",
    )


def _lacking(file: LoadedFile, preset: Preset, source: Source) -> str:
    if len(preset.tables) > 1:
        return f"is not a table of {preset.system}"
    table = next(iter(preset.tables.values()))
    present = {column.lower() for column in file.shape.columns}
    missing = [c for c in table.requires if source.columns.get(c, c).lower() not in present]
    names = ", ".join(f"'{source.columns.get(column, column)}'" for column in missing)
    return f"lacks the column{'s' if len(missing) > 1 else ''} {names}"
