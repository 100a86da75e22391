"""Retention's options, on logs small enough to count by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.errors import QueryError

COLUMNS = ["customer_id", "occurred_at", "touchpoint", "channel"]


def log(*rows: tuple[Any, ...]) -> Any:
    """A snapshot of (customer, time), where they matter with a touchpoint and a channel."""
    full = [(*row, *("visit", "web")[len(row) - 2 :]) for row in rows]
    return jm.from_events(pd.DataFrame(full, columns=COLUMNS), goal=None)


def table(found: pd.DataFrame, shown: str = "%m-%d") -> dict[str, list[int]]:
    """Customers retained by cohort, interval by interval."""
    return {f"{begin:{shown}}": part["retained"].tolist() for begin, part in found.groupby("cohort_at")}


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("day", {"1969-12-28 00": 1, "1969-12-29 00": 1, "1969-12-31 00": 1, "1970-01-01 00": 1}),
        ("week", {"1969-12-22 00": 1, "1969-12-29 00": 3}),
        ("month", {"1969-12-01 00": 3, "1970-01-01 00": 1}),
    ],
)
def test_moments_before_1970_are_in_intervals_of_their_own(unit: str, expected: dict[str, int]) -> None:
    """An interval is as long on either side; 1970 began on a Thursday."""
    snapshot = log(
        ("a", "1969-12-28 23:59:59.999999"), ("b", "1969-12-29"), ("c", "1969-12-31 23:00"), ("d", "1970-01-01 01:00")
    )  # fmt: skip
    found = snapshot.retention(unit)
    sizes = found[found["interval_number"] == 0].set_index("cohort_at")["cohort_size"]
    assert {f"{begin:%Y-%m-%d %H}": size for begin, size in sizes[sizes > 0].items()} == expected


def test_hours_before_1970() -> None:
    """The hour before midnight is one before the hour after."""
    found = log(("a", "1969-12-31 23:30"), ("a", "1970-01-01 00:30")).retention("hour")
    assert table(found, "%Y %H") == {"1969 23": [1, 1], "1970 00": [0, 0]}


NIGHTS = (("ann", "2026-03-02 23:00"), ("ann", "2026-03-03 22:00"), ("bob", "2026-03-02 01:00"), ("bob", "2026-03-03 01:00"))  # fmt: skip


def test_rolling_windows_count_from_the_customers_entry() -> None:
    """The next evening is within 24 hours of the first; 24 hours to the microsecond are the next window."""
    assert table(log(*NIGHTS).retention("day")) == {"03-02": [2, 2], "03-03": [0, 0]}
    assert table(log(*NIGHTS).retention("day", windows="rolling")) == {"03-02": [2, 1], "03-03": [0, 0]}
    units = log(*NIGHTS).retention("day", windows="rolling").units
    assert units[["customer_id", "interval_number"]].to_numpy().tolist() == [
        ["ann", 0],
        ["bob", 0],
        ["bob", 1],
    ]


def test_a_rolling_week_is_seven_days() -> None:
    """From Wednesday noon to Wednesday noon, whichever calendar weeks that touches."""
    rows = [("ann", "2026-03-04 12:00"), ("ann", "2026-03-11 11:59:59.999999"), ("bob", "2026-03-04 12:00"), ("bob", "2026-03-11 12:00")]  # fmt: skip
    assert table(log(*rows).retention("week", windows="rolling")) == {"03-02": [2, 1], "03-09": [0, 0]}


def test_rolling_windows_begin_with_the_entry_and_not_before() -> None:
    """What came earlier that day is no return, and of returns before and after the entry the later count."""
    rows = [("ann", "2026-03-01 08:00", "look"), ("ann", "2026-03-02 08:00", "look"), ("ann", "2026-03-02 09:00", "join"), ("ann", "2026-03-03 08:00", "look"), ("ann", "2026-03-04 08:59", "look")]  # fmt: skip
    found = log(*rows).retention("day", windows="rolling", entry="join", returning="look", minimum=2)
    assert found["retained"].tolist()[:3] == [1, 0, 0]
    found = log(*rows).retention("day", windows="rolling", entry="join", returning="look")
    assert found["retained"].tolist()[:3] == [1, 1, 0]
    assert found.units["interval_number"].tolist() == [0, 1]


def test_rolling_and_recurring_is_the_first_entry_from_the_start_on() -> None:
    """Who came before the start is no newcomer, but enters again; nobody enters twice."""
    snapshot = log(("ann", "2026-03-01 10:00"), ("ann", "2026-03-02 20:00"), ("ann", "2026-03-03 10:00"), ("bob", "2026-03-03 10:00"))  # fmt: skip
    asked: dict[str, Any] = {"unit": "day", "windows": "rolling", "start": "2026-03-02", "intervals": 2}
    assert table(snapshot.retention(cohort="recurring", **asked)) == {"03-02": [1, 0], "03-03": [1, 0]}
    assert table(snapshot.retention(cohort="first", **asked)) == {"03-02": [0, 0], "03-03": [1, 0]}


def test_a_rolling_interval_is_complete_when_it_has_ended_for_the_last_who_entered() -> None:
    """Somebody may enter until midnight; that customer's first day ends a day later."""
    snapshot = log(("ann", "2026-03-02 01:00"), ("bob", "2026-03-04"))
    assert snapshot.retention("day")["is_complete"].tolist()[:3] == [True, True, False]
    assert snapshot.retention("day", windows="rolling")["is_complete"].tolist()[:3] == [True, False, False]


VISITS = (
    ("ann", "2026-03-02"), ("ann", "2026-03-03 08:00"), ("ann", "2026-03-03 09:00"), ("ann", "2026-03-04"),
    ("bob", "2026-03-02"), ("bob", "2026-03-04 08:00"), ("bob", "2026-03-04 09:00"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"minimum": 2}, [2, 1, 1]),
        ({"minimum": 3}, [2, 0, 0]),
        ({"minimum": 2, "kind": "unbounded"}, [2, 2, 1]),
        ({"minimum": 3, "kind": "bracket", "brackets": [(0, 0), (1, 2)]}, [2, 0]),
        ({"minimum": 2, "windows": "rolling"}, [2, 1, 1]),
        ({"minimum": 2, "cohort": "recurring"}, [2, 1, 1]),
    ],
)
def test_a_minimum_of_returning_events(options: dict[str, Any], expected: list[int]) -> None:
    """In one interval, also where intervals are taken together: ann's three in a bracket are too few; one is an entry."""
    assert table(log(*VISITS).retention("day", **options))["03-02"] == expected


def test_a_minimum_counts_returning_events_alone() -> None:
    """One order and two looks are one order."""
    rows = [("ann", "2026-03-02", "look"), ("ann", "2026-03-03 08:00", "order"), ("ann", "2026-03-03 09:00", "look"), ("ann", "2026-03-03 10:00", "look")]  # fmt: skip
    assert log(*rows).retention("day", returning="order", minimum=2)["retained"].tolist()[:2] == [1, 0]


CHANNELS = (
    ("ann", "2026-03-02 09:00", "visit", "web"), ("ann", "2026-03-02 08:00", "look", "shop"),
    ("ann", "2026-03-03 08:00", "visit", "mail"), ("ann", "2026-03-03 09:00", "visit", "web"),
    ("bob", "2026-03-02 08:00", "visit", None), ("bob", "2026-03-02 09:00", "visit", "web"), ("bob", "2026-03-04", "visit", "web"),
)  # fmt: skip


def cohorts(found: pd.DataFrame) -> dict[Any, dict[str, list[int]]]:
    """The tables of the segments."""
    return {segment: table(part) for segment, part in found.groupby("segment", dropna=False, sort=False)}


@pytest.mark.parametrize(("windows", "bobs"), [("calendar", [1, 0, 1]), ("rolling", [1, 1, 0])])
def test_a_breakdown_is_by_the_first_entry(windows: str, bobs: list[int]) -> None:
    """Its value then, missing or not, whatever the customer did before or does later."""
    found = log(*CHANNELS).retention("day", entry="visit", by="channel", windows=windows)
    assert found.columns[0] == "segment"
    web, none = cohorts(found).items()
    nobody = {"03-03": [0, 0, 0], "03-04": [0, 0, 0]}
    assert web == ("web", {"03-02": [1, 1, 0], **nobody})
    assert pd.isna(none[0])
    assert none[1] == {"03-02": bobs, **nobody}


def test_a_breakdown_of_each_cohort() -> None:
    """Where a customer enters again, the first entry in that interval decides."""
    found = log(*CHANNELS).retention("day", cohort="recurring", entry="visit", by="channel")
    sizes = found[found["interval_number"] == 0].set_index(["segment", "cohort_at"])["cohort_size"]
    sizes = sizes[sizes > 0]
    assert [(str(segment), f"{day:%d}", size) for (segment, day), size in sizes.items()] == [
        ("mail", "03", 1), ("web", "02", 1), ("web", "04", 1), ("nan", "02", 1),
    ]  # fmt: skip


def test_breakdowns_by_a_predicate_and_by_several_columns() -> None:
    """As a funnel's: true or false, and texts."""
    snapshot = log(*CHANNELS)
    found = snapshot.retention("day", entry="visit", by={"where": "channel = 'web'"}, intervals=1)
    assert found[["segment", "cohort_size"]].to_numpy().tolist() == [[False, 1], [True, 1]]
    found = snapshot.retention("day", entry="visit", by=["channel", "touchpoint"], intervals=1)
    assert found["segment"].tolist() == ["(none) / visit", "web / visit"]
    assert found.units["segment"].unique().tolist() == ["web / visit", "(none) / visit"]
    (heat,) = snapshot.retention("day", entry="visit", by="channel", intervals=1).figure().data
    assert heat.y == ("web, 2026-03-02 00:00", "(none), 2026-03-02 00:00")
    assert heat.z.tolist() == [[1], [1]]


def test_the_calendar_of_a_zone() -> None:
    """A day begins at 23:00 UTC in winter; times without a zone in `start` are local, and so are the answer's."""
    snapshot = log(("ann", "2026-03-02 22:59"), ("ann", "2026-03-02 23:00"), ("bob", "2026-03-03 12:00"))
    assert table(snapshot.retention("day")) == {"03-02": [1, 0], "03-03": [1, 0]}
    berlin = {"unit": "day", "timezone": "Europe/Berlin"}
    assert table(snapshot.retention(**berlin)) == {"03-02": [1, 1], "03-03": [1, 0]}
    for start in ("2026-03-03", "2026-03-02T23:00+00:00"):
        assert table(snapshot.retention(**berlin, start=start)) == {"03-03": [1]}


def test_a_day_of_twenty_five_hours() -> None:
    """In the night of 25 October 2026 the clock of Berlin shows 2 o'clock twice: that is one hour, and complete at 3."""
    rows = [("ann", "2026-10-24 23:30"), ("ann", "2026-10-25 00:30"), ("ann", "2026-10-25 01:30")]
    found = log(*rows).retention("hour", timezone="Europe/Berlin")
    assert table(found, "%d %H") == {"25 01": [1, 1], "25 02": [0, 0]}
    assert found["is_complete"].tolist() == [True, False, False, False]
    found = log(*rows, ("ann", "2026-10-25 22:59"), ("ann", "2026-10-25 23:00")).retention(
        "day", timezone="Europe/Berlin"
    )
    assert table(found) == {"10-25": [1, 1], "10-26": [0, 0]}


def test_weeks_begin_on_monday_or_sunday() -> None:
    """1 March 2026 is a Sunday."""
    snapshot = log(("ann", "2026-02-28 23:59"), ("ann", "2026-03-01"), ("ann", "2026-03-02"))
    assert table(snapshot.retention("week")) == {"02-23": [1, 1], "03-02": [0, 0]}
    assert table(snapshot.retention("week", week_starts="sunday")) == {"02-22": [1, 1], "03-01": [0, 0]}
    found = snapshot.retention(
        "week", week_starts="sunday", start="2026-03-03", cohort="recurring", intervals=1
    )
    assert table(found) == {"03-01": [1]}


def test_brackets_may_begin_alike() -> None:
    """Each has its own customers, and `units` tells them apart."""
    found = log(*VISITS).retention("day", "bracket", brackets=[(1, 1), (1, 2)], intervals=1)
    assert found[["interval_number", "last_interval", "retained"]].to_numpy().tolist() == [
        [1, 1, 1],
        [1, 2, 2],
    ]
    assert found.units[["customer_id", "last_interval"]].to_numpy().tolist() == [["ann", 1], ["ann", 2], ["bob", 2]]  # fmt: skip


@pytest.mark.parametrize("brackets", [[(1,)], [4, 10], [(4, 1)], [(-1, 2)], [(1.5, 2)], [(1, 2, 3)], 7, "14"])
def test_what_is_no_bracket_says_why(brackets: Any) -> None:
    """The two ends, in order, are whole numbers."""
    with pytest.raises(QueryError, match=r"brackets: each(.|\n)*fix: +brackets=\[\(1, 3\)"):
        log(*VISITS).retention("day", "bracket", brackets=brackets)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timezone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"timezone": "here"}, "there is no zone 'here'"),
        ({"timezone": 1}, "timezone: Input should be a valid string"),
        ({"week_starts": "friday"}, "monday, sunday"),
        ({"windows": "24 hours"}, "calendar, rolling"),
        ({"windows": "rolling", "unit": "month"}, "no months"),
        ({"minimum": 0}, "minimum: at least one"),
        ({"minimum": "many"}, "minimum: Input should be a valid integer"),
        ({"by": "chanel"}, "did you mean 'channel'"),
        ({"by": []}, "no column is named"),
    ],
)
def test_what_is_no_option_says_why(options: dict[str, Any], message: str) -> None:
    """An error names the option, and what is near."""
    with pytest.raises(QueryError, match=message):
        log(*VISITS).retention(**options)
