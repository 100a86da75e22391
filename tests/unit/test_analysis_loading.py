"""Events of an analyst's own: what can be given, how times and ids are read, and what an opened snapshot refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

import journey_mining as jm
from journey_mining.analysis.intake import ENRICHMENT
from journey_mining.errors import JourneyMiningError, QueryError, SourceError

COLUMNS = ["customer_id", "occurred_at", "touchpoint"]


def frame(*rows: tuple[Any, ...], extra: tuple[str, ...] = ()) -> pd.DataFrame:
    """Events as a frame."""
    return pd.DataFrame(list(rows), columns=[*COLUMNS, *extra])


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`open` and `from_events` are there, and nothing is imported for them until they are used."""
    code = "import sys, journey_mining as jm; print(sorted({'pandas','duckdb','numpy'} & set(sys.modules)), jm.__all__)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "[] ['from_events', 'open']\n"


def test_an_unknown_name_of_the_package_is_an_error() -> None:
    """The lazy names do not hide a misspelt one."""
    with pytest.raises(AttributeError, match="opn"):
        _ = jm.opn


@pytest.mark.parametrize("form", ["frame", "arrow", "relation", "rows", "csv", "parquet"])
def test_events_come_in_every_usual_form(form: str, tmp_path: Path) -> None:
    """The same events give the same answer, whatever holds them."""
    events = frame(("007", "2026-01-01T00:00:00Z", "a"), ("7", "2026-01-01 00:00:01", "b"))
    connection = duckdb.connect()
    forms: dict[str, Any] = {
        "frame": events,
        "arrow": pa.Table.from_pandas(events),
        "relation": connection.from_arrow(pa.Table.from_pandas(events)),
        "rows": events.to_dict("records"),
        "csv": tmp_path / "log.csv",
        "parquet": str(tmp_path / "log.parquet"),
    }
    events.to_csv(tmp_path / "log.csv", index=False)
    events.to_parquet(tmp_path / "log.parquet")
    found = jm.from_events(forms[form]).sql(
        "select customer_id, occurred_at, touchpoint from events order by event_ordinal"
    )
    assert found["customer_id"].tolist() == ["007", "7"]
    assert found["occurred_at"].astype(str).tolist() == ["2026-01-01 00:00:00", "2026-01-01 00:00:01"]


@pytest.mark.parametrize(
    "moment",
    [
        pd.Timestamp("2026-01-01 01:00", tz="Europe/Berlin"),
        datetime(2026, 1, 1, tzinfo=UTC),
        pd.Timestamp("2026-01-01"),
        "2026-01-01T01:00:00+01:00",
        1767225600,
        1767225600.0,
    ],
    ids=str,
)
def test_times_are_utc_whatever_their_type(moment: Any) -> None:
    """A zone is honoured; without one a time is UTC, and a number is seconds."""
    found = jm.from_events(frame(("c", moment, "a"))).sql("select occurred_us from events")
    assert found["occurred_us"].item() == 1767225600000000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (frame(("c", 1, "a"), ("c", None, "a")), "no time.*row 2"),
        (frame(("c", "yesterday", "a")), "no time.*row 1"),
        (frame(("c", None, "a")), "1 event has no time"),
        (frame(("c", 1, "a"), *[("c", None, "a")] * 2), "2 events have no time"),
        (frame(("c", 1_700_000_000_000, "a")), "no seconds"),
        (frame(("c", 1e14, "a")), "no seconds"),
        (frame(("c", -(10**18), "a")), "no seconds"),
        (frame(("c", float("inf"), "a")), "no seconds"),
        (
            pd.DataFrame({"user": [1], "occurred_at": [1], "touchpoint": ["a"]}),
            "lack the column 'customer_id'",
        ),
        ("missing.csv", "is no file"),
        ({"a": 1}, "dict"),
    ],
)
def test_what_cannot_be_read_says_why(given: Any, message: str) -> None:
    """An error names the row, the column or the type."""
    with pytest.raises(SourceError, match=message):
        jm.from_events(given)


def test_columns_may_have_other_names_and_further_ones_stay() -> None:
    """Named columns are found, and a further column can be a step's condition."""
    given = pd.DataFrame({"user": [1, 1], "ts": [1, 2], "event": ["a", "a"], "Plan": ["free", "paid"]})
    snapshot = jm.from_events(given, customer_id="user", occurred_at="ts", touchpoint="event")
    found = snapshot.funnel([{"where": {"plan": "free"}}, {"where": "plan = 'paid'"}])
    assert found["entered"].tolist() == [1, 1]


def test_equal_times_keep_the_order_of_the_input() -> None:
    """Ties are no reason to reorder what happened."""
    rows = [("c", 0, name) for name in "bac"]
    assert jm.from_events(frame(*rows)).variants()["variant"].tolist() == ["b > a > c"]


def test_events_without_a_customer_count_for_nobody() -> None:
    """They stay in `events`, no answer takes them for a customer, and a warning says how many they are."""
    with pytest.warns(UserWarning, match="^1 event has no 'customer_id': no journey") as told:
        snapshot = jm.from_events(frame((None, 1, "a"), ("c", 1, "a")))
    assert [Path(one.filename).name for one in told] == [Path(__file__).name]
    with pytest.warns(UserWarning, match="^2 events have no 'user'"):
        jm.from_events(
            frame((None, 1, "a"), ("c", 1, "a"), (None, 2, "a")).rename(columns={"customer_id": "user"}),
            customer_id="user",
        )
    assert snapshot.funnel("a")["entered"].tolist() == [1]
    assert len(snapshot.sql("select * from events")) == 2


def test_sessions_and_journeys_follow_the_rules_given() -> None:
    """A gap over the inactivity opens a session; expiry, goal and collapsed repeats make the journeys."""
    rows = frame(("c", 0, "a"), ("c", 10, "a"), ("c", 31, "b"), ("c", 200, "a"), ("d", 0, "a"))
    snapshot = jm.from_events(rows, inactivity=20, expiry=100, repeats="collapse", goal="b")
    assert snapshot.sessions()["event_count"].tolist() == [2, 1, 1, 1]
    journeys = snapshot.journeys()
    assert journeys["state"].tolist() == ["converted", "open", "dropped_off"]
    assert journeys["step_count"].tolist() == [2, 1, 1]


def test_the_events_may_name_their_own_sessions() -> None:
    """Sessions of the source are taken as they are, whatever the gaps."""
    rows = frame(("c", 0, "a", "s1"), ("c", 0, "b", "s2"), ("c", 9e6, "c", "s2"), extra=("visit",))
    found = jm.from_events(rows, session="visit").sessions()
    assert found[["event_count", "entry_touchpoint", "exit_touchpoint"]].values.tolist() == [
        [1, "a", "a"],
        [2, "b", "c"],
    ]


@pytest.mark.parametrize("session", ["visit", "VISIT"])
def test_the_column_of_the_sessions_stays_readable(session: str) -> None:
    """By its own name, in queries and breakdowns."""
    snapshot = jm.from_events(
        frame(("c", 0, "a", "s1"), ("c", 1, "a", "s2"), extra=("visit",)), session=session
    )
    assert snapshot.sql("select visit from events order by visit")["visit"].tolist() == ["s1", "s2"]
    assert sorted(snapshot.funnel(["a"], unit="sessions", by="visit")["segment"]) == ["s1", "s2"]
    assert len(snapshot.sessions()) == 2


@pytest.mark.parametrize("trait", ["channel", "initiator", "is_background", "event_name", "stage"])
def test_a_column_without_values_changes_nothing(trait: str) -> None:
    """A trait that some events lack loses none of their touchpoints, customers, days and steps."""
    plain = frame(("c", 0, "a"), ("c", 1, "purchase"), ("d", 0, "a"), ("d", 90000, "b"))
    kind = "boolean" if trait == "is_background" else "str"
    empty = plain.assign(**{trait: pd.Series([None] * len(plain), dtype=kind)})
    wanted, found = jm.from_events(plain), jm.from_events(empty)
    for table in (
        "customers", "sessions", "journeys", "journey_steps", "touchpoints", "transitions", "variants", "step_flow", "stage_funnel",
        "stage_channels", "channel_contacts", "channel_switches", "kpi_daily", "feedback",
    ):  # fmt: skip
        query = f"select * from {table} order by all"
        pd.testing.assert_frame_equal(found.sql(query), wanted.sql(query), check_dtype=False, obj=table)


def test_ids_may_be_texts_beside_numbers_of_journeys() -> None:
    """The funnel of stages counts customers and journeys in one table."""
    rows = frame(("c", 0, "a"), ("c", 1, "b"), ("d", 0, "a"))
    found = jm.from_events(rows, stages={"see": ["a"], "buy": ["b"]}, goal="b").sql(
        "select unit, strict_entered from stage_funnel order by unit, stage_number"
    )
    assert found.values.tolist() == [["customers", 2], ["customers", 1], ["journeys", 2], ["journeys", 1]]


def test_channels_may_be_numbers_or_missing() -> None:
    """Every touchpoint is listed, under a channel that is a text."""
    rows = frame(
        ("c", 0, "a", 1), ("c", 1, "b", None), ("c", 2, "b", 2), ("c", 3, "b", 2), extra=("channel",)
    )
    found = jm.from_events(rows.astype({"channel": "Int64"})).sql(
        "select touchpoint, channel, event_count from touchpoints order by touchpoint"
    )
    assert found.values.tolist() == [["a", "1", 1], ["b", "2", 3]]


def test_a_text_among_numbers_is_an_error() -> None:
    """The columns that have one are named, when what is derived of them is first needed."""
    snapshot = jm.from_events(frame(("c", 0, "a", "12 EUR", 1.0), extra=("value", "score")))
    with pytest.raises(SourceError, match="no numbers: value"):
        snapshot.transitions()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda j: j.next_steps([{"where": "true"}]), "is no touchpoint(.|\n)*name .text."),
        (lambda j: j.next_steps(1000), 'write "1000"'),
        (lambda j: j.paths_after(1000), 'write "1000"'),
        (lambda j: j.flow(start=1000), 'write "1000"'),
        (lambda j: j.match(1000), 'write "1000"'),
        (lambda j: j.match(["a", "b"]), "write a -> b"),
        (lambda j: j.funnel([1000]), 'name .text.(.|\n)*write "1000"'),
        (lambda j: j.funnel(1.5), 'write "1.5"'),
        (lambda j: j.funnel(None), "None is no step"),
        (lambda j: j.funnel([{"where": 5}]), "5 is no predicate"),
        (lambda j: j.funnel(["a"], window=6048000000000000), "too long(.|\n)*microseconds"),
    ],
)
def test_what_is_of_another_type_says_what_to_write(ask: Callable[[Any], Any], message: str) -> None:
    """Names are text, numbers too."""
    with pytest.raises(QueryError, match=message):
        ask(jm.from_events(frame(("c", 0, "a"), ("c", 1, "b"))))


@pytest.mark.parametrize(
    "ask",
    [
        lambda j: j.funnel(["zz"]), lambda j: j.next_steps("zz"), lambda j: j.flow(start="zz"), lambda j: j.match("zz"),
        lambda j: j.paths(start="zz"), lambda j: j.retention(entry="zz"), lambda j: j.predict_next("zz"),
    ],
)  # fmt: skip
def test_a_warning_points_at_the_line_that_asked(ask: Callable[[Any], Any]) -> None:
    """However deep in the package it is noticed, and once."""
    with pytest.warns(UserWarning, match="nobody reached it") as caught:
        ask(jm.from_events(frame(("c", 0, "a"), ("c", 1, "b"))))
    told = [(one.filename, one.lineno) for one in caught if one.category is UserWarning]
    assert told == [(__file__, ask.__code__.co_firstlineno)]


@pytest.mark.parametrize("session", ["Visit", "customer_id", "session_id"])
def test_a_column_of_sessions_may_be_any(session: str) -> None:
    """In any case of letters, and also one that has another meaning."""
    rows = frame(("c", 0, "a", "c", "c"), ("c", 9e6, "b", "c", "c"), extra=("visit", "session_id"))
    assert jm.from_events(rows, session=session).sessions()["event_count"].tolist() == [2]


@pytest.mark.parametrize(
    ("session", "near"), [("vist", "did you mean 'visit'?"), ("nope", "name one of these")]
)
def test_an_unknown_column_of_sessions_is_an_error(session: str, near: str) -> None:
    """At once, with the columns that there are."""
    with pytest.raises(QueryError, match=f"lack the column '{session}', which session names") as caught:
        jm.from_events(frame(("c", 0, "a", "s1"), extra=("visit",)), session=session)
    assert "customer_id, occurred_at, touchpoint, visit" in str(caught.value)
    assert near in str(caught.value)


def test_stages_can_list_their_touchpoints() -> None:
    """A mapping of stages is the dictionary of touchpoints."""
    snapshot = jm.from_events(
        frame(("c", 0, "a"), ("c", 1, "b")), stages={"see": ["a"], "buy": "b"}, goal="buy"
    )
    assert snapshot.funnel([{"stage": "see"}, {"stage": "buy"}])["entered"].tolist() == [1, 1]
    assert snapshot.journeys()["state"].tolist() == ["converted"]
    with pytest.raises(QueryError, match=r"no stage 'bye'(?s:.)*did you mean 'buy'"):
        snapshot.funnel([{"stage": "bye"}])


@pytest.mark.parametrize(
    "table", ["customers", "touchpoints", "stage_funnel", "step_flow", "kpi_daily", "channel_switches"]
)
def test_every_table_of_a_snapshot_can_be_asked_for(table: str) -> None:
    """The models that a run builds are built for the events given, when a query first reads them."""
    snapshot = jm.from_events(frame(("c", 0, "a"), ("c", 1, "b")))
    assert len(snapshot.sql(f"select * from {table}").columns) > 3


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("drop table given_events", "only be read"),
        ("copy events to 'x.csv'", "only be read"),
        ("set threads = 1", "only be read"),
        ("select 1; select 2", "one statement"),
        ("selec 1", "cannot be read"),
        ("select * from read_csv('x.csv')", "disabled"),
    ],
)
def test_a_snapshot_can_only_be_read(query: str, message: str) -> None:
    """One query that reads; nothing else, and no file."""
    with pytest.raises(QueryError, match=message):
        jm.from_events(frame(("c", 0, "a"))).sql(query)


def test_a_missing_snapshot_is_an_error_with_a_way_on(tmp_path: Path) -> None:
    """The message says how to publish one."""
    with pytest.raises(JourneyMiningError, match="journey-mining run"):
        jm.open(tmp_path)


def test_no_events_give_empty_answers() -> None:
    """Every question has an answer for an empty log."""
    snapshot = jm.from_events(frame(), touchpoints=["a", "b"])
    assert snapshot.funnel(["a", "b"])["entered"].tolist() == [0, 0]
    for answer in (
        snapshot.transitions(), snapshot.flow(), snapshot.variants(), snapshot.paths(), snapshot.retention(),
        snapshot.match("a"), snapshot.time_to_convert(["a", "b"]), snapshot.step_matrix(), snapshot.next_steps("a"),
    ):  # fmt: skip
        assert answer.empty
    assert len(snapshot.graph()) == 0


@pytest.mark.parametrize("column", sorted(ENRICHMENT))
def test_events_in_memory_have_every_column_of_published_ones(column: str) -> None:
    """Whatever column of the events a query names, or a funnel is split by, is derived when it is first needed."""
    assert len(jm.from_events(frame(("c", 0, "a"))).sql(f"select {column} from events")) == 1
    assert len(jm.from_events(frame(("c", 0, "a"))).funnel(["a"], by=column)) == 1
