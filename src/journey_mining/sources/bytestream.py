"""Bytes of one export: decompressed, checksummed, transcoded to UTF-8, never more than a chunk in memory."""

from __future__ import annotations

import codecs
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from journey_mining.errors import SourceError

CHUNK_BYTES = 8 << 20
"""Bytes read at a time."""
RAW_KEPT_BYTES = 1 << 20
"""Bytes of a quarantined record that are kept; of a longer one, the beginning and its length."""
FILE_KEPT_BYTES = 64 << 20
"""Bytes of all quarantined records of a file that are kept: of any further one no more than is shown."""
_SHOWN_BYTES = 500
_PACKED_BYTES = 64 << 10
MAX_DOCUMENT_BYTES = 256 << 20
"""A JSON document is parsed as a whole, in about ten times its size of memory; a longer one is damaged."""
_GZIP = b"\x1f\x8b"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that never reached SQL: its 1-based line, the reason and its bytes (see RAW_KEPT_BYTES)."""

    line: int
    reason: str
    raw: bytes
    byte_count: int

    @classmethod
    def of(cls, line: int, reason: str, raw: bytes) -> BadRecord:
        """A bad record of the bytes `raw`, cut to what is kept."""
        return cls(line, reason, raw[:RAW_KEPT_BYTES], len(raw))


class BadRecords(list[BadRecord]):
    """The bad records of one file: all are counted, and together no more than FILE_KEPT_BYTES of them are kept."""

    kept_bytes = 0

    def append(self, record: BadRecord) -> None:
        """Add a record; without most of its bytes when the file has no more room."""
        if self.kept_bytes + len(record.raw) > FILE_KEPT_BYTES:
            record = replace(record, raw=record.raw[:_SHOWN_BYTES])
        self.kept_bytes += len(record.raw)
        super().append(record)


@dataclass
class ByteStream:
    """One file as chunks of UTF-8 text; checksum, size and damage are known once the chunks are used up."""

    path: Path
    encoding: str = "utf-8"
    sha256: str = ""
    byte_count: int = 0
    damage: str | None = field(default=None)
    """Why the rest of the file could not be read, or None."""
    is_overlong: bool = False
    """Whether `whole` met more bytes than a document may have."""

    def chunks(self) -> Iterator[bytes]:
        """Decompressed chunks without a byte-order mark; stops at damage, which `damage` then names."""
        first = True
        for chunk in self._transcoded(self._decompressed(self._raw())):
            yield chunk.removeprefix(codecs.BOM_UTF8) if first else chunk
            first = False

    def whole(self) -> bytes:
        """The content at once; nothing of one that is longer than a document may be, which `damage` then says."""
        parts: list[bytes] = []
        size = 0
        for chunk in self.chunks():
            size += len(chunk)
            if size > MAX_DOCUMENT_BYTES:
                self.damage = f"a document of more than {MAX_DOCUMENT_BYTES:,} bytes; deliver it in pages"
                self.is_overlong = True
                return b""
            parts.append(chunk)
        return b"".join(parts)

    def _raw(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
                    self.byte_count += len(chunk)
                    yield chunk
        except OSError as error:
            raise SourceError(
                f"{self.path} cannot be read: {error.strerror}.", fix="check its permissions"
            ) from error
        self.sha256 = digest.hexdigest()

    def _decompressed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        first = next(chunks, b"")
        if not first.startswith(_GZIP):
            if first and self.path.suffix == ".gz":
                self.damage = "the name ends in .gz but the content is not gzip"
                _drain(chunks)
                return
            yield first
            yield from chunks
            return
        yield from self._gunzipped(first, chunks)

    def _gunzipped(self, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        gathered = bytearray()
        try:
            for piece in _inflate(chain([first], chunks)):
                gathered += piece
                if len(gathered) >= CHUNK_BYTES:
                    yield bytes(gathered)
                    gathered.clear()
        except (zlib.error, EOFError) as error:
            self.damage = f"damaged gzip: {error}"
            _drain(chunks)
        if gathered:
            yield bytes(gathered)

    def _transcoded(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        first = next(chunks, b"")
        encoding = next((name for bom, name in _BOMS if first.startswith(bom)), self.encoding)
        if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
            yield first
            yield from chunks
            return
        try:
            decoder = codecs.getincrementaldecoder(encoding)()
        except LookupError as error:
            raise SourceError(
                f"'{encoding}' is no text encoding.",
                fix="correct `encoding:` of the source, for example latin-1",
            ) from error
        try:
            yield decoder.decode(first).encode()
            for chunk in chunks:
                yield decoder.decode(chunk).encode()
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            self.damage = f"not {encoding}: {error.reason}"
            _drain(chunks)


def _inflate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of gzip members that follow one another, in pieces so small that little is lost to damage."""
    decoder = None
    for chunk in chunks:
        for start in range(0, len(chunk), _PACKED_BYTES):
            packed = chunk[start : start + _PACKED_BYTES]
            while packed:
                if decoder is None and not (packed := packed.lstrip(b"\0")):
                    break
                decoder = decoder or zlib.decompressobj(wbits=31)
                yield decoder.decompress(packed, CHUNK_BYTES)
                while decoder.unconsumed_tail:
                    yield decoder.decompress(decoder.unconsumed_tail, CHUNK_BYTES)
                packed = decoder.unused_data
                decoder = None if decoder.eof else decoder
    if decoder is not None:
        raise EOFError("the file ends early")


def _drain(chunks: Iterator[bytes]) -> None:
    """Read on to the end, so that the checksum covers the whole file."""
    for _ in chunks:
        pass


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def checksum(path: Path) -> str:
    """SHA-256 of the file's bytes as they lie on disk, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
