"""Loading: the files of one source become staged events, duplicates and quarantined records in the store."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb.func import FunctionNullHandling

from journey_mining.config import Config, Source
from journey_mining.errors import SourceError
from journey_mining.models import ancestors, find_models
from journey_mining.sources.arrow import RecordReader, chain_batches
from journey_mining.sources.bytestream import BadRecord, checksum
from journey_mining.sources.changes import demote_events, list_deliveries
from journey_mining.sources.consent import consent_rules, refuse_records
from journey_mining.sources.erased import horizon_us, list_erased
from journey_mining.sources.keys import Pads, phone_e164
from journey_mining.sources.presets import Preset, Table, duckdb_type
from journey_mining.sources.shapes import Shape
from journey_mining.sources.sharing import find_middle, in_any_order, show_items
from journey_mining.warehouse import BLAMELESS, Connection, Warehouse, first_line, quoted, quoted_name

ITEM_COLUMNS = {
    "file_no": "INTEGER", "line": "BIGINT", "item": "INTEGER", "raw": "VARCHAR", "native_key": "VARCHAR", "is_native_id": "BOOLEAN",
    "occurred_text": "VARCHAR", "occurred_us": "BIGINT", "received_us": "BIGINT", "sequence": "BIGINT",
    "event_name": "VARCHAR", "given_touchpoint": "VARCHAR", "given_stage": "VARCHAR",
    "initiator": "VARCHAR", "is_background": "BOOLEAN", "channel": "VARCHAR", "fallback_channel": "VARCHAR", "is_paid_click": "BOOLEAN", "device": "VARCHAR",
    "page_url": "VARCHAR",
    "campaign_source": "VARCHAR", "campaign_medium": "VARCHAR", "campaign_name": "VARCHAR",
    "object_type": "VARCHAR", "object_id": "VARCHAR", "status": "VARCHAR", "actor": "VARCHAR",
    "value": "DOUBLE", "currency": "VARCHAR",
    "score": "DOUBLE", "score_kind": "VARCHAR", "score_min": "DOUBLE", "score_max": "DOUBLE",
    "session_hint": "VARCHAR", "reject_reason": "VARCHAR",
    "identifiers": "STRUCT(kind VARCHAR, content VARCHAR)[]",
}  # fmt: skip
"""Columns that a preset may give for an item; the ones it leaves out are NULL (item: 1)."""
TEXT_FORMATS = ("csv", "jsonl", "json")
PREPARED = ("staged_items", "identifier_lists", "read_bad_records")
"""Temporary tables of a batch that was read and is not yet stored."""
STORED = {
    "fresh_events": "staged_events",
    "fresh_duplicates": "duplicates",
    "fresh_rejects": "quarantine",
    "fresh_signatures": "signatures",
    "fresh_identifier_sets": "identifier_sets",
}
"""Staging model -> table of the store that its rows are appended to."""
_COUNTED = {
    "fresh_events": "event_count",
    "fresh_duplicates": "duplicate_count",
    "fresh_rejects": "quarantined_count",
}


@dataclass
class LoadedFile:
    """One file of a batch: what was found in it."""

    file_no: int
    path: Path
    relative: str
    shape: Shape
    sha256: str = ""
    byte_count: int = 0
    modified_ns: int = 0
    changed_ns: int = 0
    record_count: int = 0
    item_count: int = 0
    event_count: int = 0
    duplicate_count: int = 0
    quarantined_count: int = 0
    refused_count: int = 0
    status: Literal["read", "lookup"] = "read"
    bad: list[BadRecord] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """Files of one source that are read together."""

    name: str
    """Name of the source."""
    source: Source
    preset: Preset
    files: list[LoadedFile]
    delivered: list[LoadedFile]
    """All files of the source that are read in this run: those of earlier batches may tell the same events."""


def register_functions(connection: Connection) -> None:
    """Make the Python functions known that presets' macros call."""
    connection.create_function(
        "phone_e164",
        phone_e164,
        ["varchar"],
        "varchar",
        null_handling=FunctionNullHandling.SPECIAL,
    )


def load_batch(warehouse: Warehouse, batch: Batch, config: Config, pads: Pads) -> None:
    """Read the files of a batch into the store; fills in the counts of its files."""
    prepare_batch(warehouse, batch, config, pads)
    store_batch(warehouse, batch)
    for name in PREPARED:
        warehouse.execute(f"drop table temp.main.{name}")


def prepare_batch(warehouse: Warehouse, batch: Batch, config: Config, pads: Pads) -> None:
    """Read the files of a batch into the temporary tables PREPARED; writes nothing else."""
    middle = find_middle(warehouse, [(file.path, file.shape.format) for file in batch.files])
    with in_any_order(warehouse, middle is not None), _relations(warehouse, batch, middle) as readers:
        try:
            _read_items(warehouse, batch)
        except BLAMELESS:
            raise
        except duckdb.Error as error:
            raise SourceError(
                f"sources.{batch.name}: the preset '{batch.preset.system}' failed: {first_line(error)}.",
                fix="check `columns:` and `table:` of the source, or the preset's SQL",
            ) from error
        for reader in readers:
            _take_counts(batch.files, reader)
    _count_items(warehouse, batch)
    is_shared = show_items(warehouse, sum(file.item_count for file in batch.files))
    with in_any_order(warehouse, is_shared):
        _stage_items(warehouse, batch, config, pads)


def _stage_items(warehouse: Warehouse, batch: Batch, config: Config, pads: Pads) -> None:
    """Build PREPARED from temp.read_items, which is dropped then."""
    _register_bad_records(warehouse, batch)
    parameters = {
        "source": batch.name,
        "keeps_repeats": batch.preset.delivery == "as_written",
        "keeps_order": (batch.source.order or batch.preset.delivery) == "as_written",
        "json_files": [file.file_no for file in batch.files if file.shape.format in ("jsonl", "json")],
        "inner_pad": pads.inner,
        "outer_pad": pads.outer,
        "row_key": pads.row_key,
        "horizon_us": horizon_us(warehouse, config.retention_us),
        "poisoned": [value.lower() for value in config.identity.poisoned],
    }
    list_erased(warehouse, pads)
    preparing = ancestors("staging", "staged_items")
    for name in preparing:
        warehouse.build(find_models("staging")[name], parameters)
    _require_zone(warehouse, batch)
    _count_refused(warehouse, batch)
    warehouse.execute("drop view temp.main.read_items")
    for name in sorted({"all_items", "erased_lists", *preparing} - set(PREPARED)):
        warehouse.execute(f"drop table temp.main.{name}")


def store_batch(warehouse: Warehouse, batch: Batch) -> None:
    """Put what is in PREPARED into the store."""
    list_deliveries(warehouse, ((file.file_no, file.relative) for file in batch.delivered))
    preparing = ancestors("staging", "staged_items")
    storing = [model for name, model in find_models("staging").items() if name not in preparing]
    for model in storing:
        warehouse.build(model, {"source": batch.name})
    _store(warehouse, batch)
    for model in storing:
        warehouse.execute(f"drop table temp.main.{model.name}")


def _take_counts(files: list[LoadedFile], reader: RecordReader) -> None:
    file = next(file for file in files if file.file_no == reader.file_no)
    file.sha256, file.record_count, file.bad = reader.stream.sha256, reader.record_count, reader.bad


@contextmanager
def _relations(warehouse: Warehouse, batch: Batch, middle: int | None) -> Iterator[list[RecordReader]]:
    """The relations read_<table> that the preset's select reads, while the context lasts.

    A stream can be read once: lookups and tables that the select names more than once are kept as tables.
    """
    readers: list[RecordReader] = []
    streams: list[str] = []
    kinds: dict[str, str] = {}
    rules = consent_rules(batch.name, batch.source, batch.preset)
    for name, declared in batch.preset.tables.items():
        table = declared.used(batch.preset.sql + rules.get(name, ""))
        parts = []
        for kind, chosen in _readers_by_format(batch, name, table).items():
            streams.append(f"arrow_{name}_{kind}")
            warehouse.connection.register(streams[-1], chain_batches(chosen))
            readers += chosen
            parts.append(_text_select(streams[-1], table, kind, batch))
        parts += _parquet_selects(batch, name, table, middle)
        kinds[name] = "view" if name in batch.preset.streamed_tables else "table"
        query = refuse_records(" union all ".join(parts or [_empty_select(table)]), table, rules.get(name))
        warehouse.execute(f"create or replace temp {kinds[name]} read_{name} as {query}")
        for file in _files(batch, name):
            file.status = "lookup" if table.role == "lookup" else "read"
    yield readers
    for name, kind in kinds.items():
        warehouse.execute(f"drop {kind} temp.main.read_{name}")
    for stream in streams:
        warehouse.connection.unregister(stream)


def _files(batch: Batch, table: str, kind: str | None = None) -> list[LoadedFile]:
    return [file for file in batch.files if file.shape.table == table and kind in (None, file.shape.format)]


def _readers_by_format(batch: Batch, name: str, table: Table) -> dict[str, list[RecordReader]]:
    found = {
        kind: [_reader(file, table, batch.source) for file in _files(batch, name, kind)]
        for kind in TEXT_FORMATS
    }
    return {kind: readers for kind, readers in found.items() if readers}


def _reader(file: LoadedFile, table: Table, source: Source) -> RecordReader:
    wanted = _column_pairs(file.shape, table, source) if file.shape.format == "csv" else ()
    return RecordReader(file.file_no, file.path, file.shape, source.encoding, tuple(wanted))


def _column_pairs(shape: Shape, table: Table, source: Source) -> list[tuple[str, str | None]]:
    """(column of the preset, the file's column or None): by the source's mapping, by name, by pattern."""
    present = {column.lower(): column for column in shape.columns}
    pairs = []
    for column in table.columns:
        found = present.get(source.columns.get(column, column).lower())
        pattern = table.patterns.get(column)
        if found is None and pattern and column not in source.columns:
            found = next((name for name in shape.columns if re.fullmatch(pattern, name, re.IGNORECASE)), None)
        pairs.append((column, found))
    return pairs


def _text_select(relation: str, table: Table, kind: str, batch: Batch) -> str:
    head = "select file_no, line, raw, header_text, "
    if kind == "csv":
        columns = ", ".join(
            f'"{name}"' if declared == "VARCHAR" else f'{_from_text(name, declared)} as "{name}"'
            for name, declared in table.columns.items()
        )
        return f"{head}{columns} from {relation}"
    renamed = {name: batch.source.columns.get(name, name) for name in table.columns}
    structure = json.dumps({renamed[name]: declared for name, declared in table.columns.items()})
    fields = ", ".join(f'parsed.{quoted_name(renamed[name])} as "{name}"' for name in table.columns)
    return f"{head}{fields} from (select *, try(json_transform(raw, {quoted(structure)})) as parsed from {relation})"


def _from_text(name: str, declared: Any) -> str:
    if isinstance(declared, dict | list):
        return f'try(json_transform("{name}", {quoted(json.dumps(declared))}))'
    return f'try_cast("{name}" as {declared})'


def _parquet_selects(batch: Batch, name: str, table: Table, middle: int | None) -> list[str]:
    """One select for all Parquet files of the same columns and types; many small relations would cost more."""
    groups: dict[str, list[LoadedFile]] = {}
    for file in _files(batch, name, "parquet"):
        found = pq.read_metadata(file.path)
        file.record_count = found.num_rows
        groups.setdefault(found.schema.to_arrow_schema().remove_metadata().to_string(), []).append(file)
        file.sha256 = checksum(file.path)
    selects = [_parquet_select(files, table, batch.source) for files in groups.values()]
    if middle is None or not selects:
        return selects
    return [f"{selects[0]} where r.file_row_number {side} {middle}" for side in ("<", ">=")]


def _parquet_select(files: list[LoadedFile], table: Table, source: Source) -> str:
    # A name is taken literally, whatever characters it has that mean something in a pattern.
    locations = "[" + ", ".join(quoted(glob.escape(str(file.path))) for file in files) + "]"
    columns = ", ".join(
        f'{_cast_column(old, table.columns[name])} as "{name}"'
        if old
        else f'null::{duckdb_type(table.columns[name])} as "{name}"'
        for name, old in _column_pairs(files[0].shape, table, source)
    )
    numbers = ", ".join(f"({quoted(str(file.path))}, {file.file_no}::integer)" for file in files)
    return (
        f"select f.file_no, r.file_row_number + 1 as line, null::varchar as raw, '' as header_text, {columns} "
        f"from read_parquet({locations}, file_row_number = true, filename = true) as r "
        f"inner join (values {numbers}) as f (path, file_no) on r.filename = f.path"
    )


def _cast_column(column: str, declared: Any) -> str:
    return f"try_cast(r.{quoted_name(column)} as {duckdb_type(declared)})"


def _empty_select(table: Table) -> str:
    columns = ", ".join(
        f'null::{duckdb_type(declared)} as "{name}"' for name, declared in table.columns.items()
    )
    return (
        "select null::integer as file_no, null::bigint as line, null::varchar as raw, null::varchar as header_text, "
        f"{columns} where false"
    )


def _read_items(warehouse: Warehouse, batch: Batch) -> None:
    """Run the preset's select into temp.all_items; the raw text is kept only of items that will be rejected."""
    template = ", ".join(f'null::{kind} as "{name}"' for name, kind in ITEM_COLUMNS.items())
    chosen = ", ".join(f'"{name}"' for name in ITEM_COLUMNS if name not in ("raw", "item"))
    bound = {"timezone": batch.source.timezone, "currency": batch.source.currency}
    used = {name: value for name, value in bound.items() if f"${name}" in batch.preset.sql}
    warehouse.execute(
        f"""create or replace temp table all_items as
        with preset_items as (
            select {template} where false
            union all by name
            ({batch.preset.sql})
        )
        select
            {chosen},
            coalesce(item, 1) as item,
            case
                when reject_reason is not null or occurred_us is null or not is_plausible(occurred_us, coalesce(occurred_text, ''))
                    or event_name is null or trim(event_name) = ''
                    or not (is_amount("value") and is_amount(score))
                    then raw
            end as raw
        from preset_items""",
        used,
    )


def _count_items(warehouse: Warehouse, batch: Batch) -> None:
    """Take the items of each file; every record that was read must have a first item, and only one.

    Items of records without consent (see sources.consent) are counted and go.
    """
    query = (
        "select abs(file_no) as file_no, count(*) as items, count(*) filter (where item = 1) as firsts, "
        "count(*) filter (where file_no < 0) as refused from all_items group by abs(file_no)"
    )
    found = {row["file_no"]: row for row in warehouse.rows(query)}
    for file in batch.files:
        row = found.get(file.file_no, {"items": 0, "firsts": 0, "refused": 0})
        file.item_count, file.refused_count = row["items"] + len(file.bad), row["refused"]
        if file.status == "read" and row["firsts"] + len(file.bad) != file.record_count:
            raise SourceError(
                f"sources.{batch.name}: the preset '{batch.preset.system}' lost or repeated records of {file.relative}.",
                found=f"{row['firsts']:,} first items",
                expected=f"one for each of {file.record_count - len(file.bad):,} records",
                fix="let the preset's select give every record an item 1; it may not filter",
            )
    if any(file.refused_count for file in batch.files):
        warehouse.execute("delete from temp.main.all_items where file_no < 0")


def _count_refused(warehouse: Warehouse, batch: Batch) -> None:
    """Count the items that were read and not staged: of erased persons, or older than the retention."""
    query = """select file_no, sum(n) as refused from (
        select file_no, count(*) as n from read_items group by file_no
        union all select file_no, -count(*) from staged_items group by file_no) group by file_no"""
    refused = {row["file_no"]: int(row["refused"]) for row in warehouse.rows(query)}
    for file in batch.files:
        file.refused_count += refused.get(file.file_no, 0)


def _require_zone(warehouse: Warehouse, batch: Batch) -> None:
    if batch.source.timezone is not None:
        return
    row = warehouse.rows(
        "select any_value(file_no) as file_no, min(line) as line from staged_items where reject_reason = 'time without a zone'"
    )[0]
    if row["line"] is None:
        return
    file = next(file for file in batch.files if file.file_no == row["file_no"])
    raise SourceError(
        f"sources.{batch.name}: the times in {file.relative} carry no zone (line {row['line']}).",
        expected="a zone in the data, or the zone in which the system wrote them",
        fix=f"add under sources.{batch.name} in journey.yaml: timezone: Europe/Berlin (or the system's zone)",
    )


def _store(warehouse: Warehouse, batch: Batch) -> None:
    """Append what the staging models found to the store."""
    demote_events(warehouse)
    for model, target in STORED.items():
        warehouse.execute(f"insert into store.main.{target} by name select * from temp.main.{model}")
    for model, name in _COUNTED.items():
        rows = warehouse.rows(f"select file_no, count(*) as n from temp.main.{model} group by file_no")
        counts = {row["file_no"]: int(row["n"]) for row in rows}
        for file in batch.files:
            setattr(file, name, counts.get(file.file_no, 0))


def _register_bad_records(warehouse: Warehouse, batch: Batch) -> None:
    rows = [(file.file_no, bad) for file in batch.files for bad in file.bad]
    table = pa.table(
        {
            "file_no": pa.array([number for number, _ in rows], pa.int32()),
            "line": pa.array([bad.line for _, bad in rows], pa.int64()),
            "reason": pa.array([bad.reason for _, bad in rows], pa.string()),
            "raw": pa.array([bad.raw for _, bad in rows], pa.large_binary()),
            "byte_count": pa.array([bad.byte_count for _, bad in rows], pa.int64()),
        }
    )
    warehouse.connection.register("arrow_bad_records", table)
    warehouse.execute("create or replace temp table read_bad_records as select * from arrow_bad_records")
    warehouse.connection.unregister("arrow_bad_records")
