"""Rows of CSV: quotes, ragged rows, odd headers; and that the fast way, the slow way and Python's csv agree."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_mining.sources.arrow import RecordReader
from journey_mining.sources.shapes import Shape
from unit.loaded import Loaded, load

TIME = "2024-05-01T10:00:00Z"


def table(folder: Path, text: str, **settings: object) -> Loaded:
    return load(folder, "table", {"log.csv": text}, **settings)


def read_rows(
    folder: Path, text: str, columns: tuple[str, ...], delimiter: str = ",", is_fast: bool = True
) -> tuple[list[tuple[int, list[str | None]]], list[tuple[int, str]]]:
    """(line, fields) of the rows, and (line, reason) of the bad ones; slow: without pyarrow's parser."""
    path = folder / "rows.csv"
    path.write_bytes(text.encode())
    shape = Shape("csv", "t", columns, delimiter=delimiter, header_records=1)
    reader = RecordReader(1, path, shape, wanted=tuple((name, name) for name in columns))
    with mock.patch.object(
        RecordReader, "_parse_fast", RecordReader._parse_fast if is_fast else lambda *_: None
    ):
        batches = list(reader.batches())
    rows = [(row["line"], [row[name] for name in columns]) for batch in batches for row in batch.to_pylist()]
    return rows, [(bad.line, bad.reason) for bad in reader.bad]


CELLS = st.text(alphabet='ab",;\n\r é\t', max_size=8)
"""Cells with all that needs quoting."""


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], str, str]:
    """Rows of one width, the delimiter, and the text that Python's csv writes of them."""
    width = draw(st.integers(1, 4))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    cell = CELLS.filter(bool) if width == 1 else CELLS
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=12))
    # With a bare line feed as ending, Python's writer leaves a lone carriage return without quotes.
    quoting, ending = draw(
        st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r\n")])
    )
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=ending)
    writer.writerow([f"c{number}" for number in range(width)])
    writer.writerows(rows)
    return rows, delimiter, text.getvalue()


@given(tables())
def test_fast_way_slow_way_and_pythons_csv_agree(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[list[list[str]], str, str]
) -> None:
    """Whatever Python's csv writes, both ways read back, at the line where it stands."""
    rows, delimiter, text = case
    folder = tmp_path_factory.getbasetemp()
    columns = tuple(f"c{number}" for number in range(text.split("\n", 1)[0].count(delimiter) + 1))
    fast = read_rows(folder, text, columns, delimiter)
    assert fast == read_rows(folder, text, columns, delimiter, is_fast=False)
    assert [fields for _, fields in fast[0]] == [[cell or None for cell in row] for row in rows]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    begins = [1, *(1 + text_lines(text, reader.line_num) for _ in reader)]
    assert [line for line, _ in fast[0]] == begins[1 : len(rows) + 1]


def text_lines(text: str, line_number: int) -> int:
    """Line feeds in the first lines: Python's reader counts a lone carriage return as a line, too."""
    return "".join(io.StringIO(text, newline="").readlines()[:line_number]).count("\n")


@given(rows=st.lists(st.lists(CELLS.filter(bool), min_size=1, max_size=4), max_size=12), data=st.data())
def test_rows_of_any_width_are_read_alike_in_both_ways(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], data: st.DataObject
) -> None:
    """Rows too short and too long are kept aside with their lines and reasons, and the others are read."""
    text = io.StringIO()
    writer = csv.writer(
        text, lineterminator=data.draw(st.sampled_from(["\n", "\r\n"])), quoting=csv.QUOTE_ALL
    )
    writer.writerows([["c0", "c1"], *rows])
    folder = tmp_path_factory.getbasetemp()
    read, bad = read_rows(folder, text.getvalue(), ("c0", "c1"))
    assert (read, bad) == read_rows(folder, text.getvalue(), ("c0", "c1"), is_fast=False)
    assert [fields for _, fields in read] == [row for row in rows if len(row) == 2]
    assert [reason for _, reason in bad] == [
        f"{len(row)} fields where the header has 2" for row in rows if len(row) != 2
    ]


def test_bad_rows_do_not_take_the_slow_way(tmp_path: Path) -> None:
    """A file with a bad row in each chunk is parsed as fast as one without."""
    text = "x,y\n" + "".join("bad\n" if n % 100 == 50 else f"a{n},b\n" for n in range(1000))
    with mock.patch.object(RecordReader, "_parse_slowly") as slow:
        rows, bad = read_rows(tmp_path, text, ("x", "y"))
    assert not slow.called
    assert (len(rows), len(bad)) == (990, 10)
    assert bad[0] == (52, "1 fields where the header has 2")


@given(st.text(alphabet='ab",\n\r;', max_size=60))
def test_no_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Any text after the header gives rows and bad rows, one for each record and no more."""
    columns = ("x", "y")
    rows, bad = read_rows(tmp_path_factory.getbasetemp(), "x,y\n" + text, columns)
    assert all(len(fields) == 2 for _, fields in rows)
    assert len({line for line, _ in [*rows, *bad]}) == len(rows) + len(bad)
    # Of a lone carriage return outside quotes the two ways make different bad rows.
    if "\r" not in text:
        slow = read_rows(tmp_path_factory.getbasetemp(), "x,y\n" + text, columns, is_fast=False)
        assert (rows, bad) == slow


QUOTED = {
    "a quoted line break": ('c1,{t},"two\nlines"\nc2,{t},b\n', [(2, "two\nlines"), (4, "b")], []),
    "an escaped quote": ('c1,{t},"say ""hi"""\n', [(2, 'say "hi"')], []),
    "a quote within a field": ('c1,{t},5" pipe\nc2,{t},b\n', [(2, '5" pipe'), (3, "b")], []),
    "a quote that is never closed": ('c1,{t},"open\nc2,{t},b\n', [(2, "open"), (3, "b")], []),
    "text after a closing quote": ('c1,{t},"a"b\nc2,{t},c\n', [(2, "ab"), (3, "c")], []),
    "a row too short": ("c1,{t}\nc2,{t},b\n", [(3, "b")], [(2, "2 fields where the header has 3")]),
    "a row too long": ("c1,{t},a,x\nc2,{t},b\n", [(3, "b")], [(2, "4 fields where the header has 3")]),
    "a quoted comma": ('c1,{t},"a,b"\n', [(2, "a,b")], []),
    "a carriage return without a line feed": ("c1,{t},a\rb\nc2,{t},c\n", [(3, "c")], [(2, "not a row of CSV")]),
}  # fmt: skip


@pytest.mark.parametrize("case", QUOTED)
def test_quotes_and_ragged_rows(tmp_path: Path, case: str) -> None:
    """A row that cannot be read is quarantined with its line; the rows around it are not touched."""
    text, events, bad = QUOTED[case]
    loaded = table(tmp_path, "customer_id,occurred_at,touchpoint\n" + text.replace("{t}", TIME))
    assert [(event["line"], event["event_name"]) for event in loaded.events()] == events
    assert loaded.quarantine() == bad
    loaded.assert_conserved()


@pytest.mark.parametrize("end", ["\r", "\r\n", "\r\r\n"])
@pytest.mark.parametrize("case", [name for name, (text, _, _) in QUOTED.items() if "\r" not in text])
def test_rows_are_the_same_whatever_ends_a_line(tmp_path: Path, case: str, end: str) -> None:
    """Old spreadsheets end lines in a return alone, and some transfers double it: events, lines and reasons stay."""
    text, events, bad = QUOTED[case]
    text = "customer_id,occurred_at,touchpoint\n" + text.replace("{t}", TIME)
    loaded = table(tmp_path, text.replace("\n", end))
    found = [(event["line"], event["event_name"].replace(end, "\n")) for event in loaded.events()]
    assert (found, loaded.quarantine()) == (events, bad)
    loaded.assert_conserved()


def test_a_return_ends_lines_only_where_it_ends_the_header(tmp_path: Path) -> None:
    """Line feeds inside quotes do not hide it, it may be missing after the last row, and a quoted one ends nothing."""
    rows = f'customer_id,occurred_at,touchpoint\rc1,{TIME},"two\nlines"\r\rc2,{TIME},b'
    loaded = table(tmp_path / "a", rows)
    assert [(event["line"], event["event_name"]) for event in loaded.events()] == [
        (2, "two\nlines"),
        (5, "b"),
    ]
    loaded = table(
        tmp_path / "b",
        f'customer_id,"occurred\rat",touchpoint\nc1,{TIME},"a\rb"\n',
        columns={"occurred_at": "occurred\rat"},
    )
    assert [(event["line"], event["event_name"]) for event in loaded.events()] == [(2, "a\rb")]


HEADERS = {
    "semicolons": ("customer_id;occurred_at;touchpoint\nc1;{t};a,b\n", {}),
    "tabs": ("customer_id\toccurred_at\ttouchpoint\nc1\t{t}\ta,b\n", {}),
    "bars": ("customer_id|occurred_at|touchpoint\nc1|{t}|a,b\n", {}),
    "a delimiter by configuration": ("customer_id^occurred_at^touchpoint\nc1^{t}^a,b\n", {"delimiter": "^"}),
    "capitals": ('Customer_ID,OCCURRED_AT,Touchpoint\nc1,{t},"a,b"\n', {}),
    "quoted names": ('"customer_id","occurred_at","touchpoint"\nc1,{t},"a,b"\n', {}),
    "a name that comes twice": ('customer_id,touchpoint,occurred_at,touchpoint\nc1,"a,b",{t},second\n', {}),
    "the second of two": ('customer_id,step,occurred_at,step\nc1,first,{t},"a,b"\n', {"columns": {"touchpoint": "step_2"}}),
    "empty names": ('customer_id,,occurred_at,,touchpoint\nc1,x,{t},y,"a,b"\n', {}),
    "a column without a name": ('customer_id,occurred_at,\nc1,{t},"a,b"\n', {"columns": {"touchpoint": "column_3"}}),
    "a trailing delimiter": ('customer_id,occurred_at,touchpoint,\nc1,{t},"a,b",\n', {}),
    "other names": ('kunde,zeit,ereignis\nc1,{t},"a,b"\n', {"columns": {"customer_id": "kunde", "occurred_at": "zeit", "touchpoint": "ereignis"}}),
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_header(tmp_path: Path, case: str) -> None:
    """The one row is read, whatever the header looks like."""
    text, settings = HEADERS[case]
    loaded = table(tmp_path, text.replace("{t}", TIME), **settings)
    assert [event["event_name"] for event in loaded.events()] == ["a,b"]


def test_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    loaded = table(tmp_path, "customer_id,occurred_at,touchpoint\n")
    assert loaded.counts() == [(0, 0, 0, 0)]
    loaded.assert_conserved()


def test_stray_quotes_in_one_chunk_do_not_slow_or_change_the_others(tmp_path: Path) -> None:
    """The same rows with and without a stray quote among them."""
    rows = [f"c{number},{TIME},step {number}\n" for number in range(3000)]
    header = "customer_id,occurred_at,touchpoint\n"
    plain = table(tmp_path / "a", header + "".join(rows))
    stray = table(tmp_path / "b", header + "".join(rows) + f'c,{TIME},5" pipe\n')
    assert stray.counts() == [(3001, 3001, 0, 0)]
    assert {e["event_id"] for e in plain.events()} < {e["event_id"] for e in stray.events()}
