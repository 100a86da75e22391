"""Records of a text file: where each begins and ends, without looking inside more than the format needs.

A record of a line format is a line; of CSV a row, whose quoted fields may hold line breaks. Records are
found with numpy over whole chunks; only chunks with stray quotes or bad bytes take the slow, obvious way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from journey_mining.sources.bytestream import RAW_KEPT_BYTES, BadRecord

MAX_RECORD_BYTES = 16 << 20
"""A longer record is quarantined."""
_NEWLINE, _QUOTE, _RETURN = 10, 34, 13

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Whole records: the bytes, where each record begins (ascending; ends where the next begins), its line."""

    data: bytes
    starts: Positions
    lines: Positions

    @property
    def offsets(self) -> Positions:
        """Beginnings and the end of the last, as Arrow wants them (n + 1)."""
        return np.append(self.starts, len(self.data))

    def record(self, index: int) -> bytes:
        """The bytes of one record, with its line break."""
        offsets = self.offsets
        return self.data[offsets[index] : offsets[index + 1]]

    def __len__(self) -> int:
        return len(self.starts)


def split_records(
    chunks: Iterable[bytes], bad: list[BadRecord], delimiter: str | None = None, max_bytes: int = MAX_RECORD_BYTES
) -> Iterator[Block]:
    """Blocks of whole, valid UTF-8, non-blank records; others are appended to `bad`.

    `delimiter` is given for CSV, where a line break inside quotes does not end a record.
    """
    line = 1
    for data, starts in _cut(chunks, delimiter, max_bytes):
        lines = line + _line_breaks_before(data, starts)
        line += data.count(b"\n")
        block = Block(data, starts, lines)
        yield from _valid(block, bad, max_bytes)


def _line_breaks_before(data: bytes, starts: Positions) -> Positions:
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
    return np.searchsorted(breaks, starts).astype(np.int64)


def _cut(chunks: Iterable[bytes], delimiter: str | None, max_bytes: int) -> Iterator[tuple[bytes, Positions]]:
    """(bytes, record beginnings): every byte of the input in exactly one pair, in order."""
    parts: list[bytes] = []
    size = 0
    source = iter(chunks)
    for chunk in source:
        parts.append(chunk)
        size += len(chunk)
        if b"\n" not in chunk and size < 4 * max_bytes:
            continue
        data = b"".join(parts)
        ends = _record_ends(data, delimiter)
        if ends is None or (len(ends) == 0 and size >= 4 * max_bytes and delimiter):
            rest = data + b"".join(source)
            yield rest, _slow_starts(rest, (delimiter or ",").encode())
            return
        if len(ends) == 0 and size < 4 * max_bytes:
            parts, size = [data], len(data)
            continue
        if len(ends) == 0:
            data += _rest_of_line(source)
            ends = _record_ends(data, None)
            ends = ends if ends is not None and len(ends) else np.array([len(data)], np.int64)
        whole = int(ends[-1])
        yield data[:whole], np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        parts, size = [data[whole:]], len(data) - whole
    if rest := b"".join(parts):
        ends = _record_ends(rest, delimiter)
        if ends is None or (delimiter and len(ends) == 0 and rest.count(b"\n") > 0):
            yield rest, _slow_starts(rest, (delimiter or ",").encode())
        else:
            yield rest, np.concatenate([np.zeros(1, np.int64), ends[ends < len(rest)]])


def _rest_of_line(source: Iterator[bytes]) -> bytes:
    """What follows of a line that is far too long, up to the chunk in which it ends (kept, it is bounded by the file)."""
    parts = []
    for chunk in source:
        parts.append(chunk)
        if b"\n" in chunk:
            break
    return b"".join(parts)


def _record_ends(data: bytes, delimiter: str | None) -> Positions | None:
    """Ends of the whole records in `data` (after the line break); None when quotes are not as CSV has them."""
    view = np.frombuffer(data, np.uint8)
    breaks = np.flatnonzero(view == _NEWLINE)
    if delimiter is None or _QUOTE not in data:
        return breaks + 1
    quotes = np.flatnonzero(view == _QUOTE)
    if not _quotes_are_regular(view, quotes, ord(delimiter)):
        return None
    inside = np.searchsorted(quotes, breaks) % 2
    return breaks[inside == 0] + 1


def _quotes_are_regular(view: npt.NDArray[np.uint8], quotes: Positions, delimiter: int) -> bool:
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, view[opening - 1], _NEWLINE)
    after = np.where(closing + 1 < len(view), view[np.minimum(closing + 1, len(view) - 1)], _NEWLINE)
    opens_well = np.isin(before, [delimiter, _NEWLINE, _QUOTE])
    closes_well = np.isin(after, [delimiter, _NEWLINE, _RETURN, _QUOTE])
    return bool(opens_well.all() and closes_well.all())


def _slow_starts(data: bytes, delimiter: bytes) -> Positions:
    """Record beginnings where quotes count only at the beginning of a field; an unclosed quote is a plain character."""
    separator = re.escape(delimiter)
    field = re.compile(rb'(?:"(?:[^"]|"")*"(?=[' + separator + rb"\r\n]|\Z)|[^" + separator + rb"\n]*)(" + separator + rb"|\n|\Z)")
    starts, position = [0], 0
    while position < len(data):
        match = field.match(data, position)
        if match is None:  # a quoted field followed by further text: take it as plain text
            position = min((data.find(b"\n", position) + 1) or len(data), len(data))
            starts.append(position)
            continue
        position = match.end()
        if match[1] == b"\n":
            starts.append(position)
        elif not match[1]:
            break
    return np.array([start for start in starts if start < len(data)], np.int64)


def _valid(block: Block, bad: list[BadRecord], max_bytes: int) -> Iterator[Block]:
    """The block without blank, overlong or ill-encoded records."""
    lengths = np.diff(block.offsets)
    suspects = set(np.flatnonzero((lengths <= 2) | (lengths > max_bytes)).tolist())
    try:
        block.data.decode()
    except UnicodeDecodeError:
        suspects.update(range(len(block)))
    dropped = {index for index in sorted(suspects) if _is_dropped(block, index, bad, max_bytes)}
    if not dropped:
        yield block
        return
    kept = [index for index in range(len(block)) if index not in dropped]
    if kept:
        records = [block.record(index) for index in kept]
        starts = np.cumsum([0, *(len(record) for record in records[:-1])]).astype(np.int64)
        yield Block(b"".join(records), starts, block.lines[kept])


def _is_dropped(block: Block, index: int, bad: list[BadRecord], max_bytes: int) -> bool:
    record = block.record(index)
    if not record.strip(b"\r\n"):
        return True
    line = int(block.lines[index])
    if len(record) > max_bytes:
        reason = f"longer than {max_bytes:,} bytes"
        bad.append(BadRecord(line, reason, record[:RAW_KEPT_BYTES], len(record)))
        return True
    try:
        record.decode()
    except UnicodeDecodeError as error:
        bad.append(BadRecord.of(line, f"not UTF-8 (byte {error.start + 1} of the record)", record.rstrip(b"\r\n")))
        return True
    return False
