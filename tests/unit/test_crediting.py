"""Attribution of a log: SQL counts the paths as a plain walk through the events does, and sums are kept."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import journey_mining as jm
from depth import examples
from journey_mining.errors import QueryError
from journey_mining.mining.attribution import METHODS, AttributionRules, attribute
from journey_mining.mining.statistics import Resampling
from journey_mining.snapshot import Snapshot

DAY, HOUR = 86_400, 3_600
EXPIRY = 3 * DAY
NONE = "(none)"
NO_DRAWS = Resampling(resamples=0)

# Customer, hours since the start, touchpoint, channel, value.
EVENT = st.tuples(
    st.integers(1, 4),
    st.integers(0, 240),
    st.sampled_from(["look", "ask", "buy"]),
    st.sampled_from(["ads", "direct", "mail", None]),
    st.integers(1, 50),
)
worlds = st.lists(EVENT, min_size=1, max_size=25, unique_by=lambda event: event[:2])


def frame_of(events: list[Any]) -> pd.DataFrame:
    """The events in the order of time."""
    columns = ["customer_id", "hour", "touchpoint", "channel", "value"]
    frame = pd.DataFrame(sorted(events, key=lambda event: event[1]), columns=columns)
    return frame.assign(occurred_at=frame["hour"] * HOUR).drop(columns="hour")


def load(events: list[Any], **options: Any) -> Snapshot:
    """The events in memory: one hour of inactivity ends a session, three days a journey."""
    rules = {"goal": "buy", "expiry": "3 days", "repeats": "collapse", "inactivity": "90 minutes"}
    return jm.from_events(frame_of(events), **{**rules, **options})


def cut(events: list[Any]) -> list[list[Any]]:
    """The journeys, each a list of events."""
    lives: dict[int, list[Any]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event[1]):
        lives[event[0]].append(event)
    journeys: list[list[Any]] = []
    for life in lives.values():
        journeys.append([life[0]])
        for before, event in pairwise(life):
            if (event[1] - before[1]) * HOUR > EXPIRY:
                journeys.append([])
            journeys[-1].append(event)
    return journeys


def walk(journey: list[Any], by: str) -> list[tuple[str, float]]:
    """The contacts of a journey up to its goal: what is credited, and when (seconds)."""
    contacts: list[tuple[str, float]] = []
    session, before, seen = 0, None, set()
    for _, hour, touchpoint, channel, _ in journey:
        session += before is not None and (hour - before) * HOUR > 5_400
        before = hour
        label = channel if by == "channel" else touchpoint
        is_goal = touchpoint == "buy"
        if by == "touchpoint" and is_goal:
            break
        key = (session, label) if by == "channel" else None
        is_new = key not in seen if key else not contacts or contacts[-1][0] != label
        if label is not None and is_new:
            contacts.append((label, float(hour * HOUR)))
            seen.add(key)
        if is_goal:
            break
    return contacts


def reference(events: list[Any], by: str) -> pd.DataFrame:
    """The paths as mining.attribution reads them, one row a journey; journeys that are still open are left out."""
    cutoff, rows = max(event[1] for event in events), []
    for journey in cut(events):
        goal = next((event for event in journey if event[2] == "buy"), None)
        if goal is None and (cutoff - journey[-1][1]) * HOUR <= EXPIRY:
            continue
        end = None if goal is None else float(goal[1] * HOUR)
        contacts = walk(journey, by) or [(NONE, end if end is not None else 0.0)]
        rows.append(
            {
                "path": tuple(label for label, _ in contacts),
                "times": tuple(moment for _, moment in contacts),
                "converted_at": end if end is not None else contacts[-1][1],
                "conversions": int(goal is not None),
                "nulls": int(goal is None),
                "value": sum(event[4] for event in journey if event[2] == "buy"),
                "customer_id": journey[0][0],
            }
        )
    return pd.DataFrame(
        rows, columns=["path", "times", "converted_at", "conversions", "nulls", "value", "customer_id"]
    )


@examples(10)
@given(worlds, st.sampled_from(["channel", "touchpoint"]), st.integers(1, 3))
def test_every_model_counts_what_a_plain_walk_counts(events: list[Any], by: str, order: int) -> None:
    """Conversions, value and share of each channel, or the same reason why there is no answer."""
    paths = reference(events, by)
    found = load(events).attribution("all", by=by, order=order, bootstrap=0)
    for model in METHODS:
        expected = attribute(paths, model, AttributionRules(order=order, resampling=NO_DRAWS))
        rows = found[found["model"] == model].dropna(subset=[by])
        if not isinstance(expected, pd.DataFrame):
            assert rows.empty
            assert found.loc[found["model"] == model, "note"].item() == str(expected)
            continue
        known = expected[expected["share"].abs() > 1e-12].set_index("channel")
        rows = rows[rows["share"].abs() > 1e-12].set_index(by)
        assert set(rows.index) == set(known.index), model
        for column in ("conversions", "value", "share"):
            assert rows[column].to_dict() == pytest.approx(known[column].to_dict(), abs=1e-6), (model, column)


@examples(10)
@given(worlds, st.sampled_from(["channel", "touchpoint", "stage"]))
def test_sums_are_the_conversions_and_their_value(events: list[Any], by: str) -> None:
    """Of every model but participation, which never credits less."""
    converted = [journey for journey in cut(events) if any(event[2] == "buy" for event in journey)]
    value = sum(event[4] for journey in converted for event in journey if event[2] == "buy")
    found = load(events, stages={"see": ["look", "ask"], "have": ["buy"]}).attribution(
        "all", by=by, bootstrap=0
    )
    for model, rows in found.dropna(subset=[by]).groupby("model"):
        if model == "participation":
            assert rows["conversions"].sum() >= len(converted) - 1e-9
        else:
            assert rows["conversions"].sum() == pytest.approx(len(converted))
            assert rows["value"].sum() == pytest.approx(value)
            assert rows["share"].sum() == pytest.approx(1)


def test_an_interval_covers_its_share_and_needs_more_than_one_customer() -> None:
    """Customers are drawn again; of one customer there is nothing to draw."""
    many = [(number, number, "look", "ads" if number % 3 else "mail", 1) for number in range(40)]
    many += [(number, number + 2, "buy", None, 5) for number in range(30)] + [(99, 300, "look", "ads", 1)]
    for model in ("first", "markov", "shapley"):
        rows = load(many).attribution(model)
        assert ((rows["low"] <= rows["share"]) & (rows["share"] <= rows["high"])).all()
        assert (rows["high"] - rows["low"]).max() > 0.05
    alone = load([(1, 1, "look", "ads", 1), (1, 2, "buy", "ads", 1)]).attribution("linear")
    assert alone[["low", "high"]].isna().all(axis=None)
    assert alone["share"].tolist() == [1]


def test_shares_may_be_of_the_value() -> None:
    """A channel with few but large purchases has more of the value than of the conversions."""
    events = [(1, 0, "buy", "ads", 90), (2, 0, "buy", "mail", 5), (3, 0, "buy", "mail", 5)]
    by_count = load(events).attribution("first").set_index("channel")["share"]
    by_value = load(events).attribution("first", value=True).set_index("channel")["share"]
    assert by_count.to_dict() == pytest.approx({"ads": 1 / 3, "mail": 2 / 3})
    assert by_value.to_dict() == pytest.approx({"ads": 0.9, "mail": 0.1})


def test_contacts_before_the_lookback_do_not_count() -> None:
    """A day before the goal is enough for the mail, not for the advertisement."""
    events = [(1, 0, "look", "ads", 1), (1, 60, "look", "mail", 1), (1, 70, "buy", None, 9)]
    whole = load(events).attribution("linear").set_index("channel")["share"].to_dict()
    recent = load(events).attribution("linear", lookback="1 day").set_index("channel")["share"].to_dict()
    assert whole == pytest.approx({"ads": 0.5, "mail": 0.5})
    assert recent == {"mail": 1}


def test_conversions_without_a_contact_are_named_and_not_given_away() -> None:
    """A goal that nothing came before is credited to nobody, and the note says so."""
    found = load([(1, 0, "buy", "ads", 1), (2, 0, "look", "ads", 1), (2, 5, "buy", "ads", 1)])
    rows = found.attribution("last", by="touchpoint").set_index("touchpoint")
    assert rows["conversions"].to_dict() == {NONE: 1, "look": 1}
    assert rows.loc[NONE, "note"] == "conversions that no contact with a touchpoint came before"


def test_unknown_names_are_told_with_the_nearest() -> None:
    """A model, a column, an order, an option."""
    snapshot = load([(1, 0, "buy", "ads", 1)])
    with pytest.raises(QueryError, match="did you mean 'markov'"):
        snapshot.attribution("markow")
    with pytest.raises(QueryError, match="did you mean 'channel'"):
        snapshot.attribution(by="chanel")
    with pytest.raises(QueryError, match="attribution: order"):
        snapshot.attribution(order=4)
    with pytest.raises(QueryError, match="No model"):
        snapshot.attribution([])


def test_the_query_shows_the_contacts_and_the_figure_draws_the_shares() -> None:
    """`.sql` runs on the snapshot and lists the journeys' contacts in order; a trace a model."""
    snapshot = load([(1, 0, "look", "ads", 1), (1, 1, "buy", "mail", 1), (2, 0, "buy", "ads", 1)])
    found = snapshot.attribution(["first", "last"])
    contacts = snapshot.sql(found.sql)
    paths = contacts[contacts["is_converted"]].groupby("journey_number")["label"].agg(list).tolist()
    assert sorted(paths) == [["ads"], ["ads", "mail"]]
    assert [trace.name for trace in found.figure().data] == ["first", "last"]


def test_hundreds_of_touchpoints_are_credited_with_intervals() -> None:
    """500 touchpoints, each its own state of the chain; shares still sum to 1."""
    events = [(number, number % 200, f"t{number % 500}", "ads", 1) for number in range(2000)]
    events += [(number, 220, "buy", "ads", 1) for number in range(0, 2000, 7)]
    found = load(events, expiry="never").attribution(by="touchpoint", bootstrap=5)
    assert len(found) == 500
    assert found["share"].sum() == pytest.approx(1)
