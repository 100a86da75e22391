"""Which files a run reads: new and changed ones, and a whole source where its files explain one another."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from journey_mining.config import load_config
from journey_mining.errors import SourceError
from journey_mining.sources import plans
from journey_mining.sources.bytestream import checksum
from journey_mining.sources.found import reading_fingerprint
from journey_mining.sources.keys import pads_of
from journey_mining.sources.ledger import read_sources
from journey_mining.sources.load import load_batch, register_functions
from journey_mining.warehouse import Warehouse, open_warehouse
from unit.loaded import KEY, Row, csv_text, json_document

TICKETS = json_document(
    "tickets",
    {
        "id": 47,
        "requester_id": 900,
        "status": "open",
        "created_at": "2024-05-01T10:00:00Z",
        "via": {"channel": "email"},
    },
)
AUDITS = json_document(
    "audits",
    {
        "id": 1, "ticket_id": 47, "created_at": "2024-05-02T10:00:00Z", "author_id": 35,
        "events": [{"id": 1, "type": "Comment", "public": True}],
    },
)  # fmt: skip
EMAILS = json_document(
    "events",
    {
        "id": "e1",
        "created": 1714557600000,
        "recipient": "a@example.com",
        "type": "CLICK",
        "emailCampaignId": 3,
    },
)


class Home:
    """A configured source in a folder, and the store that its files are read into, run after run."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        (folder / "export").mkdir()
        self.config = folder / "journey.yaml"
        self.config.write_text(f"home: ./home\nsources:\n  data: {source}\n")
        paths = [folder / name for name in ("p.duckdb", "s.duckdb", "spill")]
        self.warehouse: Warehouse = open_warehouse(*paths, register_functions, "1GB", 2)

    def write(self, name: str, text: str) -> None:
        path = self.folder / "export" / name
        path.write_text(text)
        os.utime(path, ns=(path.stat().st_mtime_ns + 1, path.stat().st_mtime_ns + 1))

    def run(self) -> dict[str, int]:
        return read_sources(self.warehouse, load_config(self.config), pads_of(KEY))

    def events(self) -> list[Row]:
        return self.warehouse.rows(
            "select event_name, identity_key is not null as is_known from staged_events "
            "inner join signatures using (signature_id) order by occurred_us, line"
        )

    def files(self) -> dict[str, tuple[Any, ...]]:
        rows = self.warehouse.rows("select * from files order by path")
        return {
            Path(row["path"]).name: (
                row["status"],
                row["record_count"],
                row["event_count"],
                row["duplicate_count"],
            )
            for row in rows
        }


def visits(*customers: str) -> str:
    return csv_text(
        *(
            {"customer_id": name, "occurred_at": "2024-05-01T10:00:00Z", "touchpoint": "visit"}
            for name in customers
        )
    )


def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    home = Home(tmp_path, "{system: table, path: export/}")
    home.write("a.csv", visits("c1", "c2"))
    assert home.run()["files_read"] == 1
    home.write("b.csv", visits("c2", "c3"))
    totals = home.run()
    assert (totals["files_read"], totals["files_kept"]) == (1, 1)
    assert home.files() == {"a.csv": ("read", 2, 1, 1), "b.csv": ("read", 2, 2, 0)}
    totals = home.run()
    assert (totals["files_read"], totals["files_kept"]) == (0, 2)


@pytest.mark.parametrize("batch_bytes", [1, 1 << 30])
@pytest.mark.parametrize("nights", [("abc",), ("ab", "c"), ("c", "ba")])
def test_what_several_files_tell_is_told_by_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_bytes: int, nights: tuple[str, ...]
) -> None:
    """In whatever batches and nights they are read: a.csv comes before c.csv, which says the same."""
    monkeypatch.setattr(plans, "_BATCH_BYTES", batch_bytes)
    home = Home(tmp_path, "{system: table, path: export/}")
    texts = {"a": visits("c1", "c2"), "b": visits("c3"), "c": visits("c1", "c2")}
    for names in nights:
        for name in names:
            home.write(f"{name}.csv", texts[name])
        home.run()
    assert home.files() == {
        "a.csv": ("read", 2, 2, 0),
        "b.csv": ("read", 1, 1, 0),
        "c.csv": ("read", 2, 0, 2),
    }


def test_a_file_copied_with_its_time_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cp -p`, rsync and tar give a correction of the same size the time that the file had; not every night is it hashed."""
    home = Home(tmp_path, "{system: table, path: export/}")
    home.write("a.csv", visits("c1"))
    home.run()
    path = home.folder / "export" / "a.csv"
    time = path.stat().st_mtime_ns
    hashed: list[Path] = []

    def note(file: Path) -> str:
        hashed.append(file)
        return checksum(file)

    monkeypatch.setattr(plans, "checksum", note)
    for text, changed in ((visits("c1"), 0), (visits("c2"), 1), (visits("c2"), 0)):
        path.write_text(text)
        os.utime(path, ns=(time, time))
        hashed.clear()
        assert (home.run()["files_changed"], hashed) == (changed, [path])
        assert (home.run()["files_kept"], hashed) == (1, [path])


def test_changed_file_replaces_what_it_said(tmp_path: Path) -> None:
    """Its events go, unless another file delivered them too."""
    home = Home(tmp_path, "{system: table, path: export/}")
    home.write("a.csv", visits("c1", "c2"))
    home.write("b.csv", visits("c2"))
    home.run()
    home.write("a.csv", visits("c9"))
    assert home.run()["files_changed"] == 1
    assert home.files() == {"a.csv": ("read", 1, 1, 0), "b.csv": ("read", 1, 1, 0)}


@pytest.mark.parametrize(
    ("settings", "sequences"),
    [
        ("system: table", [2, 3]),
        ("system: table, order: by_time", [0, 0]),
        ("system: qualtrics, timezone: UTC, order: as_written", [2, 3]),
        ("system: qualtrics, timezone: UTC", [0, 0]),
    ],
)
def test_events_of_equal_time_are_ordered_as_the_source_says(
    tmp_path: Path, settings: str, sequences: list[int]
) -> None:
    """By their lines where the order is as written: what the preset says holds unless the source says otherwise."""
    home = Home(tmp_path, f"{{{settings}, path: export/}}")
    home.write("a.csv", visits("c1", "c2"))
    if "qualtrics" in settings:
        answer = {"EndDate": "2024-05-01 10:00:00"}
        home.write(
            "a.csv", csv_text(*({"ResponseId": name, **answer} for name in ("ResponseId", "R1", "R2")))
        )
        sequences = [number and number + 1 for number in sequences]
    home.run()
    rows = home.warehouse.rows("select sequence from staged_events order by line")
    assert [row["sequence"] for row in rows] == sequences


@pytest.mark.parametrize("content", [visits("c1"), ""])
def test_what_is_written_to_a_file_while_it_is_read_is_read_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    """The ledger notes what the file was before it was looked at."""
    home = Home(tmp_path, "{system: table, path: export/}")
    home.write("a.csv", content)
    home.write("b.csv", visits("c3"))

    def load_while_it_grows(*given: Any) -> None:
        load_batch(*given)
        home.write("a.csv", visits("c1", "c2"))

    monkeypatch.setattr("journey_mining.sources.ahead.load_batch", load_while_it_grows)
    home.run()
    monkeypatch.undo()
    home.run()
    assert home.files() == {"a.csv": ("read", 2, 2, 0), "b.csv": ("read", 1, 1, 0)}


@pytest.mark.parametrize("order", [("tickets.json", "audits.json"), ("audits.json", "tickets.json")])
def test_files_that_explain_one_another_may_arrive_in_any_order(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    """A ticket that comes a day after its audits still names their customer, and the other way round."""
    home = Home(tmp_path, "{system: zendesk, path: export/}")
    contents = {"tickets.json": TICKETS, "audits.json": AUDITS}
    for name in order:
        home.write(name, contents[name])
        home.run()
    assert home.events() == [
        {"event_name": "ticket created", "is_known": True},
        {"event_name": "support reply", "is_known": True},
    ]
    assert home.files() == {"audits.json": ("read", 1, 1, 0), "tickets.json": ("read", 1, 1, 0)}


DEAL = {
    "id": "7", "createdAt": "2024-05-01T10:00:00Z",
    "properties": {"createdate": "2024-05-01T10:00:00Z", "dealstage": "open", "amount": "100"},
    "associations": {"contacts": {"results": [{"id": "501"}]}},
}  # fmt: skip
LARGER_DEAL = {**DEAL, "properties": {**DEAL["properties"], "amount": "150"}}
STAGES = csv_text({"deal_id": 7, "date_entered": "2024-05-02T10:00:00Z", "value": "closedwon"})


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_deals_explain_their_stages_from_any_file_in_any_order(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    """A stage that comes a day after its deal has the deal's contact, and the amount that the deal is told to have later."""
    home = Home(tmp_path, "{system: hubspot, path: export/}")
    contents = (
        ("deals_1.json", json_document("results", DEAL)),
        ("deals_2.json", json_document("results", LARGER_DEAL)),
        ("deal_stage.csv", STAGES),
    )
    home.write("emails.json", EMAILS)
    home.run()
    for name, content in (contents[number] for number in order):
        home.write(name, content)
        totals = home.run()
        assert totals["files_kept"] == 1, "e-mails do not depend on deals"
    assert home.warehouse.rows(
        'select event_name, identity_key is not null as is_known, "value" from staged_events '
        "inner join signatures using (signature_id) where object_id = '7' order by occurred_us"
    ) == [
        {"event_name": "deal created", "is_known": True, "value": None},
        {"event_name": "deal won", "is_known": True, "value": 150.0},
    ]


def statuses(*told: tuple[int, str]) -> str:
    return csv_text(
        *(
            {"ticket_id": 47, "field_name": "status", "updated": f"2024-05-02T{hour}:00:00Z", "value": status}
            for hour, status in told
        )
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_history_of_a_field_goes_on_from_file_to_file(tmp_path: Path, order: tuple[int, ...]) -> None:
    """A ticket is reopened whichever file told that it was solved, and also where a file tells it again."""
    home = Home(tmp_path, "{system: zendesk, path: export/}")
    contents = (statuses((10, "solved")), statuses((11, "open")), statuses((11, "open"), (12, "pending")))
    home.write("tickets.json", TICKETS)
    for number in order:
        home.write(f"{number}.csv", contents[number])
        home.run()
    assert [event["event_name"] for event in home.events()] == [
        "ticket created",
        "ticket solved",
        "ticket reopened",
        "ticket pending",
    ]


@pytest.mark.parametrize("name", ["journey-mining", "duckdb", "phonenumbers"])
def test_another_version_reads_everything_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What cuts files into records and brings values into normal form decides what is read, as a preset does."""
    home = Home(tmp_path, "{system: table, path: export/}")
    config = load_config(home.config)
    known = reading_fingerprint(config, "data")
    assert reading_fingerprint(config, "data") == known
    monkeypatch.setattr(
        "journey_mining.sources.found.version", lambda one: "99" if one == name else version(one)
    )
    assert reading_fingerprint(config, "data") != known


def test_status_of_files(tmp_path: Path) -> None:
    """Read, a lookup, a stranger, empty, damaged: each is in the ledger."""
    home = Home(tmp_path, "{system: hubspot, path: export/}")
    home.write(
        "deal_stage.csv", csv_text({"deal_id": 1, "date_entered": "2024-05-01 10:00:00", "value": "x"})
    )
    home.write("deal_contact.csv", csv_text({"deal_id": 1, "contact_id": 7}))
    home.write("owner.csv", csv_text({"owner_id": 1, "email": "x"}))
    home.write("nothing.csv", "")
    home.write("broken.csv.gz", "no gzip")
    home.run()
    assert home.files() == {
        "broken.csv.gz": ("damaged", 1, 0, 0),
        "deal_contact.csv": ("lookup", 1, 0, 0),
        "deal_stage.csv": ("read", 1, 1, 0),
        "nothing.csv": ("empty", 0, 0, 0),
        "owner.csv": ("unrecognised", 0, 0, 0),
    }


def test_lookup_that_vanishes_leaves_the_ledger_and_may_come_back(tmp_path: Path) -> None:
    """Events stay when their file is gone; a lookup had none, and is a lookup again when it returns."""
    home = Home(tmp_path, "{system: hubspot, path: export/}")
    home.write(
        "deal_stage.csv", csv_text({"deal_id": 1, "date_entered": "2024-05-01 10:00:00", "value": "x"})
    )
    home.write(
        "form.csv",
        csv_text({"timestamp": "2024-05-01 10:00:00", "form_id": 1, "contact_id": 2, "conversion_id": 3}),
    )
    home.write("deal_contact.csv", csv_text({"deal_id": 1, "contact_id": 7}))
    home.run()
    gone = {name: (tmp_path / "export" / name).read_text() for name in ("deal_contact.csv", "form.csv")}
    for name in gone:
        (tmp_path / "export" / name).unlink()
    assert home.run()["files_vanished"] == 2
    assert home.files() == {"deal_stage.csv": ("read", 1, 1, 0), "form.csv": ("vanished", 1, 1, 0)}
    for name, text in gone.items():
        home.write(name, text)
    home.run()
    assert home.files() == {
        "deal_contact.csv": ("lookup", 1, 0, 0), "deal_stage.csv": ("read", 1, 1, 0), "form.csv": ("read", 1, 1, 0),
    }  # fmt: skip


@pytest.mark.parametrize("place", [100, 2_000, -2_000])
def test_a_broken_page_costs_its_file_and_nothing_else(tmp_path: Path, place: int) -> None:
    """Wherever it is, even in one of several row groups, nothing of the file is read, and all of the others is."""
    home = Home(tmp_path, "{system: table, path: export/}")
    home.write("a.csv", visits("c1"))
    names = [f"{number}@example.com" for number in range(1, 401)]
    table = pacsv.read_csv(pa.py_buffer(visits(*names).encode()))
    for name in ("b.parquet", "c.parquet"):
        pq.write_table(
            table.slice(0 if name == "b.parquet" else 398), tmp_path / "export" / name, row_group_size=200
        )
    path = tmp_path / "export" / "b.parquet"
    content = bytearray(path.read_bytes())
    place %= len(content)
    content[place : place + 80] = b"\xff" * 80
    path.write_bytes(content)
    home.run()
    assert home.files() == {
        "a.csv": ("read", 1, 1, 0), "b.parquet": ("damaged", 1, 0, 0), "c.parquet": ("read", 2, 2, 0),
    }  # fmt: skip
    (row,) = home.warehouse.rows("select line, reason, byte_count from quarantine")
    reason = "not readable as Parquet: some of its data is broken"
    assert row == {"line": 0, "reason": reason, "byte_count": len(content)}


def test_source_without_any_table_is_an_error(tmp_path: Path) -> None:
    """A wrong folder is told at once, with what was found."""
    home = Home(tmp_path, "{system: zendesk, path: export/}")
    home.write("owner.csv", csv_text({"owner_id": 1, "name": "x"}))
    with pytest.raises(SourceError, match=r"owner\.csv is not a table of zendesk") as raised:
        home.run()
    assert "owner_id, name" in str(raised.value)


@pytest.mark.parametrize("text", ["hello", csv_text({"owner_id": 1, "name": "x"})])
def test_a_stranger_that_comes_later_stops_nothing(tmp_path: Path, text: str) -> None:
    """In the night when it comes it is what it would be in a rebuild: unrecognised, beside the files that were read."""
    home = Home(tmp_path, "{system: table, path: export/}")
    home.write("a.csv", visits("c1"))
    home.run()
    home.write("b.txt", text)
    home.run()
    assert home.files() == {"a.csv": ("read", 1, 1, 0), "b.txt": ("unrecognised", 0, 0, 0)}
    (tmp_path / "export" / "a.csv").unlink()
    home.write("c.txt", text)
    home.run()
    assert home.files()["a.csv"] == ("vanished", 1, 1, 0)


def test_the_only_file_that_becomes_a_stranger_is_an_error(tmp_path: Path) -> None:
    """A source that has nothing else any more is told of, as in a rebuild, and what it held stays."""
    home = Home(tmp_path, "{system: table, path: export/}")
    home.write("a.csv", visits("c1"))
    home.run()
    home.write("a.csv", csv_text({"owner_id": 1, "name": "x"}))
    with pytest.raises(SourceError, match=r"a\.csv lacks the columns 'customer_id'"):
        home.run()
    assert home.files() == {"a.csv": ("read", 1, 1, 0)}
