"""Exports that other tools read: event logs, the graph, and tables whose cells no spreadsheet runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import networkx as nx
import pyarrow.parquet as pq
import pytest

from journey_mining.errors import JourneyMiningError
from journey_mining.exporting import GRAPHS, export_snapshot
from journey_mining.pipeline import run_all
from journey_mining.querying import safe_cell

SETTINGS = """home: ./home
goal: buy
sources:
  log: {system: table, path: log.csv, timezone: UTC}
journeys: {expiry: 2 days}
report: {min_cell: 1}
"""
ROWS = """customer_id,occurred_at,touchpoint,channel,object_type,object_id,status,value
ada,2026-01-01 10:00:00,look,web,,,,
ada,2026-01-01 10:01:00,look,web,,,,
ada,2026-01-01 10:02:00,ask,web,ticket,7,new,
ada,2026-01-01 11:02:00,ask,web,ticket,7,solved,
ada,2026-01-01 12:00:00,buy,web,order,7,,12.5
ada,2026-01-20 10:00:00,look,email,,,,
bob,2026-01-01 10:00:00,=1+<b>&,web,journey,1,,
"""
XES = "{http://www.xes-standard.org/}"


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published snapshot of three journeys of two customers."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "log.csv").write_text(ROWS)
    (folder / "journey.yaml").write_text(SETTINGS)
    return run_all(folder / "journey.yaml").home.current


def read_traces(path: Path) -> list[dict[str, Any]]:
    """Each trace's attributes, and its events' ones as `events`."""
    traces = []
    for trace in ElementTree.parse(path).getroot().iter(f"{XES}trace"):
        attributes = {node.get("key"): node.get("value") for node in trace if node.get("key")}
        events = [
            {node.get("key"): node.get("value") for node in event} for event in trace.iter(f"{XES}event")
        ]
        traces.append({**attributes, "events": events})
    return traces


def test_an_xes_trace_is_a_journey(current: Path, tmp_path: Path) -> None:
    """Traces are journeys with their state; direct repeats are one event that counts them."""
    (path,) = export_snapshot(current, "xes", tmp_path)
    traces = {tuple(event["concept:name"] for event in trace["events"]): trace for trace in read_traces(path)}
    assert set(traces) == {("look", "ask", "buy"), ("look",), ("=1+<b>&",)}
    bought = traces["look", "ask", "buy"]
    assert bought["state"] == "converted"
    assert [event["repeat_count"] for event in bought["events"]] == ["2", "2", "1"]
    assert [event["time:timestamp"] for event in bought["events"]] == [
        "2026-01-01T10:00:00+00:00",
        "2026-01-01T10:02:00+00:00",
        "2026-01-01T12:00:00+00:00",
    ]
    assert {event["lifecycle:transition"] for event in bought["events"]} == {"complete"}


def test_an_xes_trace_may_be_a_customer(current: Path, tmp_path: Path) -> None:
    """With the unit customers, a trace has all journeys of one customer in order of time."""
    (path,) = export_snapshot(current, "xes", tmp_path, unit="customers")
    shown = sorted([event["concept:name"] for event in trace["events"]] for trace in read_traces(path))
    assert path.name == "customers.xes"
    assert shown == [["=1+<b>&"], ["look", "ask", "buy", "look"]]


def test_ocel_relates_events_to_objects(current: Path, tmp_path: Path) -> None:
    """Contacts name their customer, journey and object; ids of one type or source never meet those of another."""
    (path,) = export_snapshot(current, "ocel", tmp_path)
    log = json.loads(path.read_text(encoding="utf-8"))
    objects = {item["id"]: item for item in log["objects"]}
    about = {
        event["type"]: relation["objectId"]
        for event in log["events"]
        for relation in event["relationships"]
        if relation["qualifier"] == "about"
    }
    assert about == {"ask": "log/ticket/7", "buy": "log/order/7", "=1+<b>&": "log/object journey/1"}
    assert len(log["events"]) == 7
    assert sum(item["type"] == "journey" for item in log["objects"]) == 3
    assert sum(item["type"] == "customer" for item in log["objects"]) == 2
    assert len(objects) == len(log["objects"]) == 8
    used = {relation["objectId"] for event in log["events"] for relation in event["relationships"]}
    assert used == objects.keys()


def test_ocel_keeps_the_changes_of_a_status(current: Path, tmp_path: Path) -> None:
    """An attribute that changes has a value for each moment of change."""
    (path,) = export_snapshot(current, "ocel", tmp_path)
    log = json.loads(path.read_text(encoding="utf-8"))
    (ticket,) = [item for item in log["objects"] if item["type"] == "ticket"]
    assert [(one["time"], one["value"]) for one in ticket["attributes"] if one["name"] == "status"] == [
        ("2026-01-01T10:02:00+00:00", "new"),
        ("2026-01-01T11:02:00+00:00", "solved"),
    ]


def test_ocel_declares_what_it_uses(current: Path, tmp_path: Path) -> None:
    """Every type and attribute that occurs is declared."""
    (path,) = export_snapshot(current, "ocel", tmp_path)
    log = json.loads(path.read_text(encoding="utf-8"))
    for items, types in (("events", "eventTypes"), ("objects", "objectTypes")):
        declared = {one["name"]: {own["name"] for own in one["attributes"]} for one in log[types]}
        for item in log[items]:
            assert {own["name"] for own in item["attributes"]} <= declared[item["type"]]


def test_csv_cells_are_no_formulas(current: Path, tmp_path: Path) -> None:
    """A text that a spreadsheet would run gets an apostrophe before it; numbers stay as they are."""
    export_snapshot(current, "csv", tmp_path)
    with (tmp_path / "touchpoints.csv").open(encoding="utf-8", newline="") as file:
        names = {row["touchpoint"] for row in csv.DictReader(file)}
    assert names == {"look", "ask", "buy", "'=1+<b>&"}


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (" =1", "' =1"),
        ('"=1', "'\"=1"),
        ("\n=1", "'\n'=1"),
        ("＝1", "'＝1"),
        ("a; =1", "a;' =1"),
        ("a\n@b", "a\n'@b"),
        ("a; b - c", "a; b - c"),
        ("", ""),
    ],
)
def test_a_formula_is_told_behind_blanks_and_separators(text: str, cell: str) -> None:
    """A spreadsheet may trim blanks, read signs of double width, and split where another country has its separator."""
    assert safe_cell(text) == cell


def test_parquet_holds_every_table(current: Path, tmp_path: Path) -> None:
    """A file a table, with all of its rows."""
    paths = export_snapshot(current, "parquet", tmp_path)
    assert {"events", "journeys", "transitions"} <= {path.stem for path in paths}
    assert pq.read_table(tmp_path / "events.parquet").num_rows == 7


@pytest.mark.parametrize("kind", GRAPHS)
def test_the_graph_comes_in_four_forms(current: Path, tmp_path: Path, kind: str) -> None:
    """Each names every touchpoint."""
    (path,) = export_snapshot(current, kind, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert all(name in text for name in ("look", "ask", "buy"))


def test_node_link_json_is_the_graph(current: Path, tmp_path: Path) -> None:
    """NetworkX reads it back with its counts."""
    (path,) = export_snapshot(current, "json", tmp_path)
    graph = nx.node_link_graph(json.loads(path.read_text(encoding="utf-8")), edges="edges")
    assert graph["look"]["ask"]["transition_count"] == 1


def test_nothing_but_the_export_is_left(current: Path, tmp_path: Path) -> None:
    """No spill file and no half of a file stays behind, in the folder or beside the published database."""
    before = sorted(path.name for path in current.iterdir())
    export_snapshot(current, "ocel", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["events.ocel.json"]
    assert sorted(path.name for path in current.iterdir()) == before


def test_a_folder_that_is_a_file_is_refused(current: Path, tmp_path: Path) -> None:
    """The message names the place and what to do."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(JourneyMiningError, match="name another folder with --out"):
        export_snapshot(current, "xes", tmp_path / "taken")
