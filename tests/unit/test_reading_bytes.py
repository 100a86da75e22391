"""From bytes on disk to text: compression, encodings, damage, and records of any size in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_mining.errors import SourceError
from journey_mining.sources.bytestream import RAW_KEPT_BYTES, BadRecord, ByteStream
from journey_mining.sources.records import split_records
from unit.loaded import Loaded, load

HEADER = "customer_id,occurred_at,touchpoint\n"
ROWS = [f"c{number},2024-05-01T10:00:{number:02}Z,visit\n" for number in range(5)]
TABLE = HEADER + "".join(ROWS)


def table(folder: Path, content: bytes | str, name: str = "log.csv", **settings: object) -> Loaded:
    return load(folder, "table", {name: content}, **settings)


def read_all(path: Path, encoding: str = "utf-8") -> tuple[bytes, ByteStream]:
    stream = ByteStream(path, encoding)
    return b"".join(stream.chunks()), stream


def records_of(
    chunks: list[bytes], delimiter: str | None = None, max_bytes: int = 1000
) -> tuple[list[tuple[int, bytes]], list[BadRecord]]:
    """(line, bytes) of the records, and the bad ones."""
    bad: list[BadRecord] = []
    blocks = list(split_records(chunks, bad, delimiter, max_bytes))
    return [(int(block.lines[i]), block.record(i)) for block in blocks for i in range(len(block))], bad


def test_gzip_of_several_members_is_read_to_its_end(tmp_path: Path) -> None:
    """Log shippers append members, and some pad with zeros."""
    content = gzip.compress(HEADER.encode()) + gzip.compress("".join(ROWS).encode()) + b"\0" * 7
    loaded = table(tmp_path, content, "log.csv.gz")
    assert loaded.counts() == [(5, 5, 0, 0)]
    assert loaded.files[0].sha256 == hashlib.sha256(content).hexdigest()


def test_gzip_is_known_by_its_bytes_not_by_its_name(tmp_path: Path) -> None:
    assert table(tmp_path, gzip.compress(TABLE.encode()), "log.csv").counts() == [(5, 5, 0, 0)]


def test_truncated_gzip_keeps_whole_records_and_quarantines_the_cut_one(tmp_path: Path) -> None:
    """What a cut row seems to say is not trusted; the damage is one more bad record, at line 0."""
    text = HEADER + "".join(
        f"c{n},2024-05-01T10:00:00Z,visit {hashlib.sha256(b'%d' % n).hexdigest()}\n" for n in range(500)
    )
    packed = gzip.compress(text.encode())
    loaded = table(tmp_path, packed[: len(packed) // 2], "log.csv.gz")
    reasons = [reason for _, reason in loaded.quarantine()]
    assert sorted(reasons) == ["cut off where the file is damaged", "damaged gzip: the file ends early"]
    assert 0 < loaded.files[0].event_count < 500
    loaded.assert_conserved()


def test_gzip_with_a_wrong_checksum_is_damaged(tmp_path: Path) -> None:
    """The text before the last 64 kB of packed bytes is read all the same."""
    text = HEADER + "".join(
        f"c{n},2024-05-01T10:00:00Z,{hashlib.sha256(b'%d' % n).hexdigest()}\n" for n in range(9000)
    )
    packed = bytearray(gzip.compress(text.encode()))
    packed[-8] ^= 0xFF
    loaded = table(tmp_path, bytes(packed), "log.csv.gz")
    assert (0, "damaged gzip: Error -3 while decompressing data: incorrect data check") in loaded.quarantine()
    assert loaded.files[0].event_count > 1000
    loaded.assert_conserved()


def test_small_gzip_with_a_wrong_checksum_is_no_table(tmp_path: Path) -> None:
    """Nothing of it can be trusted, so it is damaged as a whole."""
    packed = bytearray(gzip.compress(TABLE.encode()))
    packed[-8] ^= 0xFF
    assert table(tmp_path, bytes(packed), "log.csv.gz").unrecognised == ["log.csv.gz"]


def test_file_named_gz_that_is_no_gzip_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(TABLE.encode())
    content, stream = read_all(path)
    assert content == b""
    assert stream.damage == "the name ends in .gz but the content is not gzip"
    assert stream.sha256 == hashlib.sha256(TABLE.encode()).hexdigest()


def test_empty_gzip_member_does_not_hide_a_byte_order_mark(tmp_path: Path) -> None:
    content = gzip.compress(b"") + gzip.compress(b"\xef\xbb\xbf" + TABLE.encode())
    assert table(tmp_path, content, "log.csv.gz").counts() == [(5, 5, 0, 0)]


ENCODED = {
    "utf-8 with a byte-order mark": (b"\xef\xbb\xbf" + TABLE.encode(), {}),
    "utf-16, little end first": (b"\xff\xfe" + TABLE.encode("utf-16-le"), {}),
    "utf-16, big end first": (b"\xfe\xff" + TABLE.encode("utf-16-be"), {}),
    "utf-16 in gzip": (gzip.compress(TABLE.encode("utf-16")), {}),
    "carriage returns": (TABLE.replace("\n", "\r\n").encode(), {}),
    "no line break at the end": (TABLE.rstrip("\n").encode(), {}),
    "blank lines": (TABLE.replace("\n", "\n\n").encode(), {}),
    "a blank line first": (b"\n\r\n" + TABLE.encode(), {}),
}


@pytest.mark.parametrize("case", ENCODED)
def test_text_of_any_usual_kind(tmp_path: Path, case: str) -> None:
    """Five rows, however they are encoded."""
    content, settings = ENCODED[case]
    loaded = table(tmp_path, content, "log.csv", **settings)
    assert loaded.counts() == [(5, 5, 0, 0)]
    loaded.assert_conserved()


def test_latin_1_by_configuration(tmp_path: Path) -> None:
    """A letter outside ASCII in the header and in a value."""
    text = "kunde,occurred_at,berührung\nc1,2024-05-01T10:00:00Z,Küche\n"
    columns = {"customer_id": "kunde", "touchpoint": "berührung"}
    loaded = table(tmp_path, text.encode("latin-1"), encoding="latin-1", columns=columns)
    assert [event["event_name"] for event in loaded.events()] == ["Küche"]


def test_unknown_encoding_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'klingon' is no text encoding"):
        table(tmp_path, TABLE, encoding="klingon")


def test_half_a_character_at_the_end_is_damage(tmp_path: Path) -> None:
    """A multi-byte encoding may end in the middle of a letter."""
    path = tmp_path / "a.txt"
    path.write_bytes("añ".encode("utf-16")[:-1])
    assert read_all(path)[1].damage is not None


def test_line_that_is_not_utf_8_is_quarantined_alone(tmp_path: Path) -> None:
    """With its line number and its bytes; the others are read."""
    broken = b"c9,2024-05-01T10:00:00Z,K\xfcche\n"
    loaded = table(tmp_path, (HEADER + ROWS[0]).encode() + broken + ROWS[1].encode())
    assert loaded.counts() == [(3, 2, 0, 1)]
    assert loaded.warehouse.rows("select line, reason, raw, byte_count from quarantine") == [
        {
            "line": 3,
            "reason": "not UTF-8 (byte 26 of the record)",
            "raw": broken.rstrip(),
            "byte_count": len(broken) - 1,
        }
    ]


def test_header_that_is_not_utf_8_costs_no_row(tmp_path: Path) -> None:
    """The header's bytes are not judged, and the first row is not taken for it."""
    text = b"customer_id,occurred_at,touchpoint,\xfcber\nc1,2024-05-01T10:00:00Z,visit,x\n"
    loaded = table(tmp_path, text)
    assert loaded.counts() == [(1, 1, 0, 0)]


def test_overlong_line_is_quarantined_in_bounded_memory(tmp_path: Path) -> None:
    """A line of 100 MB between two good ones: its beginning and its length are kept."""
    path = tmp_path / "big.csv.gz"
    size = 100 << 20
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write((HEADER + ROWS[0]).encode())
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + ROWS[1].encode())
    tracemalloc.start()
    loaded = Loaded(tmp_path, "table").read_paths([path])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loaded.counts() == [(3, 2, 0, 1)]
    (row,) = loaded.warehouse.rows(
        "select line, reason, octet_length(raw) as kept, byte_count from quarantine"
    )
    assert row == {
        "line": 3,
        "reason": "longer than 16,777,216 bytes",
        "kept": RAW_KEPT_BYTES,
        "byte_count": size + 1,
    }
    assert [event["line"] for event in loaded.events()] == [2, 4]
    assert peak < 128 << 20


def test_gzip_bomb_is_never_held_in_memory(tmp_path: Path) -> None:
    """A megabyte that expands a thousandfold is cut into chunks."""
    packer = zlib.compressobj(wbits=31)
    path = tmp_path / "bomb.gz"
    path.write_bytes(b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(1000)) + packer.flush())
    tracemalloc.start()
    total = sum(len(chunk) for chunk in ByteStream(path).chunks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (total, peak < 64 << 20) == (1000 << 20, True)


def test_quote_that_is_never_closed_does_not_swallow_the_file() -> None:
    """A quote at the beginning of a field without an end is a plain character: memory stays bounded."""
    lines = [b'1,"unclosed\n'] + [b"%d,plain\n" % number for number in range(2, 400)]
    chunks = [b"".join(lines[start : start + 10]) for start in range(0, len(lines), 10)]
    found, bad = records_of(chunks, ",", max_bytes=200)
    assert [record for _, record in found] == lines
    assert [line for line, _ in found] == list(range(1, 400))
    assert bad == []


@st.composite
def chunked(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """A text of quotes, separators, line breaks and letters, cut anywhere."""
    text = draw(st.text(alphabet='ab",;\n\r"é', max_size=60)).encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    edges = [0, *cuts, len(text)]
    return [text[a:b] for a, b in pairwise(edges)], text


@given(chunked(), st.sampled_from([None, ",", ";"]))
def test_records_do_not_depend_on_how_the_bytes_arrive(
    case: tuple[list[bytes], bytes], delimiter: str | None
) -> None:
    """Any cut of the input into chunks gives the same records at the same lines."""
    chunks, text = case
    assert records_of([part for part in chunks if part], delimiter) == records_of(
        [text] if text else [], delimiter
    )


@given(chunked(), st.sampled_from([None, ","]))
def test_no_byte_is_lost_between_records(case: tuple[list[bytes], bytes], delimiter: str | None) -> None:
    """Records, bad ones and blank lines together are the input."""
    chunks, text = case
    found, bad = records_of([part for part in chunks if part], delimiter)
    kept = sum(len(record) for _, record in found) + sum(item.byte_count for item in bad)
    blank = text.count(b"\n") + text.count(b"\r")
    assert len(text) - blank <= kept <= len(text)


@given(st.lists(st.text(alphabet="abé{}", max_size=30), max_size=30), st.integers(1, 20))
def test_lines_are_what_python_splits(lines: list[str], size: int) -> None:
    """Without quotes a record is a line, with its number; blank ones are left out, overlong ones are bad."""
    text = "".join(line + "\n" for line in lines).encode()
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    found, bad = records_of(chunks, max_bytes=40)
    expected = [
        (n, line.encode() + b"\n") for n, line in enumerate(lines, 1) if line and len(line.encode()) < 40
    ]
    assert found == expected
    assert [item.line for item in bad] == [n for n, line in enumerate(lines, 1) if len(line.encode()) >= 40]
