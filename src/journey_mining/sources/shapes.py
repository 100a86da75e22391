"""The shape of a file: its format and which of the preset's tables it holds, told from its first bytes."""

from __future__ import annotations

import csv
import glob
import io
import json
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from journey_mining.config import Source
from journey_mining.errors import SourceError
from journey_mining.sources.bytestream import ByteStream, is_parquet
from journey_mining.sources.presets import Preset, Table
from journey_mining.warehouse import Connection, quoted

Format = Literal["csv", "jsonl", "json", "parquet", "empty", "damaged"]
_LINES_SUFFIXES = {".jsonl", ".ndjson"}
_PEEK_BYTES = 1 << 20
MAX_COLUMNS = 10_000
"""A table of more columns is no export; what it holds is quarantined."""


@dataclass(frozen=True)
class Shape:
    """How a file is read: format, table (None: not one of the preset's), and what CSV needs to know."""

    format: Format
    table: str | None = None
    columns: tuple[str, ...] = ()
    """Columns of the file, as found."""
    explode: str | None = None
    """Key of the JSON document that holds the records."""
    delimiter: str = ","
    header_records: int = 0
    """CSV records before the first row."""
    header_text: str = ""
    """The header rows after the first, joined."""
    damage: str = ""
    """Why nothing of the file can be read."""
    is_quoted: bool = True
    """False: quotes of a CSV file are plain characters."""
    ends_in_return: bool = False
    """True: the rows of a CSV file end in a carriage return alone, as old spreadsheets write them."""
    is_paged: bool = False
    """True: a JSON file of several documents, one a line."""


def find_shape(path: Path, source: Source, preset: Preset) -> Shape:
    """The shape of the file `path` under the source's settings and the system's preset."""
    if path.stat().st_size == 0:
        return Shape("empty")
    if is_parquet(path):
        try:
            columns = tuple(pq.read_schema(path).names)
        except (pa.ArrowException, OSError, ValueError):
            return Shape("damaged", damage="not readable as Parquet")
        if len(columns) > MAX_COLUMNS:
            return Shape("damaged", damage=f"more than {MAX_COLUMNS:,} columns")
        return Shape("parquet", _recognise(columns, None, source, preset), columns)
    stream = ByteStream(path, source.encoding)
    head = _peek(stream)
    if not head.strip():
        return Shape("damaged", damage=stream.damage) if stream.damage else Shape("empty")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if head.lstrip()[:1] in (b"{", b"[") and suffix not in (".csv", ".tsv", ".txt"):
        return _json_shape(path, head, suffix, source, preset)
    return _csv_shape(head, source, preset)


def find_whole_shape(path: Path, source: Source, preset: Preset, connection: Connection) -> Shape:
    """The shape as `find_shape` tells it, but `damaged` for a Parquet table with a page that cannot be decoded.

    Its bytes are met long after its columns are known, and one statement reads many files: a bad page must be found
    before that, so that it costs its file and nothing else. Every column is decoded, whether or not the preset reads
    it, so that a file's fate does not depend on what it is read with.
    """
    shape = find_shape(path, source, preset)
    if shape.format != "parquet" or shape.table is None:
        return shape
    query = f"select bit_xor(hash(columns(*))) from read_parquet({quoted(glob.escape(str(path)))})"
    try:
        # Of its own, since a failure ends the transaction that is open.
        with connection.cursor() as cursor:
            cursor.execute(query).fetchall()
    except (duckdb.OutOfMemoryException, duckdb.FatalException):
        raise
    except duckdb.Error:
        return Shape("damaged", damage="not readable as Parquet: some of its data is broken")
    return shape


def _peek(stream: ByteStream) -> bytes:
    parts: list[bytes] = []
    for chunk in stream.chunks():
        parts.append(chunk)
        if sum(map(len, parts)) >= _PEEK_BYTES:
            break
    return b"".join(parts)


def _json_shape(path: Path, head: bytes, suffix: str, source: Source, preset: Preset) -> Shape:
    keys = {key for table in preset.tables.values() for key in table.explode}
    lines = [line for line in head.split(b"\n")[:50] if line.strip()]
    if suffix not in _LINES_SUFFIXES and len(lines) == 1:
        return _document_shape(path, head, source, preset, keys)
    objects = [found for line in lines if (found := _object(line)) is not None]
    is_lines = suffix in _LINES_SUFFIXES or _are_lines(lines, len(objects))
    is_paged = len(objects) > 0 and all(keys & found.keys() for found in objects)
    if is_lines and not is_paged:
        return Shape("jsonl", _recognise(_paths(objects), None, source, preset), _keys(objects))
    return _document_shape(path, head, source, preset, keys)


def _are_lines(lines: list[bytes], object_count: int) -> bool:
    """Whether each line is a record, a broken one here and there; of a document written record by record one line may be."""
    return _object(lines[0]) is not None or 2 * object_count >= len(lines)


def _object(line: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _document_shape(path: Path, head: bytes, source: Source, preset: Preset, keys: set[str]) -> Shape:
    stream = ByteStream(path, source.encoding)
    text = stream.whole()
    if stream.is_overlong:
        return Shape("damaged", damage=stream.damage or "")
    pages, is_paged = _documents(text)
    if not pages:
        explode = next(
            (key for key in sorted(keys) if re.search(rb'"%s"\s*:\s*\[' % re.escape(key).encode(), head)),
            None,
        )
        table = source.table or _by_explode(explode, preset)
        return Shape("json", table, explode=explode) if table else Shape("damaged", damage="not valid JSON")
    explode = next((key for page in pages if isinstance(page, dict) for key in page if key in keys), None)
    found = [item for page in pages for item in _first_items(page, explode) if isinstance(item, dict)][:50]
    if not found:
        return Shape("json", source.table or _by_explode(explode, preset), explode=explode, is_paged=is_paged)
    return Shape(
        "json", _recognise(_paths(found), explode, source, preset), _keys(found), explode, is_paged=is_paged
    )


def _documents(text: bytes) -> tuple[list[object], bool]:
    """The document in the text, or the first of several that stand one a line."""
    try:
        return [json.loads(text)], False
    except (ValueError, RecursionError):
        lines = (_object(line) for line in text.split(b"\n", 50)[:50] if line.strip())
        return [found for found in lines if found is not None], True


def _first_items(page: object, explode: str | None) -> list[object]:
    items = page.get(explode) if explode and isinstance(page, dict) else page
    return items[:50] if isinstance(items, list) else [items]


def _keys(objects: list[dict[str, object]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for found in objects for key in found))


def _paths(objects: list[dict[str, object]]) -> tuple[str, ...]:
    """Keys of the objects and, as `key.inner`, of the objects inside them."""
    inner = {
        f"{key}.{name}"
        for found in objects
        for key, value in found.items()
        if isinstance(value, dict)
        for name in value
    }
    return (*_keys(objects), *sorted(inner))


def _by_explode(explode: str | None, preset: Preset) -> str | None:
    return next((name for name, table in preset.tables.items() if explode and explode in table.explode), None)


def _csv_shape(head: bytes, source: Source, preset: Preset) -> Shape:
    bare = next((name for name, table in preset.tables.items() if table.header == "none"), None)
    rows_text = head.decode("utf-8", "replace")
    if bare and (source.table == bare or _fits_bare(rows_text, preset.tables[bare])):
        table = preset.tables[bare]
        return Shape(
            "csv",
            bare,
            tuple(table.columns),
            delimiter=table.delimiter or ",",
            is_quoted=table.delimiter != "\t",
        )
    delimiter = source.delimiter or _delimiter(rows_text)
    ends_in_return = _ends_in_return(rows_text, delimiter)
    rows = _first_rows(rows_text, delimiter)
    header = rows[0] if rows else []
    if len(header) > MAX_COLUMNS:
        return Shape("damaged", damage=f"more than {MAX_COLUMNS:,} columns")
    columns = _unique_names(header)
    name = _recognise(columns, None, source, preset)
    table_rows = preset.tables[name] if name else Table(columns={})
    extra = table_rows.header_rows
    marker = table_rows.header_marker
    if marker and len(rows) > extra and any(re.match(marker, cell) for cell in rows[extra]):
        extra += 1
    header_text = "\n".join("\t".join(row) for row in rows[1:extra])
    return Shape(
        "csv",
        name,
        columns,
        delimiter=delimiter,
        header_records=extra,
        header_text=header_text,
        ends_in_return=ends_in_return,
    )


def _ends_in_return(text: str, delimiter: str) -> bool:
    """Whether the first row ends in a carriage return that no line feed follows."""
    lines = io.StringIO(text, newline="")
    try:
        next((row for row in csv.reader(lines, delimiter=delimiter) if row), None)
    except csv.Error:
        return False
    end = lines.tell()
    return text[:end].endswith("\r") and not text[end:].lstrip("\r").startswith("\n")


def _first_rows(text: str, delimiter: str) -> list[list[str]]:
    """The first rows that are not blank, enough for any header."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return list(islice((row for row in reader if row), 10))
    except csv.Error:
        return []


def _fits_bare(text: str, table: Table) -> bool:
    first = text.split("\n", 1)[0]
    return first.count(table.delimiter or ",") + 1 == len(table.columns)


def _delimiter(text: str) -> str:
    header = re.split("[\r\n]", text, maxsplit=1)[0]
    return max((",", ";", "\t", "|"), key=header.count)


def _unique_names(header: list[str]) -> tuple[str, ...]:
    """Names of the columns: an empty one is column_<n>, a repeated one gets _2, then _3, and so on."""
    counts: dict[str, int] = {}
    for number, cell in enumerate(header, 1):
        base = cell.strip() or f"column_{number}"
        name, count = base, counts.get(base, 0) + 1
        while name in counts:
            name, count = f"{base}_{count}", count + 1
        counts[base] = max(counts.get(base, 1), count - 1)
        counts.setdefault(name, 1)
    return tuple(counts)


def _recognise(columns: tuple[str, ...], explode: str | None, source: Source, preset: Preset) -> str | None:
    """The table whose required columns are all there, the one with most of them; or the one that the source names."""
    if source.table is not None:
        if source.table not in preset.tables:
            raise SourceError(
                f"The preset '{preset.system}' has no table '{source.table}'.",
                expected="one of " + ", ".join(preset.tables),
                fix="correct 'table:' of the source in journey.yaml",
            )
        return source.table
    present = {column.lower() for column in columns}
    renamed = {new: old.lower() for new, old in source.columns.items()}
    fitting = [
        (len(table.requires), name)
        for name, table in preset.tables.items()
        if table.requires
        and (not explode or not table.explode or explode in table.explode)
        and all(renamed.get(column, column.lower()) in present for column in table.requires)
    ]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None
