"""The ledger of files: what a run reads of each source, and what it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from journey_mining.config import Config, Source, locate
from journey_mining.errors import SourceError
from journey_mining.sources.ahead import ReadAhead
from journey_mining.sources.bytestream import RAW_KEPT_BYTES, checksum
from journey_mining.sources.changes import (
    begin_changes,
    bring_descriptions_back,
    recount_files,
    set_descriptions_aside,
    withdraw_files,
)
from journey_mining.sources.found import reading_fingerprint
from journey_mining.sources.keys import Pads
from journey_mining.sources.load import LoadedFile
from journey_mining.sources.plans import Plan, plan_sources
from journey_mining.sources.presets import Preset
from journey_mining.warehouse import Warehouse


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
    counted = ("files_read", "files_kept", "files_changed", "files_vanished", "files_unnamed", "records")
    totals = dict.fromkeys(counted, 0)
    begin_changes(warehouse)
    _withdraw_strangers(warehouse, config)
    is_all_again = frozenset(again) >= config.sources.keys()
    if is_all_again:
        set_descriptions_aside(warehouse)
    plans = plan_sources(warehouse, config, retried, again)
    with ReadAhead(warehouse, config, pads) as ahead:
        ahead.begin(plans)
        for plan in plans:
            files = ahead.look(plan)
            with warehouse.transaction():
                _read_source(warehouse, ahead, plan, files)
                _require_recognised(warehouse, config, plan.name, plan.preset, files)
                warehouse.execute("delete from store.main.readings where source = $s", {"s": plan.name})
                warehouse.execute(
                    "insert into store.main.readings values ($s, $f)",
                    {"s": plan.name, "f": reading_fingerprint(config, plan.name)},
                )
            read = {"files_read": len(files), "records": sum(file.record_count for file in files)}
            for name, count in {**plan.counts, **read}.items():
                totals[name] += count
    if is_all_again:
        bring_descriptions_back(warehouse)
    recount_files(warehouse)
    return totals


def _read_source(warehouse: Warehouse, ahead: ReadAhead, plan: Plan, files: list[LoadedFile]) -> None:
    """Take out what leaves, and read these files."""
    if plan.leaving:
        withdraw_files(warehouse, plan.leaving)
    _mark_vanished(warehouse, plan.vanished)
    for times in plan.touched:
        warehouse.execute(
            "update store.main.files set modified_ns = $modified_ns, changed_ns = $changed_ns where file_no = $file_no",
            times,
        )
    ahead.load(plan, files)
    for file in files:
        if file.shape.format == "damaged":
            _quarantine_whole(warehouse, file)
        _enter(warehouse, plan.name, plan.preset, file)


def _withdraw_strangers(warehouse: Warehouse, config: Config) -> None:
    """Sources that are no longer configured leave the store."""
    rows = warehouse.rows(
        "select file_no from files where not list_contains($n, source)", {"n": list(config.sources)}
    )
    if rows:
        with warehouse.transaction():
            withdraw_files(warehouse, [int(row["file_no"]) for row in rows])


def _mark_vanished(warehouse: Warehouse, file_nos: list[int]) -> None:
    warehouse.execute(
        "update store.main.files set status = 'vanished' where list_contains($f::integer[], file_no)",
        {"f": file_nos},
    )


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


def _enter(warehouse: Warehouse, name: str, preset: Preset, file: LoadedFile) -> None:
    """Write the file's line in the ledger."""
    file.sha256 = file.sha256 or checksum(file.path)
    identity = f"{name}\x1f{file.relative}\x1f{file.sha256}".encode()
    warehouse.execute(
        "insert into store.main.files values ($file_no, $file_id, $source, $system, $table_name, $path, $format, $sha256, "
        "$byte_count, $modified_ns, $changed_ns, $record_count, $item_count, $event_count, $duplicate_count, $quarantined_count, "
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
            "changed_ns": file.changed_ns,
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
