"""The retention's SQL equals a slow count over every customer, cohort and interval, with every option."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import journey_mining as jm
from depth import examples

BASES = [
    datetime(1969, 12, 20, tzinfo=UTC),
    datetime(2026, 3, 22, tzinfo=UTC),
    datetime(2026, 10, 18, tzinfo=UTC),
]
"""Before 1970, and around both nights in which clocks of Europe change."""
LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True)
class Event:
    """An event of one customer."""

    at: datetime
    name: str
    channel: str | None


@dataclass(frozen=True)
class Asked:
    """The options of a question."""

    unit: str
    kind: str
    cohort: str
    windows: str
    entry: str | None
    returning: str | None
    minimum: int
    timezone: str
    week_starts: str
    intervals: int
    start: datetime
    by: str | None
    brackets: tuple[tuple[int, int], ...] | None

    def number(self, at: datetime) -> int:
        """The interval of the calendar that a moment is in."""
        local = at.astimezone(ZoneInfo(self.timezone))
        if self.unit == "month":
            return local.year * 12 + local.month
        days = local.toordinal()
        if self.unit == "week":
            return (days + (self.week_starts == "sunday") - 1) // 7
        return days if self.unit == "day" else days * 24 + local.hour

    def spans(self) -> list[tuple[int, int]]:
        """First and last interval of each column of the answer."""
        return list(self.brackets or ((number, number) for number in range(self.intervals)))


def belongs(asked: Asked, events: list[Event]) -> list[tuple[int, Event]]:
    """The cohorts of a customer, with the event that put the customer there."""
    entries = [event for event in events if asked.entry in (None, event.name)]
    first = asked.number(asked.start)
    if asked.windows == "rolling" and asked.cohort == "recurring":
        entries = [event for event in entries if asked.number(event.at) >= first]
    if asked.windows == "rolling" or asked.cohort == "first":
        entries = entries[:1]
    found: dict[int, Event] = {}
    for event in entries:
        found.setdefault(asked.number(event.at), event)
    return [(cohort, event) for cohort, event in found.items() if 0 <= cohort - first < asked.intervals]


def intervals_there(asked: Asked, cohort: int, entry: Event, events: list[Event]) -> set[int]:
    """The intervals in which a member of a cohort was there."""
    back = [event for event in events if asked.returning in (None, event.name)]
    if asked.windows == "rolling":
        counts = Counter((event.at - entry.at) // LENGTHS[asked.unit] for event in back)
    else:
        counts = Counter(asked.number(event.at) - cohort for event in back)
    return {0} | {number for number, count in counts.items() if number > 0 and count >= asked.minimum}


def is_kept(asked: Asked, there: set[int], low: int, high: int) -> bool:
    """Whether that counts as retained from one interval to another."""
    return any(low <= number and (asked.kind == "unbounded" or number <= high) for number in there)


def is_complete(asked: Asked, cohort: int, last: int, cutoff: datetime) -> bool:
    """Whether it is later than the interval, for whoever entered last."""
    if asked.windows == "rolling":
        return asked.number(cutoff - (last + 1) * LENGTHS[asked.unit]) > cohort
    return asked.number(cutoff) > cohort + last


def count(asked: Asked, customers: list[list[Event]]) -> set[tuple[Any, ...]]:
    """The rows of the answer: segment, cohort (from the first on), interval, last, size, retained, is_complete."""
    members = [
        (cohort, entry.channel if asked.by else None, intervals_there(asked, cohort, entry, events))
        for events in customers
        for cohort, entry in belongs(asked, events)
    ]
    cutoff = max(event.at for events in customers for event in events)
    segments = {segment for _, segment, _ in members} if asked.by else {None}
    rows = set()
    first = asked.number(asked.start)
    for segment, cohort, (low, high) in product(
        segments, range(first, first + asked.intervals), asked.spans()
    ):
        own = [there for number, name, there in members if (number, name) == (cohort, segment)]
        kept = sum(is_kept(asked, there, low, high) for there in own)
        rows.add(
            (segment, cohort - first, low, high, len(own), kept, is_complete(asked, cohort, high, cutoff))
        )
    return rows


EVENT = st.tuples(st.integers(0, 400), st.sampled_from("aabx"), st.sampled_from(["web", "mail", None]))
LOG = st.lists(st.lists(EVENT, min_size=1, max_size=9), min_size=1, max_size=5)
OPTIONS = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(["hour", "day", "day", "week", "month"]),
        "kind": st.sampled_from(["n_day", "unbounded", "bracket"]),
        "cohort": st.sampled_from(["first", "recurring"]),
        "windows": st.sampled_from(["calendar", "rolling"]),
        "entry": st.sampled_from([None, "a"]),
        "returning": st.sampled_from([None, "b"]),
        "minimum": st.sampled_from([1, 1, 2]),
        "timezone": st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York"]),
        "week_starts": st.sampled_from(["monday", "sunday"]),
        "intervals": st.integers(1, 9),
        "by": st.sampled_from([None, "channel"]),
    }
)


@examples(25)
@given(LOG, OPTIONS, st.sampled_from(BASES), st.sampled_from([30, 120]), st.integers(0, 8))
def test_retention_equals_plain_counting(
    drawn: list[list[tuple[int, str, str | None]]],
    options: dict[str, Any],
    base: datetime,
    minutes: int,
    days: int,
) -> None:
    """Sizes, who is kept and what is complete, in every cell; events are half hours or two hours apart."""
    if options["unit"] == "month":
        options["windows"] = "calendar"
    brackets = ((0, 0), (1, 2), (1, 9)) if options["kind"] == "bracket" else None
    asked = Asked(**options, start=base + timedelta(days=days), brackets=brackets)
    customers = [
        sorted(
            (
                Event(base + timedelta(minutes=number * minutes), name, channel)
                for number, name, channel in events
            ),
            key=lambda event: event.at,
        )
        for events in drawn
    ]
    rows = [
        (number, event.at, event.name, event.channel)
        for number, events in enumerate(customers)
        for event in events
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "channel"])
    with jm.from_events(frame, goal=None, touchpoints=["a", "b"]) as log:
        found = log.retention(**options, start=asked.start.isoformat(), brackets=brackets)
    if options["by"] is None:
        found.insert(0, "segment", None)
    begins = sorted(found["cohort_at"].unique())
    assert {
        (None if pd.isna(row.segment) else row.segment, begins.index(row.cohort_at), row.interval_number,
         row.last_interval, row.cohort_size, row.retained, row.is_complete)
        for row in found.itertuples()
    } == count(asked, customers)  # fmt: skip
    assert len(found) == len(begins) * len(asked.spans()) * found["segment"].nunique(dropna=False)
