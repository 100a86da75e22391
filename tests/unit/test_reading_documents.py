"""JSON: pages of an API, arrays, lines, and what is broken in them; Parquet; empty and strange files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journey_mining.config import Source
from journey_mining.sources import sharing
from journey_mining.sources.presets import load_preset
from journey_mining.sources.shapes import find_shape
from journey_mining.warehouse import Warehouse
from unit.loaded import Loaded, json_document, json_lines, load


def visit(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "customer_id": f"c{number}",
        "occurred_at": f"2024-05-01T10:00:{number:02}Z",
        "touchpoint": "visit",
        **changes,
    }


def form(number: int) -> dict[str, Any]:
    values = [{"name": "email", "value": f"c{number}@example.com"}]
    return {"submittedAt": 1_714_557_600_000 + number, "conversionId": f"k{number}", "values": values}


FORMS = [form(number) for number in range(3)]
DOCUMENTS = {
    "a page, printed for reading": json_document("results", *FORMS),
    "a page on one line": json.dumps({"results": FORMS, "paging": {}}),
    "other keys before the records": json.dumps({"paging": {"next": None}, "total": 3, "results": FORMS}),
    "pages, one a line": "\n".join(json.dumps({"results": [item], "paging": {}}) for item in FORMS),
    "a bare array": json.dumps(FORMS, indent=1),
    "an array of a record a line": "[\n" + ",\n".join(json.dumps(item) for item in FORMS) + "\n]\n",
    "a page of a record a line": '{"results": [\n' + ",\n".join(json.dumps(item) for item in FORMS) + "\n]}",
    "lines": json_lines(*FORMS),
    "lines with blank ones between": json_lines(*FORMS).replace("\n", "\n\n\r\n"),
    "lines with a byte-order mark": "\ufeff" + json_lines(*FORMS),
}


@pytest.mark.parametrize("case", DOCUMENTS)
@pytest.mark.parametrize("name", ["forms.json", "forms"])
def test_same_records_in_any_dress(tmp_path: Path, case: str, name: str) -> None:
    """Three submissions, three events."""
    loaded = load(tmp_path, "hubspot", {name: DOCUMENTS[case]})
    assert loaded.counts() == [(3, 3, 0, 0)]
    loaded.assert_conserved()


def test_dresses_deliver_the_same_events(tmp_path: Path) -> None:
    """A page, then the same records as lines: all duplicates."""
    loaded = load(tmp_path, "hubspot", {"a.json": DOCUMENTS["a bare array"], "b.jsonl": DOCUMENTS["lines"]})
    assert loaded.counts() == [(3, 3, 0, 0), (3, 0, 3, 0)]


def test_broken_lines_are_quarantined_with_their_number(tmp_path: Path) -> None:
    """The first line, one in the middle, and one that is no object."""
    text = "{broken\n" + json_lines(visit(1)) + '{"customer_id": "c9", \n' + json_lines(visit(2)) + "17\n"
    loaded = load(tmp_path, "table", {"log.jsonl": text})
    assert loaded.counts() == [(5, 2, 0, 3)]
    assert loaded.quarantine() == [(1, "not valid JSON"), (3, "not valid JSON"), (5, "no customer_id")]
    (row,) = loaded.warehouse.rows("select raw, byte_count from quarantine where line = 1")
    assert (row["raw"].rstrip(b"\n"), row["byte_count"]) == (b"{broken", 8)


def test_truncated_document_is_one_bad_record(tmp_path: Path) -> None:
    """It is still known for the page that it was."""
    text = json_document("results", *FORMS)
    loaded = load(tmp_path, "hubspot", {"forms.json": text[: len(text) // 2]})
    assert loaded.counts() == [(1, 0, 0, 1)]
    assert loaded.quarantine()[0][1].startswith("not valid JSON")
    loaded.assert_conserved()


def test_page_without_records_is_empty(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, "zendesk", {"a.json": '{"tickets": [], "count": 0}', "b.json": '{"tickets": null}'}
    )
    assert loaded.counts() == [(0, 0, 0, 0)] * 2


def test_items_that_are_no_objects_are_quarantined(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, "hubspot", {"a.json": json.dumps({"results": [FORMS[0], 7, None, "x", FORMS[1]]})}
    )
    assert loaded.quarantine() == [(2, "no time"), (3, "no time"), (4, "no time")]
    loaded.assert_conserved()


def test_half_a_surrogate_pair_costs_its_record_only(tmp_path: Path) -> None:
    """JSON may hold what no text can; the record is not valid, the page is."""
    text = json.dumps({"results": FORMS}).replace("k1", "\\ud800")
    loaded = load(tmp_path, "hubspot", {"a.json": text})
    assert loaded.counts() == [(3, 2, 0, 1)]
    assert loaded.quarantine() == [(2, "not valid JSON")]


def test_numbers_may_be_strings_in_the_next_file(tmp_path: Path) -> None:
    """Types are declared, never inferred file by file."""
    texts = json_lines(*({**item, "submittedAt": str(item["submittedAt"])} for item in FORMS))
    loaded = load(tmp_path, "hubspot", {"a.jsonl": json_lines(*FORMS), "b.jsonl": texts})
    assert loaded.counts() == [(3, 3, 0, 0), (3, 0, 3, 0)]


def test_column_first_seen_late_is_read(tmp_path: Path) -> None:
    """No sample of the beginning decides what columns there are."""
    records = [visit(number % 60, session_id=str(number)) for number in range(30_000)] + [
        visit(1, channel="Phone")
    ]
    loaded = load(tmp_path, "table", {"log.jsonl": json_lines(*records)})
    assert [event["line"] for event in loaded.events() if event["channel"] == "phone"] == [30_001]


def test_parquet_in_its_own_types(tmp_path: Path) -> None:
    """Row numbers are lines; a time column that carries a zone needs no setting."""
    path = tmp_path / "log.parquet"
    pq.write_table(pa.Table.from_pylist([visit(1), visit(2, value=9.5), visit(3, occurred_at=None)]), path)
    loaded = Loaded(tmp_path, "table").read_paths([path])
    assert loaded.counts() == [(3, 2, 0, 1)]
    assert loaded.quarantine() == [(3, "no time")]
    loaded.assert_conserved()


@pytest.mark.parametrize("count", [2, 3, 40, 41])
def test_two_threads_read_a_file_as_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """A half each of the only row group; a file of two row groups is not shared out, and says what is to be found."""
    monkeypatch.setattr(sharing, "_SHARED_ROWS", 2)
    table = pa.Table.from_pylist(
        [
            visit(n, customer_id="same", occurred_at=None if n == 2 else f"2024-05-01T10:00:{n:02}Z")
            for n in range(count)
        ]
    )
    found = {}
    for name, rows in (("shared", count), ("plain", count // 2)):
        (tmp_path / name).mkdir()
        pq.write_table(table, tmp_path / name / "log.parquet", row_group_size=rows)
        loaded = Loaded(tmp_path / name, "table")
        with monkeypatch.context() as patch:
            statements = record_statements(patch)
            loaded.read_paths([tmp_path / name / "log.parquet"])
        loaded.assert_conserved()
        assert any("file_row_number >=" in sql for sql in statements) is (name == "shared")
        assert loaded.warehouse.value("select current_setting('preserve_insertion_order')") is True
        found[name] = (loaded.counts(), loaded.quarantine(), loaded.events())
    assert found["shared"] == found["plain"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_two_threads_stage_the_items_of_a_batch_as_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Rows that are the same are told apart by their number in the whole file, not in a half of it."""
    frame = pd.DataFrame(
        [
            visit(n % 3, customer_id="same", occurred_at=None if n == 2 else "2024-05-01T10:00:00Z")
            for n in range(9)
        ]
    )
    found = {}
    for name, least in (("shared", 2), ("plain", 1000)):
        folder = tmp_path / name
        folder.mkdir()
        path = folder / f"log.{suffix}"
        path.write_text(
            frame.to_csv(index=False) if suffix == "csv" else frame.to_json(orient="records", lines=True),
            encoding="utf-8",
        )
        monkeypatch.setattr(sharing, "_SHARED_ROWS", least)
        loaded = Loaded(folder, "table")
        with monkeypatch.context() as patch:
            statements = record_statements(patch)
            loaded.read_paths([path])
        loaded.assert_conserved()
        assert any("all_items where line > " in sql for sql in statements) is (name == "shared")
        assert loaded.warehouse.value("select current_setting('preserve_insertion_order')") is True
        found[name] = (loaded.counts(), loaded.quarantine(), loaded.events())
    assert found["shared"] == found["plain"]
    assert len({event["event_id"] for event in found["plain"][2]}) == 8


def test_a_file_of_one_table_of_several_is_shared_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's other tables have no file of which there could be a half."""
    monkeypatch.setattr(sharing, "_SHARED_ROWS", 2)
    path = tmp_path / "part.parquet"
    names = load_preset("snowplow").tables["atomic"].requires
    rows = [
        dict.fromkeys(names, "x") | {"event_id": f"e{n}", "collector_tstamp": "2024-05-01 10:00:00"}
        for n in (1, 2, 3)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    loaded = Loaded(tmp_path, "snowplow").read_paths([path])
    assert loaded.counts() == [(3, 3, 0, 0)]
    loaded.assert_conserved()


def record_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What warehouses execute from now on."""
    execute: Callable[..., Any] = Warehouse.execute
    statements: list[str] = []

    def recording(self: Warehouse, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        statements.append(sql)
        return execute(self, sql, parameters)

    monkeypatch.setattr(Warehouse, "execute", recording)
    return statements


STRANGE = {
    "nothing": (b"", "empty"),
    "blank lines": (b"\n\n \n", "empty"),
    "half a Parquet file": (b"PAR1\x15\x04\x15", "damaged"),
    "half a document of no table": (b'{"owners": [{"id": 1}, {', "damaged"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_file_that_holds_nothing_we_can_read(tmp_path: Path, case: str) -> None:
    """It is told from a table, without an exception."""
    content, expected = STRANGE[case]
    path = tmp_path / "a.json"
    path.write_bytes(content)
    shape = find_shape(path, Source(system="zendesk", path="."), load_preset("zendesk"))
    assert (shape.format, shape.table) == (expected, None)


OBJECTS = {
    "contacts": ({"id": "1", "properties": {"email": "a@example.com"}}, "contacts_v3"),
    "deals": ({"id": "1", "properties": {"dealstage": "x", "amount": "1"}}, "deals"),
    "companies": ({"id": "1", "properties": {"domain": "example.com"}}, None),
    "owners": ({"id": "1", "email": "a@example.com"}, None),
}


def test_a_parquet_file_with_a_column_that_is_no_text_is_damaged(tmp_path: Path) -> None:
    """A name that is not UTF-8 is no name."""
    path = tmp_path / "log.parquet"
    pq.write_table(pa.Table.from_pylist([visit(1)]), path)
    path.write_bytes(path.read_bytes().replace(b"touchpoint", b"touch\xffoint"))
    shape = find_shape(path, Source(system="table", path="."), load_preset("table"))
    assert (shape.format, shape.table) == ("damaged", None)


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_of_one_shape_are_told_by_their_properties(tmp_path: Path, kind: str) -> None:
    """v3 of HubSpot's API shows every object as id and properties."""
    record, expected = OBJECTS[kind]
    path = tmp_path / f"{kind}.json"
    path.write_text(json_document("results", record))
    assert find_shape(path, Source(system="hubspot", path="."), load_preset("hubspot")).table == expected
