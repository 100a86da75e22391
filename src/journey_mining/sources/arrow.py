"""Records of one file as Arrow batches: raw text with its line, and for CSV the declared columns as text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from journey_mining.sources.bytestream import BadRecord, BadRecords, ByteStream
from journey_mining.sources.records import MAX_RECORD_BYTES, Block, split_records
from journey_mining.sources.shapes import Shape

REPEATED = pa.dictionary(pa.int32(), pa.string())
"""Type of a text that is the same for every record of a file."""
BASE_FIELDS = (
    ("file_no", pa.int32()),
    ("line", pa.int64()),
    ("raw", pa.large_string()),
    ("header_text", REPEATED),
)

_ITEMS_PER_BATCH = 5_000
"""Items of a JSON document in a batch: batches are what threads share out among themselves."""

csv.field_size_limit(MAX_RECORD_BYTES)

_ENCODER = json.JSONEncoder(ensure_ascii=False)


@dataclass
class RecordReader:
    """Reads one text file; after the batches are used up, counts, checksum and bad records are complete."""

    file_no: int
    path: Path
    shape: Shape
    encoding: str = "utf-8"
    wanted: tuple[tuple[str, str | None], ...] = ()
    """(declared column, column of the file or None where it has none) pairs that a CSV file is asked for."""
    record_count: int = 0
    bad: list[BadRecord] = field(default_factory=BadRecords)
    stream: ByteStream = field(init=False)

    def __post_init__(self) -> None:
        self.stream = ByteStream(self.path, self.encoding)

    def schema(self) -> pa.Schema:
        """Schema of the batches."""
        return pa.schema([*BASE_FIELDS, *((name, pa.large_string()) for name, _ in self.wanted)])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batches in file order; a record that cannot be cut into fields is counted and appended to `bad`."""
        if self.shape.format == "csv":
            found = self._csv_batches()
        elif self.shape.format == "json":
            found = self._document_batches()
        else:
            found = (self._batch(block) for block in self._blocks(None))
        for batch in found:
            self.record_count += batch.num_rows
            yield batch
        self._close()

    def _close(self) -> None:
        if self.stream.damage:
            self.bad.append(BadRecord.of(0, self.stream.damage, b""))
        self.record_count += len(self.bad)

    def _batch(
        self, block: Block, columns: list[pa.Array] | None = None, without: list[int] | None = None
    ) -> pa.RecordBatch:
        """The block's records as a batch, but those at the indices `without`, for which there are no fields."""
        offsets = pa.py_buffer(block.offsets.astype(np.int64).tobytes())
        raw = pa.LargeStringArray.from_buffers(len(block), offsets, pa.py_buffer(block.data))
        lines = pa.array(block.lines)
        if without:
            kept = np.ones(len(block), bool)
            kept[without] = False
            raw, lines = raw.filter(pa.array(kept)), lines.filter(pa.array(kept))
        return self._assemble(raw, lines, columns or [])

    def _assemble(self, raw: pa.Array, lines: pa.Array, columns: list[pa.Array]) -> pa.RecordBatch:
        count = len(raw)
        numbers = pa.repeat(pa.scalar(self.file_no, pa.int32()), count)
        header = pa.DictionaryArray.from_arrays(
            pa.repeat(pa.scalar(0, pa.int32()), count), [self.shape.header_text]
        )
        return pa.record_batch([numbers, lines, raw, header, *columns], schema=self.schema())

    def _blocks(self, delimiter: str | None) -> Iterator[Block]:
        chunks = self.stream.chunks()
        if self.shape.ends_in_return:
            # A return inside quotes becomes a line feed, which is a line break in a field all the same.
            chunks = (chunk.replace(b"\r", b"\n") for chunk in chunks)
        return split_records(
            chunks,
            self.bad,
            delimiter,
            skipped=self.shape.header_records,
            is_damaged=lambda: self.stream.damage is not None,
        )

    def _document_batches(self) -> Iterator[pa.RecordBatch]:
        items = [item for page in self._pages() for item in _items_of(page, self.shape.explode)]
        for start in range(0, len(items), _ITEMS_PER_BATCH):
            part = [_json_text(item) for item in items[start : start + _ITEMS_PER_BATCH]]
            lines = pa.array(range(start + 1, start + 1 + len(part)), pa.int64())
            yield self._assemble(pa.array(part, pa.large_string()), lines, [])

    def _pages(self) -> list[object]:
        """The documents in the file: one, or one a line."""
        text = self.stream.whole()
        try:
            return [json.loads(text)]
        except (ValueError, RecursionError) as error:
            if not self.shape.is_paged:
                self.bad.append(BadRecord.of(1, f"not valid JSON: {error}", text))
                return []
        pages = []
        for number, line in enumerate(text.split(b"\n"), 1):
            try:
                pages += [json.loads(line)] if line.strip() else []
            except (ValueError, RecursionError) as error:
                self.bad.append(BadRecord.of(number, f"not valid JSON: {error}", line))
        return pages

    def _csv_batches(self) -> Iterator[pa.RecordBatch]:
        for block in self._blocks(self.shape.delimiter if self.shape.is_quoted else None):
            yield from self._csv_block(block)

    def _csv_block(self, block: Block) -> Iterator[pa.RecordBatch]:
        narrow: list[pa_csv.InvalidRow] = []
        table = self._parse_fast(block, narrow) if block.is_regular else None
        places = [row.number - 1 for row in narrow] if table is not None else []
        texts = [record.rstrip(b"\r\n") for record in block.records(places)]
        # As many rows as records may still be other rows: the texts tell.
        if table is None or texts != [row.text.encode() for row in narrow]:
            yield from self._parse_slowly(block)
            return
        width = len(self.shape.columns)
        for line, row, text in zip(block.lines[places].tolist(), narrow, texts, strict=True):
            self._reject(line, row.actual_columns, width, text)
        if table.num_rows:
            nothing = pa.nulls(table.num_rows, pa.large_string())
            columns = [_one_chunk(table[old]) if old else nothing for _, old in self.wanted]
            yield self._batch(block, columns, places)

    def _reject(self, line: int, found: int, width: int, text: bytes) -> None:
        """Keep a row aside that has another number of fields than the header."""
        self.bad.append(BadRecord.of(line, _name_widths(found, width), text))

    def _parse_fast(self, block: Block, narrow: list[pa_csv.InvalidRow]) -> pa.Table | None:
        """The block parsed by pyarrow, or None when it does not see the same records.

        Rows of another number of fields than the header are left out and appended to `narrow`.
        """

        def set_aside(row: pa_csv.InvalidRow) -> str:
            narrow.append(row)
            return "skip"

        columns = list(self.shape.columns)
        wanted = list(dict.fromkeys(old for _, old in self.wanted if old))
        try:
            table = pa_csv.read_csv(
                pa.BufferReader(block.data),
                pa_csv.ReadOptions(column_names=columns, use_threads=False, block_size=len(block.data) + 1),
                pa_csv.ParseOptions(
                    delimiter=self.shape.delimiter,
                    quote_char='"' if self.shape.is_quoted else False,
                    newlines_in_values=self.shape.is_quoted,
                    invalid_row_handler=set_aside,
                ),
                pa_csv.ConvertOptions(
                    column_types={name: pa.large_string() for name in wanted},
                    include_columns=wanted or columns[:1],
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid:
            return None
        return table if table.num_rows + len(narrow) == len(block) else None

    def _parse_slowly(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Record by record with the standard library; one of another number of fields is a bad record."""
        width = len(self.shape.columns)
        rows: list[list[str]] = []
        kept: list[int] = []
        for index in range(len(block)):
            text = block.record(index).decode().rstrip("\r\n")
            fields = _fields(text, self.shape)
            if not fields:
                self.bad.append(BadRecord.of(int(block.lines[index]), "not a row of CSV", text.encode()))
                continue
            if len(fields) != width:
                self._reject(int(block.lines[index]), len(fields), width, text.encode())
                continue
            rows.append(fields)
            kept.append(index)
        if rows:
            yield self._slow_batch(block, rows, kept)

    def _slow_batch(self, block: Block, rows: list[list[str]], kept: list[int]) -> pa.RecordBatch:
        place = {name: number for number, name in enumerate(self.shape.columns)}
        columns = [
            pa.array(
                [row[place[old]] or None for row in rows] if old else [None] * len(rows), pa.large_string()
            )
            for _, old in self.wanted
        ]
        raw = pa.array([block.record(index).decode() for index in kept], pa.large_string())
        return self._assemble(raw, pa.array(block.lines[kept]), columns)


def _items_of(document: object, explode: str | None) -> list[object]:
    if explode and isinstance(document, dict):
        document = document.get(explode) or []
    return document if isinstance(document, list) else [document]


def _json_text(item: object) -> str:
    """The item as JSON text that can be encoded: half of a surrogate pair stays escaped."""
    text = _ENCODER.encode(item)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(item)
    return text


@cache
def _name_widths(found: int, width: int) -> str:
    """The reason of a row that has another number of fields than the header; one object for all such rows."""
    return f"{found} fields where the header has {width}"


def _fields(text: str, shape: Shape) -> list[str] | None:
    """The fields of one row, None when it is not one row."""
    if not shape.is_quoted:
        return text.split(shape.delimiter)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=shape.delimiter))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def chain_batches(readers: list[RecordReader]) -> pa.RecordBatchReader:
    """The batches of several files of one table, one after the other."""
    return pa.RecordBatchReader.from_batches(
        readers[0].schema(), chain.from_iterable(reader.batches() for reader in readers)
    )
