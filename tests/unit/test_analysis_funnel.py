"""Funnels: what each option means, on logs small enough to count by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.errors import QueryError


def log(*customers: str, **options: Any) -> Any:
    """A snapshot with one customer a text: a letter an event, one a second."""
    rows = [
        (number, second, name)
        for number, events in enumerate(customers)
        for second, name in enumerate(events)
        if name != " "
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint"])
    return jm.from_events(frame, goal=None, **options)


def entered(found: pd.DataFrame) -> list[int]:
    """Units at each step."""
    return [int(count) for count in found["entered"]]


def test_rows_add_up_and_rates_count_matured_units_only() -> None:
    """entered = converted + dropped_off + open; the rate leaves out the units whose window has not passed."""
    found = log("ab", "a", "         a").funnel(["a", "b"], window=5)
    first = found.iloc[0]
    assert first[["entered", "converted", "dropped_off", "open"]].tolist() == [3, 1, 1, 1]
    assert first["conversion_rate"] == 0.5
    assert first["conversion_rate_low"] == pytest.approx(0.0945, abs=1e-4)
    assert first["conversion_rate_high"] == pytest.approx(0.9055, abs=1e-4)
    assert pd.isna(found["conversion_rate"].iloc[-1])


def test_the_seconds_run_from_a_step_to_the_next() -> None:
    """Exact median and quantiles over the units that went on."""
    found = log("ab", "a  b", "a").funnel(["a", "b"])
    assert found.loc[0, ["mean_seconds", "median_seconds", "p75_seconds", "p90_seconds"]].tolist() == [
        2,
        2,
        2.5,
        2.8,
    ]


def test_levels_name_every_unit_and_its_times() -> None:
    """Level 0 stands for a unit that never took the first step."""
    levels = log("ab", "b").funnel(["a", "b"]).levels
    assert levels["level"].tolist() == [2, 0]
    assert levels["step_2_at"].tolist() == [pd.Timestamp("1970-01-01 00:00:01"), pd.NaT]
    assert log("ab", "b").funnel_levels(["a", "b"])["level"].tolist() == [2, 0]


def test_the_query_stands_alone() -> None:
    """The SQL of an answer gives the answer again."""
    snapshot = log("abc", "ac", "cab")
    for options in (
        {},
        {"order": "any"},
        {"order": "strict"},
        {"unit": "sessions"},
        {"by": "touchpoint"},
        {"window": 1},
    ):
        found = snapshot.funnel(["a", "b", "c"], **options)
        pd.testing.assert_frame_equal(pd.DataFrame(snapshot.sql(found.sql)), pd.DataFrame(found))


@pytest.mark.parametrize(
    ("events", "steps", "options", "expected"),
    [
        ("axb", "ab", {"order": "strict"}, [1, 0]),
        ("aab", "ab", {"order": "strict"}, [1, 1]),
        ("abbc", "abc", {"order": "strict"}, [1, 1, 1]),
        ("abbc", "abc", {"order": "strict", "strict_deduplication": True}, [1, 1, 0]),
        ("abcbd", "abcd", {"strict_deduplication": True}, [1, 1, 1, 0]),
        ("ba", "ab", {"order": "any"}, [1, 1]),
        ("a", "aa", {"order": "any"}, [1, 0]),
        ("a", "aa", {"strict_once": False}, [1, 1]),
        ("a    b", "ab", {"window": 5}, [1, 1]),
        ("a    b", "ab", {"window": 4}, [1, 0]),
        ("a   ab", "ab", {"window": 4}, [1, 1]),
        ("axb", "ab", {"exclude": ["x"]}, [0, 0]),
        ("axab", "ab", {"exclude": "x"}, [1, 1]),
        ("axa", "ab", {"exclude": "x"}, [1, 0]),
        ("a          xaxb", "ab", {"exclude": "x", "window": 10}, [0, 0]),
        ("a", "a", {"exclude": "x"}, [1]),
        ("ax", "a", {"exclude": "x"}, [1]),
        ("axab", "ab", {"order": "strict", "unit": "attempts"}, [2, 1]),
        ("ababc", "abc", {"order": "strict", "reentry": True}, [2, 2, 1]),
        ("aab", "ab", {"strict_deduplication": True, "unit": "attempts"}, [2, 1]),
        ("abx", "ab", {"exclude": ["x"]}, [1, 1]),
        ("abxc", "abc", {"exclude": [{"touchpoint": "x", "from_step": 1, "to_step": 2}]}, [1, 1, 1]),
        ("ac", "abc", {"optional": [2]}, [1, 0, 1]),
        ("abc", "abc", {"optional": ["b"]}, [1, 1, 1]),
        ("ababa", "ab", {"unit": "attempts"}, [3, 2]),
        ("ababa", "ab", {"reentry": True}, [3, 2]),
    ],
)  # fmt: skip
def test_options(events: str, steps: str, options: dict[str, Any], expected: list[int]) -> None:
    """One customer, one option at a time."""
    snapshot = log(events, touchpoints=["a", "b", "c", "d", "x"])
    assert entered(snapshot.funnel(list(steps), **options)) == expected


def test_equal_times_are_no_later_time() -> None:
    """strict_increase refuses a step of the same moment."""
    rows = pd.DataFrame({"customer_id": [1, 1], "occurred_at": [0, 0], "touchpoint": ["a", "b"]})
    snapshot = jm.from_events(rows)
    assert entered(snapshot.funnel(["a", "b"])) == [1, 1]
    assert entered(snapshot.funnel(["a", "b"], strict_increase=True)) == [1, 0]
    assert entered(snapshot.funnel(["a", "b"], window=0)) == [1, 1]


def test_steps_hold_a_value() -> None:
    """The same order in all steps; an event without one never matches."""
    rows = [
        (1, 0, "cart", "o1"),
        (1, 1, "pay", "o2"),
        (2, 0, "cart", "o3"),
        (2, 1, "pay", "o3"),
        (3, 0, "cart", None),
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "order"])
    assert entered(jm.from_events(frame).funnel(["cart", "pay"], hold="order")) == [2, 1]


def test_attempts_of_each_held_value_follow_one_another() -> None:
    """A cart that was never paid does not hold up the next one."""
    rows = [(1, 0, "cart", "o1"), (1, 1, "cart", "o2"), (1, 2, "pay", "o2")]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "order"])
    assert entered(jm.from_events(frame).funnel(["cart", "pay"], hold="order", unit="attempts")) == [2, 1]


def log_with_devices() -> Any:
    """Three customers who sign up, two of whom pay, on devices that are not always known."""
    rows = [
        (1, 0, "sign up", "phone", None),
        (1, 1, "pay", None, None),
        (2, 0, "sign up", None, None),
        (2, 1, "pay", "laptop", "os2"),
        (3, 0, "sign up", "tablet", "os1"),
    ]
    columns = ["customer_id", "occurred_at", "touchpoint", "device", "version"]
    return jm.from_events(pd.DataFrame(rows, columns=columns))


@pytest.mark.parametrize("step", [2, "pay"])
def test_segments_of_a_step_leave_out_who_never_reached_it(step: int | str) -> None:
    """Each payer counts by the device of the payment, also where that is unknown."""
    found = log_with_devices().funnel(["sign up", "pay"], by="device", by_at=step)
    counted = zip(found["segment"], found["step_number"], found["entered"], strict=True)
    assert {(None if pd.isna(name) else name, number): count for name, number, count in counted} == {
        ("laptop", 1): 1, ("laptop", 2): 1, (None, 1): 1, (None, 2): 1,
    }  # fmt: skip
    assert found["share_of_all"].tolist() == [1, 1, 1, 1]
    assert entered(log_with_devices().funnel(["sign up", "pay"], by_at=step)) == [
        3,
        2,
    ]  # no segments, nobody left out


def test_several_columns_are_known_when_one_of_them_is() -> None:
    """The first event with any of the values decides; without one the segment names none."""
    found = log_with_devices().funnel(["sign up", "pay"], by=["device", "version"], by_at="first")
    assert set(found["segment"]) == {"phone / (none)", "laptop / os2", "tablet / os1"}
    unknown = log_with_devices().funnel(["sign up"], by=["version", "device"], by_at="last")
    assert set(unknown["segment"]) == {"(none) / phone", "(none) / (none)", "os1 / tablet"}


@pytest.mark.parametrize(
    ("step", "message"), [(3, "no step 3"), (0, "no step 0"), ("pya", "by_at: unknown 'pya'")]
)
def test_a_segment_of_no_step_is_refused(step: Any, message: str) -> None:
    """A step that the funnel does not have is an error that names the others."""
    with pytest.raises(QueryError, match=message):
        log_with_devices().funnel(["sign up", "pay"], by="device", by_at=step)


def test_units_other_than_customers() -> None:
    """Sessions end where customers go on; journeys end with their expiry."""
    snapshot = log("a  b", inactivity=1, expiry=2)
    assert entered(snapshot.funnel(["a", "b"])) == [1, 1]
    assert entered(snapshot.funnel(["a", "b"], unit="sessions")) == [1, 0]
    assert entered(snapshot.funnel(["a", "b"], unit="journeys")) == [1, 0]


def test_a_breakdown_divides_the_units() -> None:
    """Each unit counts in the segment of its first step; a predicate makes two segments."""
    rows = [(1, 0, "a", "x"), (1, 1, "b", "y"), (2, 0, "a", "y"), (3, 0, "b", None)]
    snapshot = jm.from_events(
        pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "segment"])
    )
    found = snapshot.funnel(["a", "b"], by="segment")
    assert found[["segment", "step", "entered"]].values.tolist() == [
        ["x", "a", 1], ["x", "b", 1], ["y", "a", 1], ["y", "b", 0],
    ]  # fmt: skip
    assert snapshot.funnel(["a"], by={"where": "segment = 'x'"})["entered"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("by_at", "order", "expected"),
    [
        ("entry", "ordered", {None: [1, 1], "y": [1, 1], "z": [1, 0]}),
        ("first", "ordered", {"x": [1, 1], "y": [1, 1], "z": [1, 0]}),
        ("last", "ordered", {"w": [1, 1], "x": [1, 1], "z": [1, 0]}),
        ("first", "any", {"x": [1, 1], "y": [1, 1], "z": [1, 0]}),
    ],
)
def test_the_value_of_a_breakdown_may_be_the_first_or_last_known_one(
    by_at: str, order: str, expected: dict[Any, list[int]]
) -> None:
    """Of the unit's events of any step; what stands on other events does not count, nor what is missing."""
    rows = [
        (1, 0, "a", None),
        (1, 1, "b", "x"),
        (2, 0, "c", "q"),
        (2, 1, "a", "y"),
        (2, 2, "b", "w"),
        (3, 0, "a", "z"),
    ]
    snapshot = jm.from_events(
        pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "segment"]), goal=None
    )
    found = snapshot.funnel(["a", "b"], by="segment", by_at=by_at, order=order)
    segments = {
        None if pd.isna(one) else one: part["entered"].tolist()
        for one, part in found.groupby("segment", dropna=False)
    }
    assert segments == expected
    assert found[found["step"] == "a"]["step_conversion_rate"].tolist() == [1, 1, 1]


def test_a_breakdown_may_be_by_several_columns() -> None:
    """Each combination of their values is a segment; a missing one is named."""
    rows = [(1, 0, "a", "x", "p"), (2, 0, "a", "x", None), (3, 0, "a", "x", "p"), (3, 1, "b", "y", "p")]
    snapshot = jm.from_events(
        pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "one", "two"]), goal=None
    )
    found = snapshot.funnel(["a", "b"], by=["one", "two"])
    assert found[["segment", "step", "entered"]].values.tolist() == [
        ["x / (none)", "a", 1], ["x / (none)", "b", 0], ["x / p", "a", 2], ["x / p", "b", 1],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "asked"),
    [("step 1", "step 2"), ("event1", "event12"), ("page_a", "page_b"), ("step-9", "step-10")],
)
def test_the_next_name_of_a_series_is_not_misspelt(known: str, asked: str) -> None:
    """A step that nobody reached may be named like those that somebody did: it counts 0, with a warning."""
    snapshot = jm.from_events([{"customer_id": 1, "occurred_at": 1, "touchpoint": known}], goal=None)
    with pytest.warns(UserWarning, match=f"No event has the touchpoint '{asked}'"):
        assert entered(snapshot.funnel([known, asked])) == [1, 0]


@pytest.mark.parametrize(
    ("steps", "options", "message"),
    [
        (["a"], {"by": "touchpoint", "by_at": "middle"}, "by_at: unknown 'middle'"),
        ([], {}, "at least one step"),
        (["catalgo"], {}, "did you mean 'catalog'"),
        ([7], {}, "no step"),
        ([{"touch": "a"}], {}, "no step"),
        ([{"touchpoint": "cart", "whre": "1"}], {}, "no 'whre'"),
        ([{"where": "chanel = 'x'"}], {}, "no column 'chanel'"),
        ([{"where": "touchpoint in (select 1)"}], {}, "may not use SUBQUERY"),
        ([{"where": "sleep(1)"}], {}, "may not use"),
        ([{"where": "touchpoint ="}], {}, "no SQL predicate"),
        ([{"where": "1 + 1"}], {}, "not true or false"),
        (["cart"], {"order": "loose"}, "ordered, strict, any"),
        (["cart"], {"unit": "users"}, "customers, journeys"),
        (["cart"], {"by": "chanel"}, "no column"),
        (["cart", "catalog"], {"optional": [1]}, "first step"),
        (["cart", "catalog"], {"optional": [3]}, "no step 3"),
        (["cart", "catalog"], {"exclude": ["cart"]}, "excluded at once"),
        (["cart", "catalog"], {"exclude": [{"touchpoint": "help", "from_step": 2, "to_step": 1}]}, "must come after"),
        (["cart", "catalog"], {"order": "any", "strict_increase": True}, "no meaning"),
        (["cart"] * 9, {"order": "any"}, "too many"),
    ],
)  # fmt: skip
def test_what_is_no_funnel_says_why(steps: list[Any], options: dict[str, Any], message: str) -> None:
    """An error names what was found, what is expected, and the nearest name."""
    rows = [(1, number, name) for number, name in enumerate(["catalog", "cart", "help"])]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint"])
    with pytest.raises(QueryError, match=message):
        jm.from_events(frame).funnel(steps, **options)


def test_a_touchpoint_that_nobody_had_is_told() -> None:
    """A name like no other is answered with nobody and a warning; a declared one without."""
    with pytest.warns(UserWarning, match="'refund'"):
        assert entered(log("a").funnel(["a", "refund"])) == [1, 0]
    assert entered(log("a", touchpoints=["refund"]).funnel(["a", "refund"])) == [1, 0]


def test_names_may_carry_quotes() -> None:
    """A name is data, whatever it looks like."""
    frame = pd.DataFrame({"customer_id": [1], "occurred_at": [0], "touchpoint": ['it\'s "it"; --']})
    assert entered(jm.from_events(frame).funnel(['it\'s "it"; --'])) == [1]


def test_times_to_convert() -> None:
    """A histogram over the units that reached the later step."""
    found = log("ab", "a b", "a    b").time_to_convert(["a", "b"], bins=2)
    assert found[["from_seconds", "unit_count"]].values.tolist() == [[1, 2], [3, 0], [5, 1]]
    assert found.units["seconds"].tolist() == [1, 2, 5]
    assert found.attrs["mean_seconds"] == pytest.approx(8 / 3)
    with pytest.raises(QueryError, match="no way"):
        log("ab").time_to_convert(["a", "b"], 2, 1)


def test_the_picture_shows_the_answer() -> None:
    """A trace a segment, a bar a step."""
    (trace,) = log("ab", "a").funnel(["a", "b"]).figure().data
    assert list(trace.x) == [2, 1]
    with pytest.raises(QueryError, match="no picture"):
        log("ab").sql("select 1").figure()
