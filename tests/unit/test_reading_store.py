"""What happens at the door: hashing, normal forms, repeats, times, and that no record is lost."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from depth import examples
from journey_mining.config import Config, Source
from journey_mining.errors import ConfigError, SourceError
from journey_mining.sources.keys import KEY_VARIABLE, load_pads, pads_of, phone_e164
from journey_mining.sources.load import Batch, LoadedFile, load_batch, register_functions
from journey_mining.sources.presets import Preset, Table, load_preset, preset_names
from journey_mining.sources.shapes import Shape
from journey_mining.warehouse import Warehouse, open_warehouse
from unit.loaded import KEY, Loaded, csv_text, identifier_hash, json_document, json_lines, load, utc

TIME = "2024-05-01T10:00:00Z"


def visit(**changes: Any) -> dict[str, Any]:
    return {"customer_id": "c1", "occurred_at": TIME, "touchpoint": "visit", **changes}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("warehouse")
    return open_warehouse(
        folder / "p.duckdb", folder / "s.duckdb", folder / "spill", register_functions, "1GB", 1
    )


@given(
    key=st.binary(min_size=1, max_size=100),
    content=st.text(max_size=40),
    kind=st.sampled_from(["email", "cookie"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hash_in_sql_is_pythons_hmac(warehouse: Warehouse, key: bytes, content: str, kind: str) -> None:
    """HMAC-SHA-256 with any key, also one longer than a block, of any text."""
    pads = pads_of(key)
    found = warehouse.value(
        "select identifier_hash_of($kind, $content, $inner, $outer)",
        {"kind": kind, "content": content, "inner": pads.inner, "outer": pads.outer},
    )
    assert found.hex == identifier_hash(kind, content, key)


NORMAL = {
    ("email", "  Ada.Lovelace@Example.COM "): "ada.lovelace@example.com",
    ("phone", "+49 (0)30 123-456"): "+4930123456",
    ("phone", "0049 30 123456"): "+4930123456",
    ("phone", " +1 415 555 2671 "): "+14155552671",
    ("phone", "030 123456"): "030123456",
    ("phone", "ask at the desk"): None,
    ("user_id", " K1 "): "K1",
    ("cookie", "Ab.12"): "Ab.12",
}


@pytest.mark.parametrize("case", NORMAL)
def test_normal_form(warehouse: Warehouse, case: tuple[str, str]) -> None:
    """What is the same to people is the same to the hash; a number without a country stays digits."""
    kind, content = case
    found = warehouse.value("select identifier_normal($kind, $content)", {"kind": kind, "content": content})
    assert found == NORMAL[case]


@given(st.text(max_size=30))
def test_phone_of_any_text(text: str) -> None:
    """Never an error, never anything but an E.164 number or digits."""
    found = phone_e164(text)
    assert found is None or found.removeprefix("+").isdigit()


POISONED = [
    "",
    "null",
    "undefined",
    "anonymous",
    "000000",
    "(not set)",
    "00000000-0000-0000-0000-000000000000",
]


@pytest.mark.parametrize("content", POISONED)
def test_values_that_name_nobody_are_marked(warehouse: Warehouse, content: str) -> None:
    assert warehouse.value("select is_poisoned('user_id', $c)", {"c": content}) is True


PHONES = {
    "12": True,
    "ext. 4711": True,
    "110": True,
    "9999999999": True,
    "+1111111": True,
    "1234567890": True,
    "030 90 18 20": False,
    "+290 2 3456": False,
    "+49 30 999999": False,
}


@pytest.mark.parametrize("content", PHONES)
def test_phones_that_name_nobody_are_marked(warehouse: Warehouse, content: str) -> None:
    """Extensions and short codes; the shortest numbers of a country have more digits."""
    query = "select is_poisoned('phone', identifier_normal('phone', $c))"
    assert warehouse.value(query, {"c": content}) is PHONES[content]


def test_key_is_made_once_and_kept_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run hashes as the first; nobody else may read the key."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert load_pads(tmp_path) == load_pads(tmp_path)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_key_in_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY.hex())
    assert load_pads(tmp_path) == pads_of(KEY)
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    with pytest.raises(ConfigError, match="not hexadecimal"):
        load_pads(tmp_path)


def test_pads_do_not_show_the_key() -> None:
    """An exception that prints them gives nothing away."""
    assert "inner" not in repr(pads_of(KEY))


def test_same_bytes_twice_are_all_duplicates(tmp_path: Path) -> None:
    """Under another name, in the same batch or a later one."""
    text = csv_text(visit(), visit(touchpoint="order"), visit())
    loaded = load(tmp_path, "table", {"a.csv": text, "b.csv": text}).read({"c.csv": text})
    assert loaded.counts() == [(3, 3, 0, 0), (3, 0, 3, 0), (3, 0, 3, 0)]
    loaded.assert_conserved()


def test_identical_rows_of_one_file_are_separate_events(tmp_path: Path) -> None:
    """A process log repeats itself; another file with one more repetition brings one new event."""
    loaded = load(tmp_path, "table", {"a.csv": csv_text(visit(), visit())}).read(
        {"b.csv": csv_text(*[visit()] * 3)}
    )
    assert loaded.counts() == [(2, 2, 0, 0), (3, 1, 2, 0)]


def test_identical_records_of_at_least_once_systems_are_one_event(tmp_path: Path) -> None:
    record = {"submittedAt": 1_714_557_600_000, "conversionId": "k", "values": []}
    loaded = load(tmp_path, "hubspot", {"a.json": json_document("results", record, record)})
    assert loaded.counts() == [(2, 1, 1, 0)]


TIMES = {
    "2024-05-01T10:00:00Z": "2024-05-01T10:00:00",
    "2024-05-01 10:00:00.123456+00:00": "2024-05-01T10:00:00.123456",
    "2024-05-01T12:00:00+0200": "2024-05-01T10:00:00",
    "2024-05-01 12:00:00+02": "2024-05-01T10:00:00",
    "2024-05-01 10:00:00 UTC": "2024-05-01T10:00:00",
    "2024-05-01 12:00:00": "2024-05-01T10:00:00",
    "2024-05-01 9:30:00": "2024-05-01T07:30:00",
    "2024-05-01": "2024-04-30T22:00:00",
}


@pytest.mark.parametrize("text", TIMES)
def test_time(tmp_path: Path, text: str) -> None:
    """A zone in the text is taken at its word; a text without one is local time in the configured zone."""
    loaded = load(tmp_path, "table", {"a.csv": csv_text(visit(occurred_at=text))}, timezone="Europe/Berlin")
    assert [event["occurred_us"] for event in loaded.events()] == [utc(TIMES[text])]


BAD_TIMES = {
    "": "no time",
    "yesterday": "unreadable time",
    "2024-13-01T10:00:00Z": "unreadable time",
    "2024-05-01T10:00:00+25:00": "unreadable time",
    "infinity": "unreadable time",
    "275760-01-01T00:00:00Z": "implausible time",
    "0001-01-01T00:00:00Z": "implausible time",
}


@pytest.mark.parametrize("text", BAD_TIMES)
def test_time_that_is_none(tmp_path: Path, text: str) -> None:
    """Quarantined with a reason, never mended by guessing."""
    loaded = load(tmp_path, "table", {"a.csv": csv_text(visit(occurred_at=text))}, timezone="UTC")
    assert loaded.quarantine() == [(2, BAD_TIMES[text])]


def test_time_without_a_zone_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """Nobody but the user knows the zone, so nothing is stored."""
    with pytest.raises(SourceError, match=r"the times in log\.csv carry no zone \(line 3\)") as raised:
        load(tmp_path, "table", {"log.csv": csv_text(visit(), visit(occurred_at="2024-05-01 10:00:00"))})
    assert "timezone:" in str(raised.value)


REJECTED = {
    "no customer": ({"customer_id": ""}, "no customer_id"),
    "no name": ({"touchpoint": " "}, "no event name"),
    "a value that is no number": ({"value": "ten"}, "value is not a number"),
}


@pytest.mark.parametrize("case", REJECTED)
def test_row_that_breaks_its_contract(tmp_path: Path, case: str) -> None:
    """It is kept with the reason and its text."""
    changes, reason = REJECTED[case]
    loaded = load(tmp_path, "table", {"a.csv": csv_text(visit(**{"value": "1", **changes}))})
    assert loaded.quarantine() == [(2, reason)]
    assert TIME.encode() in loaded.warehouse.value("select raw from quarantine")


def test_reasons_do_not_mix_up_formats(tmp_path: Path) -> None:
    """A CSV row beside a JSON file is not judged as JSON."""
    loaded = load(
        tmp_path, "table", {"a.csv": csv_text(visit(occurred_at="")), "b.jsonl": json_lines(visit()) + "{\n"}
    )
    assert loaded.quarantine() == [(2, "no time"), (2, "not valid JSON")]


records = st.fixed_dictionaries({
    "customer_id": st.sampled_from(["a", "b", ""]),
    "occurred_at": st.sampled_from([TIME, "2024-05-01T11:00:00Z", "", "nonsense", "1066-10-14T09:00:00Z"]),
    "touchpoint": st.sampled_from(["visit", "order", ""]),
    "value": st.sampled_from(["", "1", "one"]),
})  # fmt: skip


@given(st.lists(st.lists(records, min_size=1, max_size=8), min_size=1, max_size=3))
@examples(25)
def test_every_record_has_one_fate(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[dict[str, str]]]
) -> None:
    """Records in = events + duplicates + quarantined, in every file, whatever is in them."""
    contents = {f"{number}.csv": csv_text(*rows) for number, rows in enumerate(files)}
    loaded = load(tmp_path_factory.mktemp("conserved"), "table", contents)
    loaded.assert_conserved()
    assert [count[0] for count in loaded.counts()] == [len(rows) for rows in files]
    assert all(records == events + duplicates + bad for records, events, duplicates, bad in loaded.counts())


@given(st.permutations(range(6)), st.sets(st.integers(1, 5)))
@examples(15)
def test_any_split_and_order_of_files_gives_the_same_events(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: set[int]
) -> None:
    """Six overlapping exports, in any order and any number of batches."""
    exports = [csv_text(*(visit(customer_id=f"c{n}") for n in range(start, start + 3))) for start in range(6)]
    loaded = Loaded(tmp_path_factory.mktemp("split"), "table")
    edges = [0, *sorted(cuts), 6]
    for begin, end in pairwise(edges):
        loaded.read({f"{number}.csv": exports[number] for number in order[begin:end]})
    assert (
        sorted((event["occurred_us"], event["kinds"]) for event in loaded.events())
        == [(utc("2024-05-01T10:00:00"), "user_id")] * 8
    )
    assert loaded.warehouse.value("select count(*) from staged_events") == 8
    assert loaded.warehouse.value("select count(*) from duplicates") == 6 * 3 - 8
    loaded.assert_conserved()


def test_preset_that_filters_is_refused(tmp_path: Path) -> None:
    """A select that loses a record is a defect of the preset, and nothing is stored."""
    path = tmp_path / "a.csv"
    path.write_text("id,moment\n1,2024-05-01T10:00:00Z\n2,\n")
    preset = Preset(
        system="mine", summary="x", delivery="at_least_once",
        tables={"rows": Table(columns={"id": "VARCHAR", "moment": "VARCHAR"}, requires=["id", "moment"])},
        sql="select file_no, line, raw, id as native_key, moment as occurred_text, time_us(moment, 'UTC') as occurred_us, "
        "'x' as event_name, 'customer' as initiator, false as is_background from read_rows where moment is not null",
    )  # fmt: skip
    warehouse = Loaded(tmp_path, "table").warehouse
    source = Source(system="table", path=".")
    file = LoadedFile(1, path, "a.csv", Shape("csv", "rows", ("id", "moment"), header_records=1))
    with pytest.raises(SourceError, match=r"lost or repeated records of a\.csv"):
        load_batch(
            warehouse, Batch("s", source, preset, [file], [file]), Config(sources={"s": source}), pads_of(KEY)
        )
    assert warehouse.value("select count(*) from staged_events") == 0


@pytest.mark.parametrize("name", preset_names())
def test_tables_of_a_preset_can_be_told_apart(name: str) -> None:
    """Every table of records is read, and what a file must have is what distinguishes it."""
    preset = load_preset(name)
    for table_name, table in preset.tables.items():
        assert table.role == "lookup" or f"read_{table_name}" in preset.sql
        assert bool(table.requires) == (table.header == "row")
    distinct = {tuple(sorted(table.requires)) for table in preset.tables.values()}
    assert len(distinct) == len(preset.tables)
