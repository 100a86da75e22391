"""The macros of the published database give the numbers of the Python API, and of plain counting."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import journey_mining as jm
from depth import examples
from journey_mining.errors import QueryError
from journey_mining.mining.statistics import newcombe_difference

HOUR, DAY = 3_600, 86_400
NAMES = "abcg"
EVENT = st.tuples(st.integers(0, 40), st.sampled_from("aabbccgu"))
LOG = st.lists(st.lists(EVENT, min_size=1, max_size=9), min_size=1, max_size=6)
EXPIRY = st.sampled_from(["never", "1 day"])
OCCURRENCE = st.sampled_from(["first", "last", "all"])
Customers = list[list[tuple[int, str]]]


def open_log(customers: Customers, expiry: str = "never", stages: bool = False) -> Any:
    """The events, some hours apart, behind one of each name, so that no name is unknown; u is a background event.

    They begin before 1970, where microseconds are negative.
    """
    first = [("0", number - 5 * DAY, name) for number, name in enumerate("abcgu")]
    later = [
        (str(number), 6 * HOUR * at - 4 * DAY, name)
        for number, events in enumerate(customers, 1)
        for at, name in events
    ]
    frame = pd.DataFrame(first + later, columns=["customer_id", "occurred_at", "touchpoint"])
    frame["is_background"] = frame["touchpoint"] == "u"
    frame["channel"] = [["web", "mail", None][number % 3] for number in range(len(frame))]
    members = {"see": ["a", "b"], "buy": ["c", "g"]} if stages else None
    return jm.from_events(frame, goal="g", expiry=expiry, stages=members)


def assert_same(found: Any, expected: Any) -> None:
    """Equal columns, rows and values; integer columns may be of another width."""
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(expected), check_dtype=False)


def literal(value: object) -> str:
    """A SQL literal."""
    return "null" if value is None else repr(value)


STEPS = st.lists(st.sampled_from("abcgu"), min_size=1, max_size=4)
WINDOW = st.sampled_from([None, 0, 6 * HOUR, 2 * DAY])
UNIT = st.sampled_from(["customers", "journeys", "sessions"])


def ask_funnel(log: Any, steps: list[str], window: int | None, unit: str, rest: str = "") -> pd.DataFrame:
    """The macro's answer, with the segment where Python's has it; without one it must be empty."""
    call = f"from funnel({steps}, window_seconds := {literal(window)}, unit := '{unit}'{rest})"
    found = pd.DataFrame(log.sql(call))
    segment = found.pop("segment")
    if "breakdown" in rest:
        found.insert(0, "segment", segment)
    else:
        assert segment.isna().all()
    return found


@examples(5)
@given(LOG, EXPIRY, STEPS, WINDOW, UNIT)
def test_funnel(customers: Customers, expiry: str, steps: list[str], window: int | None, unit: str) -> None:
    """Counts, open units, rates and times of every step; a name may occur twice, or be a background event."""
    with open_log(customers, expiry) as log:
        assert_same(ask_funnel(log, steps, window, unit), log.funnel(steps, window=window, unit=unit))


@examples(9)
@given(
    LOG,
    EXPIRY,
    STEPS,
    WINDOW,
    UNIT,
    st.sampled_from(["ordered", "strict"]),
    st.lists(st.sampled_from("abcgu"), max_size=2, unique=True),
    st.sampled_from([None, "channel", "touchpoint"]),
)
def test_funnel_with_options(
    customers: Customers,
    expiry: str,
    steps: list[str],
    window: int | None,
    unit: str,
    order: str,
    excluded: list[str],
    breakdown: str | None,
) -> None:
    """Strict order, excluded touchpoints and counts by what the first step's event has."""
    excluded = [name for name in excluded if name not in steps]
    with open_log(customers, expiry) as log:
        rest = f", step_order := '{order}', excluded := {excluded}"
        rest += f", breakdown := '{breakdown}'" if breakdown else ""
        expected = log.funnel(steps, window=window, unit=unit, order=order, exclude=excluded, by=breakdown)
        assert_same(ask_funnel(log, steps, window, unit, rest), expected)


@examples(5)
@given(LOG, EXPIRY, st.sampled_from([["see", "buy"], ["buy"], ["buy", "see", "buy"]]))
def test_funnel_of_stages(customers: Customers, expiry: str, steps: list[str]) -> None:
    """Steps may name stages."""
    with open_log(customers, expiry, stages=True) as log:
        found = log.sql(f"from funnel({steps}, kind := 'stages', unit := 'journeys')").drop(columns="segment")
        expected = log.funnel([{"stage": name, "name": name} for name in steps], unit="journeys")
        assert_same(found, expected)


@examples(5)
@given(
    LOG,
    st.sampled_from(["hour", "day", "week", "month"]),
    st.sampled_from(["n_day", "unbounded"]),
    st.sampled_from([None, "a", "g", "u"]),
    st.sampled_from([None, "b", "g", "u"]),
    st.sampled_from([None, 1, 3]),
)
def test_retention(
    customers: Customers, every: str, kind: str, entry: str | None, back: str | None, shown: int | None
) -> None:
    """Cohorts, who is kept, rates and what is complete."""
    shown = shown if every == "hour" and shown else shown or (3 if every == "hour" else None)
    with open_log(customers) as log:
        call = (
            f"from retention(every := '{every}', kind := '{kind}', entry_touchpoint := {literal(entry)}, "
            f"return_touchpoint := {literal(back)}, intervals := {literal(shown)})"
        )
        expected = log.retention(every, kind, entry=entry, returning=back, intervals=shown)
        assert_same(log.sql(call), expected.drop(columns="last_interval"))


def walk_journeys(log: Any) -> dict[int, list[tuple[str, bool]]]:
    """The (touchpoint, is_goal) of each journey's steps."""
    rows = log.sql(
        "select journey_id, touchpoint, is_goal from journey_steps order by journey_id, step_number"
    )
    listed = rows.itertuples(index=False, name=None)
    return {
        key: [(name, goal) for _, name, goal in found] for key, found in groupby(listed, lambda row: row[0])
    }


def places(steps: list[tuple[str, bool]], name: str, occurrence: str) -> list[int]:
    """Indexes of the steps at a touchpoint that count."""
    found = [index for index, step in enumerate(steps) if step[0] == name]
    return found if occurrence == "all" else found[:1] if occurrence == "first" else found[-1:]


@examples(5)
@given(LOG, EXPIRY, st.sampled_from(NAMES), st.integers(1, 4), OCCURRENCE)
def test_paths(customers: Customers, expiry: str, name: str, n: int, occurrence: str) -> None:
    """Paths after and before a touchpoint equal a walk over every journey's steps, borders included."""
    with open_log(customers, expiry) as log:
        after, before = Counter[str](), Counter[str]()
        for steps in walk_journeys(log).values():
            names = [step for step, _ in steps]
            for place in places(steps, name, occurrence):
                after[" -> ".join([*names, "__end__"][place + 1 : place + 1 + n])] += 1
                before[" -> ".join(["__start__", *names][max(0, place + 1 - n) : place + 1])] += 1
        for found, expected in (
            (log.paths_after(name, n, occurrence), after),
            (log.paths_before(name, n, occurrence), before),
        ):
            assert dict(zip(found["path"], found["occurrence_count"], strict=True)) == expected
            assert found["share"].sum() == pytest.approx(1)


@examples(5)
@given(LOG, EXPIRY, st.sampled_from(NAMES), OCCURRENCE)
def test_a_path_of_one_step_is_the_next_step(
    customers: Customers, expiry: str, name: str, occurrence: str
) -> None:
    """`paths_after(…, 1)` and `paths_before(…, 1)` are `next_steps` and `previous_steps` of journeys."""
    columns = ["touchpoint", "occurrence_count", "unit_count", "share", "share_low", "share_high"]
    renamed = {"path": "touchpoint", "journey_count": "unit_count"}
    with open_log(customers, expiry) as log:
        found = log.paths_after(name, 1, occurrence).rename(columns=renamed)[columns]
        assert_same(found, log.next_steps(name, unit="journeys", occurrence=occurrence))
        found = log.paths_before(name, 1, occurrence).rename(columns=renamed)[columns]
        assert_same(found, log.previous_steps(name, unit="journeys", occurrence=occurrence))


@examples(5)
@given(LOG, st.sampled_from(NAMES))
def test_conversion_after_a_path(customers: Customers, name: str) -> None:
    """Converted are matured journeys that reach the goal after the touchpoint."""
    with open_log(customers, "1 day") as log:
        found = log.paths_after(name, 2)
        states = log.journeys().set_index("journey_id")["state"]
        matured = converted = 0
        for key, steps in walk_journeys(log).items():
            for place in places(steps, name, "first"):
                goals = [index for index, (_, is_goal) in enumerate(steps) if is_goal]
                matured += states[key] != "open"
                converted += states[key] != "open" and bool(goals) and goals[-1] > place
        assert (found["matured_count"].sum(), found["converted_count"].sum()) == (matured, converted)


@examples(5)
@given(
    LOG,
    st.sampled_from(
        [("entry_touchpoint", "a", "b"), ("touchpoint", "c", None), ("state", "converted", "open")]
    ),
)
def test_compare(customers: Customers, groups: tuple[str, str, str | None]) -> None:
    """Counts by group equal plain counting, differences those of the statistics; who is in both groups is in none."""
    trait, first, second = groups
    with open_log(customers, "1 day") as log:
        found = log.sql(f"from compare('{trait}', '{first}', {literal(second)}) where kind = 'touchpoint'")
        table = "events" if trait == "touchpoint" else "journeys"
        values: dict[str, set[str]] = {}
        for customer, value in log.sql(f"select customer_id, {trait} from {table}").itertuples(index=False):
            values.setdefault(customer, set()).add(value)
        is_in = {
            customer: (first in own, first not in own if second is None else second in own)
            for customer, own in values.items()
        }
        members = [
            {c for c, (a, b) in is_in.items() if (a, b) == pair} for pair in ((True, False), (False, True))
        ]
        met: dict[str, set[str]] = {}
        for customer, name in log.sql("select customer_id, touchpoint from journey_steps").itertuples(
            index=False
        ):
            met.setdefault(name, set()).add(customer)
        expected = {
            name: (len(who & members[0]), len(members[0]), len(who & members[1]), len(members[1]))
            for name, who in met.items()
            if who & (members[0] | members[1])
        }
        columns = ["shown_a", "n_a", "shown_b", "n_b"]
        assert (
            dict(zip(found["feature"], found[columns].itertuples(index=False, name=None), strict=True))
            == expected
        )
        for row in found[(found["n_a"] > 0) & (found["n_b"] > 0)].itertuples():
            difference = newcombe_difference(row.shown_a, row.n_a, row.shown_b, row.n_b)
            shown = (row.difference, row.low, row.high)
            assert shown == pytest.approx((difference.value, difference.low, difference.high), abs=1e-9)


def test_a_journey_is_its_steps() -> None:
    """In order, with the seconds since its start; an unknown id is an error."""
    with open_log([[(0, "a"), (1, "c"), (2, "g")]]) as log:
        key = log.sql("select journey_id from journeys where customer_id = '1'")["journey_id"].item()
        found = log.journey(key)
        assert found["touchpoint"].tolist() == ["a", "c", "g"]
        assert found["since_seconds"].tolist() == [0, 6 * HOUR, 12 * HOUR]
        assert set(found["state"]) == {"converted"}
        with pytest.raises(QueryError, match="No journey has the id nobody"):
            log.journey("nobody")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("from funnel([])", "steps: give at least one"),
        ("from funnel(['a', 'bee'])", "No event has the touchpoint 'bee'. Nearest: b"),
        ("from funnel(['sea'], kind := 'stages')", "There is no stage 'sea'. There are: see, buy"),
        ("from funnel(['a'], unit := 'events')", "unit: give customers, journeys or sessions"),
        ("from funnel(['a'], step_order := 'any')", "step_order: give ordered or strict"),
        ("from funnel(['a'], breakdown := 'colour')", "breakdown: give a column"),
        ("from funnel(['a', 'b'], excluded := ['a'])", "excluded: a step cannot be excluded at once"),
        ("from funnel(['a'], excluded := ['bee'])", "No event has the touchpoint 'bee'"),
        ("from paths_after('a', 0)", "n: give 1 or more"),
        ("from paths_before('a', 1, occurrence := 'any')", "occurrence: give first, last or all"),
        ("from retention(every := 'year')", "every: give hour, day, week or month"),
        ("from compare('colour', 'red', 'blue')", "trait: give a column"),
    ],
)
def test_a_wrong_argument_says_what_would_be_right(call: str, message: str) -> None:
    """A macro that cannot answer says so, in any client, in the place of an empty table."""
    with open_log([[(0, "a"), (1, "b"), (2, "g")]], stages=True) as log, pytest.raises(QueryError) as raised:
        log.sql(call)
    assert message in str(raised.value)
