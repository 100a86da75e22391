"""Reading ahead: what is read while another source is stored is what reading it in its turn gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from journey_mining.config import load_config
from journey_mining.errors import SourceError
from journey_mining.sources import ahead
from journey_mining.sources.keys import pads_of
from journey_mining.sources.ledger import read_sources
from journey_mining.sources.load import register_functions
from journey_mining.warehouse import Warehouse, open_warehouse
from unit.loaded import KEY, csv_text

SOURCES = ("web", "crm", "shop")
TABLES = ("staged_events", "duplicates", "quarantine", "signatures", "identifier_sets", "files", "readings")


class Exports:
    """Three sources in a folder, and the store that they are read into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.config = folder / "journey.yaml"
        listed = "".join(f"  {name}: {{system: table, path: {name}/}}\n" for name in SOURCES)
        self.config.write_text(f"home: ./home\nsources:\n{listed}")
        for source in SOURCES:
            (folder / source).mkdir()
            # Each tells of customers that another one tells of too, and of one of its own; one record is no event.
            self.write(source, "a.csv", [("c1", "10:00"), (source, "11:00"), ("c2", "nonsense")])
        self.warehouse: Warehouse = open_warehouse(
            *(folder / name for name in ("p.duckdb", "s.duckdb", "spill")), register_functions, "1GB", 2
        )

    def write(self, source: str, name: str, rows: list[tuple[str, str]], zone: str = "Z") -> None:
        cells = [
            {
                "customer_id": who,
                "occurred_at": f"2024-05-01T{time}:00{zone}",
                "touchpoint": f"visit {source}",
            }
            for who, time in rows
        ]
        (self.folder / source / name).write_text(csv_text(*cells))

    def read(self) -> dict[str, int]:
        return read_sources(self.warehouse, load_config(self.config), pads_of(KEY))

    def content(self) -> dict[str, list[dict[str, Any]]]:
        unlike = {"files": "exclude (modified_ns, changed_ns)"}
        return {
            name: self.warehouse.rows(f"select * {unlike.get(name, '')} from store.main.{name} order by all")
            for name in TABLES
        }

    def left_over(self) -> list[str]:
        """What reading has left in memory, but for the notes of what changed."""
        rows = self.warehouse.rows(
            "select table_name from duckdb_tables() where database_name = 'touched' or temporary "
            "union all select view_name from duckdb_views() where not internal and temporary"
        )
        noted = {"withdrawn_events", "withdrawn_sets", "first_delivery", "delivered_files"}
        return sorted({row["table_name"] for row in rows} - noted)


def test_reading_ahead_gives_what_reading_in_turn_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In two deliveries, of which the second corrects a file."""
    content, totals = {}, {}
    for name, most in (("ahead", ahead._AHEAD_BYTES), ("in turn", -1)):
        monkeypatch.setattr(ahead, "_AHEAD_BYTES", most)
        exports = Exports(tmp_path / name)
        begun = count_batches(monkeypatch)
        totals[name] = [exports.read()]
        for source in SOURCES:
            exports.write(source, "b.csv", [("c1", "12:00"), ("c9", "12:30")])
        exports.write("shop", "a.csv", [("c1", "10:00")])
        totals[name].append(exports.read())
        content[name] = exports.content()
        assert (begun["ahead"] >= 2) == (name == "ahead")
        assert exports.left_over() == []
    assert content["ahead"] == content["in turn"]
    assert totals["ahead"] == totals["in turn"]
    assert len(content["ahead"]["staged_events"]) == 2 * 2 + 1 + 3 * 2


def count_batches(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many batches are read ahead from now on."""
    begun, prepare = {"ahead": 0}, ahead.prepare_batch

    def counted(*given: Any) -> None:
        begun["ahead"] += 1
        prepare(*given)

    monkeypatch.setattr(ahead, "prepare_batch", counted)
    return begun


def test_what_is_wrong_with_a_later_source_is_told_in_its_turn(tmp_path: Path) -> None:
    """The sources before it are read, and are not read again once it is right."""
    exports = Exports(tmp_path / "exports")
    exports.write("crm", "b.csv", [("c1", "12:00")], zone="")
    with pytest.raises(SourceError, match=r"sources.crm: the times in crm/b.csv carry no zone"):
        exports.read()
    assert [row["source"] for row in exports.warehouse.rows("from readings")] == ["web"]
    assert exports.left_over() == []
    (exports.folder / "crm" / "b.csv").unlink()
    assert exports.read()["files_read"] == 2


def test_an_earlier_source_that_fails_ends_what_is_read_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = Exports(tmp_path / "exports")
    exports.write("web", "b.csv", [("c1", "12:00")], zone="")
    with pytest.raises(SourceError, match=r"sources.web: the times in web/b.csv carry no zone"):
        exports.read()
    assert exports.warehouse.rows("from readings") == []
    assert exports.left_over() == []
