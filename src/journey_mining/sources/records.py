"""Records of a text file: where each begins and ends, without looking inside more than the format needs.

A record of a line format is a line; of CSV a row, whose quoted fields may hold line breaks. Records are
found with numpy over whole chunks; only chunks with stray quotes or bad bytes take the slow, obvious way.
Memory is bounded: by a chunk, and by the longest record that is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

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
    is_regular: bool = True
    """False: quotes are not as CSV has them, so that a parser may see other records."""

    @property
    def offsets(self) -> Positions:
        """Beginnings and the end of the last, as Arrow wants them (n + 1)."""
        return np.append(self.starts, len(self.data))

    def record(self, index: int) -> bytes:
        """The bytes of one record, with its line break."""
        end = self.starts[index + 1] if index + 1 < len(self.starts) else len(self.data)
        return self.data[self.starts[index] : end]

    def records(self, chosen: list[int]) -> list[bytes]:
        """The bytes of several records."""
        offsets = self.offsets
        places = np.array(chosen, np.int64)
        ends = zip(offsets[places].tolist(), offsets[places + 1].tolist(), strict=True)
        return [self.data[start:end] for start, end in ends]

    def chosen(self, kept: list[int]) -> Block:
        """The block of only the records `kept`."""
        records = self.records(kept)
        starts = np.cumsum([0, *(len(record) for record in records[:-1])]).astype(np.int64)
        return Block(b"".join(records), starts, self.lines[kept], self.is_regular)

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True)
class _Piece:
    """Bytes cut from the input: whole records, or the beginning of one that is too long (`byte_count` is its size)."""

    data: bytes
    ends: Positions
    is_regular: bool = True
    byte_count: int = 0


def split_records(
    chunks: Iterable[bytes],
    bad: list[BadRecord],
    delimiter: str | None = None,
    max_bytes: int = MAX_RECORD_BYTES,
    skipped: int = 0,
    is_damaged: Callable[[], bool] = lambda: False,
) -> Iterator[Block]:
    """Blocks of whole, valid UTF-8, non-blank records; others are appended to `bad`.

    `delimiter` is given for CSV, where a line break inside quotes does not end a record. The first `skipped`
    non-blank records are left out. When the input ends in damage, its last record is cut off and bad.
    """
    line = 1
    for piece in _cut(chunks, delimiter, max_bytes):
        if piece.byte_count:
            bad.append(BadRecord(line, f"longer than {max_bytes:,} bytes", piece.data, piece.byte_count))
            line += 1
            continue
        starts = np.concatenate([np.zeros(1, np.int64), piece.ends[:-1]])
        block = Block(piece.data, starts, line + _line_breaks_before(piece.data, starts), piece.is_regular)
        line += piece.data.count(b"\n")
        block, skipped = _without_first(block, skipped)
        if not piece.data.endswith(b"\n") and is_damaged() and len(block):
            bad.append(
                BadRecord.of(
                    int(block.lines[-1]), "cut off where the file is damaged", block.record(len(block) - 1)
                )
            )
            block = block.chosen(list(range(len(block) - 1)))
        yield from _valid(block, bad, max_bytes)


def _line_breaks_before(data: bytes, starts: Positions) -> Positions:
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
    return np.searchsorted(breaks, starts).astype(np.int64)


def _cut(chunks: Iterable[bytes], delimiter: str | None, max_bytes: int) -> Iterator[_Piece]:
    """Every byte of the input in exactly one piece, in order (of an overlong record only the beginning is kept)."""
    source = iter(chunks)
    rest = b""
    for chunk in source:
        rest = rest + chunk if rest else chunk
        ends, is_regular = _record_ends(rest, delimiter, max_bytes, is_last=False)
        if len(ends):
            whole = int(ends[-1])
            yield _Piece(rest[:whole], ends, is_regular)
            rest = rest[whole:]
        if len(rest) > max_bytes:
            piece, rest = _overlong(rest, source)
            yield piece
    if rest:
        ends, is_regular = _record_ends(rest, delimiter, max_bytes, is_last=True)
        yield _Piece(rest, ends, is_regular)


def _overlong(rest: bytes, source: Iterator[bytes]) -> tuple[_Piece, bytes]:
    """The beginning of a line that is far too long, and what follows after its end."""
    size, head, rest = len(rest), rest[:RAW_KEPT_BYTES], b""
    for chunk in source:
        end = chunk.find(b"\n") + 1
        size += end or len(chunk)
        if end:
            rest = chunk[end:]
            break
    return _Piece(head, np.array([len(head)], np.int64), byte_count=size), rest


def _record_ends(data: bytes, delimiter: str | None, max_bytes: int, is_last: bool) -> tuple[Positions, bool]:
    """Ends of the whole records in `data` (after the line break), and whether quotes are as CSV has them."""
    view = np.frombuffer(data, np.uint8)
    breaks = np.flatnonzero(view == _NEWLINE).astype(np.int64)
    if delimiter is None or b'"' not in data:
        return _closed(breaks + 1, data, is_last), True
    quotes = np.flatnonzero(view == _QUOTE)
    if _quotes_are_regular(view, quotes, ord(delimiter)) and not (is_last and len(quotes) % 2):
        ends = breaks[np.searchsorted(quotes, breaks) % 2 == 0] + 1
        if len(data) - (ends[-1] if len(ends) else 0) <= max_bytes or is_last:
            return _closed(ends, data, is_last), True
    return _slow_ends(data, delimiter.encode(), max_bytes, is_last), False


def _closed(ends: Positions, data: bytes, is_last: bool) -> Positions:
    """The ends, and that of the last record when the input ends without a line break."""
    if is_last and (len(ends) == 0 or ends[-1] < len(data)):
        return np.append(ends, len(data))
    return ends


def _quotes_are_regular(view: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], delimiter: int) -> bool:
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, view[opening - 1], _NEWLINE)
    after = np.where(closing + 1 < len(view), view[np.minimum(closing + 1, len(view) - 1)], _NEWLINE)
    opens_well = np.isin(before, [delimiter, _NEWLINE, _QUOTE])
    closes_well = np.isin(after, [delimiter, _NEWLINE, _RETURN, _QUOTE])
    return bool(opens_well.all() and closes_well.all())


@cache
def _record_pattern(delimiter: bytes, is_last: bool) -> re.Pattern[bytes]:
    """One record: quotes count only around a whole field; one that is never closed is a plain character."""
    separator = re.escape(delimiter)
    quoted = rb'"(?:[^"]++|"")*+"(?=' + separator + rb"|\r?\n|\r?\Z)"
    unclosed = b"" if is_last else rb'|"(?:[^"]++|"")*+\Z'
    field = b"(?>" + quoted + unclosed + b"|[^" + separator + rb"\n]*+)"
    return re.compile(field + b"(?:" + separator + field + rb")*+(\r?\n|\Z)")


def _slow_ends(data: bytes, delimiter: bytes, max_bytes: int, is_last: bool) -> Positions:
    ends: list[int] = []
    position = 0
    while position < len(data):
        match = _record_pattern(delimiter, is_last).match(data, position)
        if match and not match[1] and not is_last and len(data) - position > max_bytes:
            match = _record_pattern(delimiter, True).match(data, position)
        if match is None or not (match[1] or is_last):
            break
        position = match.end()
        ends.append(position)
    return np.array(ends, np.int64)


def _without_first(block: Block, count: int) -> tuple[Block, int]:
    """The block without its first `count` non-blank records, and how many are still to be left out."""
    index = 0
    while count and index < len(block):
        count -= bool(block.record(index).strip(b"\r\n"))
        index += 1
    if index == 0:
        return block, count
    if index == len(block):
        return Block(b"", np.empty(0, np.int64), np.empty(0, np.int64)), count
    begin = int(block.starts[index])
    return Block(
        block.data[begin:], block.starts[index:] - begin, block.lines[index:], block.is_regular
    ), count


def _valid(block: Block, bad: list[BadRecord], max_bytes: int) -> Iterator[Block]:
    """The block without blank, overlong or ill-encoded records."""
    lengths = np.diff(block.offsets)
    suspects = set(np.flatnonzero((lengths <= 2) | (lengths > max_bytes)).tolist())
    try:
        block.data.decode()
    except UnicodeDecodeError:
        suspects.update(range(len(block)))
    dropped = {index for index in sorted(suspects) if _is_dropped(block, index, bad, max_bytes)}
    if not dropped and len(block):
        yield block
    elif len(dropped) < len(block):
        yield block.chosen([index for index in range(len(block)) if index not in dropped])


def _is_dropped(block: Block, index: int, bad: list[BadRecord], max_bytes: int) -> bool:
    record = block.record(index)
    if not record.strip(b"\r\n"):
        return True
    line = int(block.lines[index])
    if len(record) > max_bytes:
        bad.append(BadRecord.of(line, f"longer than {max_bytes:,} bytes", record))
        return True
    try:
        record.decode()
    except UnicodeDecodeError as error:
        bad.append(
            BadRecord.of(line, f"not UTF-8 (byte {error.start + 1} of the record)", record.rstrip(b"\r\n"))
        )
        return True
    return False
