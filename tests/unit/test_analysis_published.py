"""A published snapshot and the same events in memory answer alike."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.errors import QueryError
from journey_mining.pipeline import run_all
from journey_mining.snapshot import Snapshot

SETTINGS = """home: ./home
goal: buy
stages: [see, buy]
sources: {log: {system: table, path: log.csv, timezone: UTC}}
sessions: {inactivity: 30 minutes}
journeys: {expiry: 2 days}
touchpoints:
  - {name: look, stage: see, when: "given_touchpoint = 'look'"}
  - {name: buy, stage: buy, when: "given_touchpoint = 'buy'"}
"""
ROWS = [
    ("ada", "2026-01-01 10:00:00", "look"),
    ("ada", "2026-01-01 10:00:00", "help"),
    ("ada", "2026-01-01 10:05:00", "look"),
    ("ada", "2026-01-01 10:05:00", "look"),
    ("ada", "2026-01-01 12:00:00", "buy"),
    ("bob", "2026-01-01 10:00:00", "look"),
    ("bob", "2026-01-09 10:00:00", "buy"),
    ("cyd", "2026-01-09 09:00:00", "look"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with one published snapshot of the rows."""
    folder = tmp_path_factory.mktemp("published")
    frame().to_csv(folder / "log.csv", index=False)
    (folder / "journey.yaml").write_text(SETTINGS)
    run_all(folder / "journey.yaml")
    return folder / "home"


def frame() -> pd.DataFrame:
    """The rows as events."""
    return pd.DataFrame(ROWS, columns=["customer_id", "occurred_at", "touchpoint"])


@pytest.fixture
def loaded() -> Snapshot:
    """The same events in memory, with the same rules."""
    return jm.from_events(
        frame(), stages={"see": ["look"], "buy": ["buy"]}, goal="buy", expiry="2 days", repeats="collapse"
    )


def test_a_snapshot_opens_by_its_home_its_folder_or_its_file(home: Path) -> None:
    """Wherever one points, it is the same database."""
    for path in (home, home / "current", home / "current" / "journeys.duckdb", str(home)):
        with jm.open(path) as snapshot:
            assert snapshot.sql("select count(*) as n from events")["n"].item() == len(ROWS)


def test_a_snapshot_opens_twice(home: Path) -> None:
    """Two snapshots of one file live side by side in a process, and a plain connection beside them."""
    with jm.open(home) as first, jm.open(home) as second:
        assert first.journeys().equals(second.journeys())
        with duckdb.connect(str(home / "current" / "journeys.duckdb"), read_only=True) as plain:
            assert plain.execute("select count(*) from events").fetchall() == [(len(ROWS),)]


@pytest.mark.parametrize("unit", ["customers", "journeys", "sessions", "attempts"])
@pytest.mark.parametrize("order", ["ordered", "strict", "any"])
def test_funnels_agree(home: Path, loaded: Snapshot, unit: str, order: str) -> None:
    """Counts, rates, open units and seconds."""
    options = {"unit": unit, "order": order, "window": "1 day"}
    steps = [{"stage": "see"}, "buy"]
    with jm.open(home) as snapshot:
        found = snapshot.funnel(steps, **options)
        assert found["entered"].iloc[0] > 0
        pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(loaded.funnel(steps, **options)))


def test_other_answers_agree(home: Path, loaded: Snapshot) -> None:
    """Whatever carries no ids is the same table."""
    with jm.open(home) as snapshot:
        for ask in (
            lambda j: j.funnel(["look", "buy"]),
            lambda j: j.funnel(["look", "buy"], unit="journeys"),
            lambda j: j.funnel(["look", "look", "buy"], window="3 days", by="touchpoint"),
            lambda j: j.transitions(),
            lambda j: j.transitions(unit="sessions"),
            lambda j: j.next_steps("look", unit="journeys"),
            lambda j: j.flow(),
            lambda j: j.flow(end="buy"),
            lambda j: j.paths(),
            lambda j: j.path_nodes(),
            lambda j: j.step_matrix(unit="journeys"),
            lambda j: j.retention("week"),
            lambda j: j.retention(windows="rolling", by="touchpoint", timezone="Asia/Kathmandu"),
            lambda j: j.match("look -> .* -> buy").drop(columns="customer_id").sort_values("match_count", ignore_index=True),
            lambda j: j.variants(),
            lambda j: j.time_to_convert(["look", "buy"]),
        ):  # fmt: skip
            pd.testing.assert_frame_equal(pd.DataFrame(ask(snapshot)), pd.DataFrame(ask(loaded)))


def test_who_only_has_background_events_counts_where_a_step_is_one(tmp_path: Path) -> None:
    """A customer who was only written to is among all customers of a funnel that names the writing, and of no other."""
    rows = [*ROWS, ("dan", "2026-01-01 10:00:00", "letter"), ("ada", "2026-01-01 11:00:00", "letter")]
    pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint"]).to_csv(
        tmp_path / "log.csv", index=False
    )
    letter = "  - {name: letter, background: true, when: \"given_touchpoint = 'letter'\"}\n"
    (tmp_path / "journey.yaml").write_text(SETTINGS + letter)
    run_all(tmp_path / "journey.yaml")
    with jm.open(tmp_path / "home") as snapshot:
        for options in ({}, {"by": {"where": "touchpoint = 'nowhere'"}}):
            for unit, looks, letters in (
                ("customers", 3 / 3, [2 / 4, 1 / 4]),
                ("journeys", 3 / 4, [1 / 4, 1 / 4]),
            ):
                found = snapshot.funnel(["look", "buy"], unit=unit, **options)
                assert found["share_of_all"].iloc[0] == pytest.approx(looks)
                found = snapshot.funnel(["letter", "buy"], unit=unit, **options)
                assert found["share_of_all"].tolist() == pytest.approx(letters)


def test_a_published_snapshot_knows_all_its_names(home: Path) -> None:
    """There, a name like no other is an error too."""
    with jm.open(home) as snapshot, pytest.raises(QueryError, match="No event has the touchpoint 'refund'"):
        snapshot.funnel(["refund"])


def test_a_published_snapshot_is_left_as_it_is(home: Path) -> None:
    """Nothing can be written, read from a file or set."""
    with jm.open(home) as snapshot:
        for query in ("create table x as select 1", "select * from read_csv('x.csv')", "set threads = 1"):
            with pytest.raises(QueryError):
                snapshot.sql(query)
    assert {path.name for path in (home / "current").iterdir()} >= {"journeys.duckdb", "report"}
    assert not list((home / "current").glob("*.tmp"))


@pytest.mark.parametrize(
    "query",
    [
        "select customer_id from customers order by customer_id",
        "select customer_id from customers order by customer_id; -- all of them",
        "select customer_id, c.customer_id from customers as c order by 1",
        "from (select null::uuid as customer_id, 0 as first union all select customer_id, 1 from customers)"
        " order by first, customer_id",
    ],
)
def test_ids_are_text_however_a_query_is_written(home: Path, query: str) -> None:
    """In the order that was asked for; a missing id stays missing."""
    with jm.open(home) as snapshot:
        found = snapshot.sql(query)
        known = snapshot.sql("select cast(customer_id as varchar) as id from customers order by id")
    for place in range(found.shape[1]):
        if found.columns[place] != "first":
            assert found.iloc[:, place].dropna().tolist() == known["id"].tolist()


def test_a_plan_is_an_answer(home: Path) -> None:
    """EXPLAIN is no relation, and can be asked all the same."""
    with jm.open(home) as snapshot:
        assert "SCAN" in snapshot.sql("explain select * from customers").to_string().upper()
