"""What a run does with the files of a source: which it reads, and which deliveries leave before."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from journey_mining.config import Config, Source
from journey_mining.sources.bytestream import checksum
from journey_mining.sources.found import FoundFile, check_source, find_files, is_there, preset_of
from journey_mining.sources.load import Batch, LoadedFile
from journey_mining.sources.presets import Preset
from journey_mining.sources.shapes import Shape, find_whole_shape
from journey_mining.warehouse import Connection, Warehouse

_BATCH_BYTES = 2 << 30
"""Bytes of text that are read in one batch, about two million events: what a batch needs must fit in memory."""
_PACKED = {".gz": 16, ".parquet": 32}
"""Suffix -> bytes of text that a byte of such a file holds, roughly."""
HOLDING_NOTHING = ("lookup", "unrecognised", "empty")
"""States of files that held no events: when they vanish, they leave the ledger."""


@dataclass(frozen=True)
class _Look:
    """What a file was before it was read: what is written to it from then on differs, and is read by the next run."""

    shape: Shape
    byte_count: int
    modified_ns: int
    changed_ns: int


@dataclass
class Plan:
    """What a run does with the files of a source."""

    name: str
    source: Source
    preset: Preset
    first_no: int
    """Number of the first file to read."""
    fresh: list[FoundFile] = field(default_factory=list)
    """Files to read."""
    leaving: list[int] = field(default_factory=list)
    """Numbers of the deliveries that leave first."""
    vanished: list[int] = field(default_factory=list)
    """Numbers of the deliveries that are kept though their files are gone."""
    touched: list[dict[str, int]] = field(default_factory=list)
    """Number and times of the files that were written or copied again with what they had."""
    counts: dict[str, int] = field(default_factory=dict)
    """Files that are kept, changed, vanished and no longer named."""
    _looks: dict[Path, _Look] = field(default_factory=dict)

    def look(self, connection: Connection) -> list[LoadedFile]:
        """The files to read with their numbers, as they are before they are read."""
        looks = [self._look_at(file.path, connection) for file in self.fresh]
        return [
            LoadedFile(
                self.first_no + index, file.path, file.relative, look.shape,
                byte_count=look.byte_count, modified_ns=look.modified_ns, changed_ns=look.changed_ns,
            )
            for index, (file, look) in enumerate(zip(self.fresh, looks, strict=True))
        ]  # fmt: skip

    def batches(self, files: list[LoadedFile]) -> Iterator[Batch]:
        """What can be read, in parts that are not too large; files that explain one another stay together."""
        readable = [file for file in files if file.shape.table]
        tables = {str(file.shape.table) for file in readable}
        linked = (self.preset.joined_tables & tables) | self.preset.explained_by(tables)
        readable.sort(key=lambda file: file.shape.table not in linked)
        linked_count = sum(file.shape.table in linked for file in readable)
        part: list[LoadedFile] = []
        size = 0
        for number, file in enumerate(readable, 1):
            part.append(file)
            size += text_bytes(file.path)
            if size >= _BATCH_BYTES and number >= linked_count:
                yield Batch(self.name, self.source, self.preset, part, readable)
                part, size = [], 0
        if part:
            yield Batch(self.name, self.source, self.preset, part, readable)

    def _look_at(self, path: Path, connection: Connection) -> _Look:
        if path not in self._looks:
            stat = path.stat()
            shape = find_whole_shape(path, self.source, self.preset, connection)
            self._looks[path] = _Look(shape, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        return self._looks[path]

    def way_of(self, path: Path, connection: Connection) -> tuple[str | None, str]:
        """The table that a file to read holds, and its format."""
        shape = self._look_at(path, connection).shape
        return shape.table, shape.format

    def tables(self, connection: Connection) -> set[str]:
        """The tables that the files to read hold."""
        return {table for file in self.fresh if (table := self._look_at(file.path, connection).shape.table)}


def text_bytes(path: Path) -> int:
    """Bytes of text that a file holds, roughly."""
    return path.stat().st_size * _PACKED.get(path.suffix.lower(), 1)


def plan_sources(
    warehouse: Warehouse, config: Config, retried: Collection[str], again: Collection[str]
) -> list[Plan]:
    """What the run does with each source, in their order; only reads."""
    # A number that a withdrawn file had is not given again: what is new in this run is told by its number.
    number = int(
        warehouse.value(
            "select greatest(coalesce((select max(file_no) from files), 0) + 1, file_no) from first_delivery"
        )
    )
    plans = []
    for name, source in config.sources.items():
        preset = preset_of(config, source)
        check_source(config, name, source, preset)
        plan = Plan(name, source, preset, number)
        _compare(warehouse, config, plan, find_files(config, name, source), name in retried, name in again)
        plans.append(plan)
        number += len(plan.fresh)
    return plans


def _compare(
    warehouse: Warehouse, config: Config, plan: Plan, found: list[FoundFile], retries: bool, reads_again: bool
) -> None:
    """Compare the files on disk with the ledger: changed ones are read again, vanished ones are kept.

    One that is there, but no longer among those that the source names, leaves.
    """
    rows = warehouse.rows("select * from files where source = $source", {"source": plan.name})
    known = {str(row["path"]): row for row in rows}
    changed = []
    for file in found:
        row = known.get(file.relative)
        wanted = reads_again or row is None or (retries and row["quarantined_count"])
        if row is not None and not wanted and _is_settled(plan, file.path, row):
            continue
        if row is not None:
            changed.append(row)
        plan.fresh.append(file)
    present = {file.relative for file in found}
    gone = [row for path, row in known.items() if path not in present]
    unnamed = [row for row in gone if is_there(config, row["path"])]
    lost = [row for row in gone if row not in unnamed]
    left = {
        str(row["table_name"])
        for row in (*changed, *unnamed, *(r for r in lost if r["status"] != "vanished"))
    }
    joined = _find_joined(warehouse.connection, plan, found, known, left)
    moved = _find_moved(warehouse.connection, plan, found, known, lost)
    vanished = [row for row in lost if row["status"] not in HOLDING_NOTHING and row not in moved]
    plan.leaving = [int(row["file_no"]) for row in (*changed, *joined, *moved, *unnamed)]
    plan.leaving += [int(row["file_no"]) for row in lost if row["status"] in HOLDING_NOTHING]
    plan.vanished = [int(row["file_no"]) for row in vanished]
    plan.counts = {
        "files_kept": len(found) - len(plan.fresh),
        "files_changed": len(changed),
        "files_vanished": len(lost) - len(moved),
        "files_unnamed": len(unnamed),
    }


def _find_moved(
    connection: Connection,
    plan: Plan,
    found: list[FoundFile],
    known: dict[str, dict[str, Any]],
    gone: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Of the files that are gone, those whose bytes a file of the source has under another name, read in the same way.

    What is read there tells all that they told; they would otherwise outlive a correction of it.
    """
    lost = [row for row in gone if row["status"] not in HOLDING_NOTHING]
    sizes = {row["byte_count"] for row in lost}
    fresh = {file.relative for file in plan.fresh}
    there = set()
    for file in found:
        if file.path.stat().st_size not in sizes:
            continue
        if file.relative in fresh:
            there.add((checksum(file.path), *plan.way_of(file.path, connection)))
        else:
            row = known[file.relative]
            there.add((row["sha256"], row["table_name"], row["format"]))
    return [row for row in lost if (row["sha256"], row["table_name"], row["format"]) in there]


def _find_joined(
    connection: Connection,
    plan: Plan,
    found: list[FoundFile],
    known: dict[str, dict[str, Any]],
    left: set[str],
) -> list[dict[str, Any]]:
    """Add the files that what changed explains, and those that explain what is read; returns their lines in the ledger.

    `left`: the tables of the files that changed or vanished.
    """
    if not plan.preset.joined_tables or not (plan.fresh or left & plan.preset.joined_tables):
        return []
    fresh = plan.tables(connection)
    explained = plan.preset.explained_by(fresh | left)
    wanted = explained | plan.preset.explaining(explained | fresh)
    chosen = {file.relative for file in plan.fresh}
    others = [
        file for file in found if file.relative not in chosen and known[file.relative]["table_name"] in wanted
    ]
    plan.fresh += others
    return [known[file.relative] for file in others]


def _is_settled(plan: Plan, path: Path, row: dict[str, Any]) -> bool:
    """Whether the ledger's line still tells what the file holds.

    Whoever copies a file may give it the time of modification that it had, but not that of the last change of its
    entry in the file system, which nobody can set.
    """
    stat = path.stat()
    if row["status"] == "vanished" or stat.st_size != row["byte_count"]:
        return False
    times = {"modified_ns": stat.st_mtime_ns, "changed_ns": stat.st_ctime_ns}
    if all(row[name] == time for name, time in times.items()):
        return True
    if checksum(path) != row["sha256"]:
        return False
    plan.touched.append({"file_no": int(row["file_no"]), **times})
    return True
