"""Another tool of process mining reads the exported logs, and counts what the database counts."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import journey_mining as jm
from journey_mining.exporting import export_snapshot
from journey_mining.pipeline import RunContext
from journey_mining.snapshot import Snapshot

pm4py = pytest.importorskip("pm4py", reason="needs the extra 'crosscheck'")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def snapshot(sample_run: RunContext) -> Iterator[Snapshot]:
    """The published sample."""
    with jm.open(sample_run.home.current) as opened:
        yield opened


@pytest.fixture(scope="module")
def current(sample_run: RunContext, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the published folder, to be exported."""
    return Path(shutil.copytree(sample_run.home.current, tmp_path_factory.mktemp("copy") / "current"))


def count_follows(rows: Any) -> Counter[tuple[str, str]]:
    """Directly-follows pairs of (case, touchpoint) rows in order."""
    found: Counter[tuple[str, str]] = Counter()
    listed = list(rows.itertuples(index=False, name=None))
    for (case, name), (next_case, next_name) in pairwise(listed):
        found[name, next_name] += case == next_case
    return +found


def test_pm4py_reads_the_same_journeys(current: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    """Cases, events, and the directly-follows graph, which is that of the published transitions."""
    (path,) = export_snapshot(current, "xes", tmp_path)
    log = pm4py.read_xes(str(path))
    journeys = snapshot.sql("select journey_id from journeys where not is_flagged")
    assert set(log["case:concept:name"]) == set(journeys["journey_id"].astype(str))
    steps = (
        "select count(*) as n from journey_steps inner join journeys using (journey_id) where not is_flagged"
    )
    assert len(log) == snapshot.sql(steps)["n"].item()
    follows, starts, ends = pm4py.discover_dfg(log)
    shown = {
        (row.from_touchpoint, row.to_touchpoint): row.transition_count
        for row in snapshot.transitions().itertuples()
    }
    inner = {pair: n for pair, n in shown.items() if pair[0] != "__start__" and pair[1] != "__end__"}
    assert dict(follows) == inner
    assert starts == {pair[1]: n for pair, n in shown.items() if pair[0] == "__start__"}
    assert ends == {pair[0]: n for pair, n in shown.items() if pair[1] == "__end__"}


def test_pm4py_reads_the_same_customers(current: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    """With customers as cases, as many cases and the same events."""
    (path,) = export_snapshot(current, "xes", tmp_path, unit="customers")
    log = pm4py.read_xes(str(path))
    count = snapshot.sql("select count(distinct customer_id) as n from journeys where not is_flagged")[
        "n"
    ].item()
    assert log["case:concept:name"].nunique() == count
    assert (log["case:concept:name"] == log["case:customer_id"]).all()


@pytest.mark.parametrize(("kind", "column"), [("customer", "customer_id"), ("journey", "journey_id")])
def test_pm4py_reads_the_same_objects(
    current: Path, snapshot: Snapshot, tmp_path: Path, kind: str, column: str
) -> None:
    """Events and objects of the object-centric log; flattened on an object type, its directly-follows counts."""
    (path,) = export_snapshot(current, "ocel", tmp_path)
    log = pm4py.read_ocel2_json(str(path))
    contacts = snapshot.sql(
        f"select {column}::varchar as case_id, touchpoint from events inner join journeys using (journey_id) "
        "where not is_background and not is_flagged order by 1, occurred_us, source, file_id, line, event_id".replace(
            "customer_id::", "events.customer_id::"
        )
    )
    assert len(log.events) == len(contacts)
    assert (log.objects["ocel:type"] == kind).sum() == contacts["case_id"].nunique()
    flat = pm4py.ocel_flattening(log, kind)
    follows, _, _ = pm4py.discover_dfg(flat)
    assert dict(follows) == dict(count_follows(contacts))


def test_pm4py_reads_the_same_tickets(current: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    """Every ticket that a contact is about, with the events that are about it."""
    (path,) = export_snapshot(current, "ocel", tmp_path)
    log = pm4py.read_ocel2_json(str(path))
    expected = snapshot.sql(
        "select count(*) as n, count(distinct object_id) as tickets from events inner join journeys using (journey_id) "
        "where object_type = 'ticket' and object_id is not null and not is_background and not is_flagged"
    )
    assert (log.objects["ocel:type"] == "ticket").sum() == expected["tickets"].item()
    assert (log.relations["ocel:type"] == "ticket").sum() == expected["n"].item()
