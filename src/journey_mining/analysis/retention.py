"""Retention: how many of a cohort come back, interval by interval.

Whoever enters is there in interval 0, whatever counts as coming back. Intervals are those of the calendar, or rolling:
counted from each customer's own entry (PostHog: 24 hour windows; Amplitude: 24-hour windows).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import index
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import ValidationError

from journey_mining.analysis.expressions import (
    call_macro,
    check_choice,
    counted_events,
    segment_value,
    write_ordinal,
)
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.predicates import build_matcher
from journey_mining.errors import QueryError
from journey_mining.parameters import Parameters
from journey_mining.warehouse import quoted

LENGTHS_US = {"hour": 3_600_000_000, "day": 86_400_000_000, "week": 604_800_000_000}
"""Microseconds of an interval; months differ."""
ORIGINS_US = {"monday": 62_135_596_800_000_000, "sunday": 62_135_683_200_000_000}
"""Microseconds from a first day of a week to 1970: the first day of the year 1, and the one before. Numbered from there,
intervals are never negative, of which // would cut off the wrong end."""


class RetentionQuestion(Parameters):
    """What counts as coming, and as coming back."""

    unit: str = "day"
    """Length of an interval: hour, day, week or month."""
    kind: str = "n_day"
    """n_day: active in the interval; unbounded: in it or later; bracket: in a range of intervals."""
    cohort: str = "first"
    """first: a customer belongs to the interval of the first entry; recurring: to each interval with an entry. With
    rolling windows, which begin once, recurring is the first entry from the start on (PostHog)."""
    entry: Any = None
    """Condition of the event that puts a customer into a cohort; None: any event."""
    returning: Any = None
    """Condition of the event that counts as coming back; None: any event."""
    start: str | None = None
    """A moment in the first cohort's interval, local where it names no zone; None: that of the first entry."""
    intervals: int | None = None
    """Intervals shown, and cohorts from the start on; None: up to the last event."""
    brackets: tuple[tuple[int, int], ...] = ()
    """Ranges of intervals, both ends included, for kind='bracket'."""
    windows: str = "calendar"
    """calendar: later intervals are the calendar's; rolling: full hours, 24 hours or 7 times 24 hours from the
    customer's entry. The cohort's own interval is always the calendar's."""
    minimum: int = 1
    """The fewest returning events in an interval that count as coming back, also in unbounded and bracket; entering
    takes one."""
    by: Any = None
    """Column of the events, several, or {"where": predicate}: counts apart by its value at the customer's first entry
    in the cohort's interval."""
    timezone: str = "UTC"
    """IANA name: the calendar is local. An hour that the clock shows twice is one interval."""
    week_starts: str = "monday"
    """First day of a week: monday or sunday."""


def write_retention(log: EventLog, question: RetentionQuestion) -> tuple[str, str]:
    """The queries of retention: a row a cohort and interval; and a row a customer, cohort and interval kept.

    With `by` a row a segment, cohort and interval, `segment` first. Raises QueryError.
    """
    _check_question(question)
    ctes = _retention_ctes(log, question)
    segment, keys, same = "", ["cohort_number"], "c.cohort_number = z.cohort_number"
    if question.by is not None:
        segment, keys = "c.segment, ", ["segment", *keys]
        same += " and c.segment is not distinct from z.segment"
    cohort_at = _begin(question, "c.cohort_number")
    size = "coalesce(z.cohort_size, 0)"
    summary = f"""{ctes},

counted as (
    select {", ".join(keys)}, interval_number, last_interval, count(*) as retained
    from kept
    group by all
)

select
    {segment}{cohort_at} as cohort_at,
    c.interval_number,
    c.last_interval,
    {size} as cohort_size,
    coalesce(k.retained, 0) as retained,
    {call_macro("rate", "coalesce(k.retained, 0)", size)} as retention_rate,
    {call_macro("wilson_low", "coalesce(k.retained, 0)", size)} as retention_rate_low,
    {call_macro("wilson_high", "coalesce(k.retained, 0)", size)} as retention_rate_high,
    {_is_complete(log, question)} as is_complete
from cells as c
left join sizes as z on {same}
left join counted as k
    on {same.replace("z.", "k.")}
        and c.interval_number = k.interval_number
        and c.last_interval = k.last_interval
order by {segment}c.cohort_number, c.interval_number, c.last_interval"""
    last = "c.last_interval" if question.brackets else ""
    units = f"""{ctes}

select {segment}c.customer_id, {cohort_at} as cohort_at, c.interval_number{last and f", {last}"}
from kept as c
order by c.customer_id, c.cohort_number, c.interval_number{last and f", {last}"}"""
    return summary, units


def _check_question(question: RetentionQuestion) -> None:
    check_choice("unit", question.unit, (*LENGTHS_US, "month"))
    check_choice("kind", question.kind, ("n_day", "unbounded", "bracket"))
    check_choice("cohort", question.cohort, ("first", "recurring"))
    check_choice("windows", question.windows, ("calendar", "rolling"))
    check_choice("week_starts", question.week_starts, tuple(ORIGINS_US))
    if question.timezone != "UTC" and question.timezone not in (zones := available_timezones()):
        near = difflib.get_close_matches(question.timezone, zones, 1)
        raise QueryError(
            f"timezone: there is no zone {question.timezone!r}.",
            expected="an IANA name, for example Europe/Berlin",
            fix=f"did you mean '{near[0]}'?" if near else "name the zone so",
        )
    for name, given in (("intervals", question.intervals), ("minimum", question.minimum)):
        if given is not None and given < 1:
            raise QueryError(f"{name}: at least one is needed.", found=str(given))
    if question.windows == "rolling" and question.unit not in LENGTHS_US:
        raise QueryError(
            "windows: a rolling window has no months, which differ in length.",
            expected="one of the units " + ", ".join(LENGTHS_US),
            fix="unit='week', or windows='calendar'",
        )
    if (question.kind == "bracket") != bool(question.brackets):
        raise QueryError("brackets belong to kind='bracket'.", fix="brackets=[(1, 3), (4, 7)]")


def _number(question: RetentionQuestion, local_us: str) -> str:
    """The number of the calendar interval of a local moment."""
    if question.unit == "month":
        return f"year(make_timestamp({local_us})) * 12 + month(make_timestamp({local_us})) - 1"
    return f"({local_us} + {_origin_us(question)}) // {LENGTHS_US[question.unit]}"


def _begin(question: RetentionQuestion, number: str) -> str:
    """The begin of a calendar interval, local."""
    if question.unit == "month":
        return f"make_timestamp({number} // 12, {number} % 12 + 1, 1, 0, 0, 0)"
    return f"make_timestamp({number} * {LENGTHS_US[question.unit]} - {_origin_us(question)})"


def _origin_us(question: RetentionQuestion) -> int:
    return ORIGINS_US[question.week_starts if question.unit == "week" else "monday"]


def _local_us(question: RetentionQuestion, us: str) -> str:
    """What the clock shows at a moment, as microseconds."""
    if question.timezone == "UTC":
        return us
    return f"epoch_us(timezone({quoted(question.timezone)}, make_timestamptz({us})))"


def _is_complete(log: EventLog, question: RetentionQuestion) -> str:
    """Whether the cell's interval has ended for all of the cohort: rolling, for those who entered last."""
    ended, moment = "c.last_interval + 1", str(log.cutoff_us)
    if question.windows == "rolling":
        ended, moment = "1", f"{log.cutoff_us} - (c.last_interval + 1) * {LENGTHS_US[question.unit]}"
    return f"epoch_us({_begin(question, f'(c.cohort_number + {ended})')}) <= {_local_us(question, moment)}"


def _start_number(question: RetentionQuestion) -> str:
    """The number of the first cohort's interval."""
    if question.start is None:
        return "(select min(number) from marked where is_entry)"
    try:
        start = datetime.fromisoformat(question.start)
        if start.tzinfo is not None:
            start = start.astimezone(ZoneInfo(question.timezone)).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise QueryError(
            f"start: '{question.start}' is no time.", expected="ISO 8601, for example 2026-03-31"
        ) from error
    return _number(question, f"epoch_us(timestamp '{start.isoformat(' ')}')")


def _condition(log: EventLog, condition: Any) -> str:
    return "true" if condition is None else build_matcher(log, condition).sql


def _retention_ctes(log: EventLog, question: RetentionQuestion) -> str:
    first = "(select first_number from bounds)"
    last = "(select max(number) from marked)"
    if question.intervals is not None:
        last = f"{first} + {question.intervals - 1}"
    segment, segments = "", ""
    if question.by is not None:
        segment, segments = "segment, ", "\n    cross join (select distinct segment from members) as g"
    return f"""with marked as (
    {_marked_sql(log, question)}
),

bounds as (
    select {_start_number(question)} as first_number
),

members as (
    select *
    from ({_members_sql(question, first)})
    where cohort_number between {first} and {last}
),

sizes as (
    select {segment}cohort_number, count(*) as cohort_size
    from members
    group by all
),

intervals as (
    {_intervals_sql(question, f"{last} - {first} + 1")}
),

cells as (
    select {segment}c.cohort_number, i.interval_number, i.last_interval
    from (select unnest(range({first}, {last} + 1)) as cohort_number) as c
    cross join intervals as i{segments}
),

returned as (
    {_returned_sql(question)}
),

kept as (
    {_kept_sql(question)}
)"""


def _marked_sql(log: EventLog, question: RetentionQuestion) -> str:
    """A row a customer and interval of the calendar; for rolling windows, which it cannot tell apart, a row an event."""
    entry, back = _condition(log, question.entry), _condition(log, question.returning)
    segment = None if question.by is None else segment_value(log, question.by)
    named = " or ".join(one for one in (entry, back) if one != "true") or "false"
    columns = ["customer_id", f"{_number(question, _local_us(question, 'occurred_us'))} as number"]
    if question.windows == "rolling":
        columns += ["occurred_us as us", f"{entry} as is_entry", f"{back} as is_return"]
        columns += [] if segment is None else [f"{write_ordinal(log)} as ord", f"{segment} as segment"]
    else:
        back = f"count(case when {back} then 1 end) >= {question.minimum}"
        columns += [f"bool_or({entry}) as is_entry", f"{back} as is_return"]
        if segment is not None:
            columns.append(f"arg_min_null({segment}, {write_ordinal(log)}) filter ({entry}) as segment")
    grouped = "" if question.windows == "rolling" else "\n    group by all"
    listed = ",\n        ".join(columns)
    return f"""select
        {listed}
    from events
    where {counted_events(log, "customers", named)}{grouped}"""


def _members_sql(question: RetentionQuestion, first: str) -> str:
    """A row a customer and cohort; for rolling windows with the moment from which they run."""
    is_recurring, is_rolling = question.cohort == "recurring", question.windows == "rolling"
    segment = "" if question.by is None else "segment, "
    if is_recurring and not is_rolling:
        return f"select customer_id, {segment}number as cohort_number from marked where is_entry"
    if segment:
        segment = f"arg_min_null(segment, {'ord' if is_rolling else 'number'}) as segment, "
    entered = ", min(us) as entered_us" if is_rolling else ""
    shown = f" and number >= {first}" if is_recurring else ""
    return (
        f"select customer_id, {segment}min(number) as cohort_number{entered} "
        f"from marked where is_entry{shown} group by customer_id"
    )


def _intervals_sql(question: RetentionQuestion, count: str) -> str:
    if question.brackets:
        return " union ".join(
            f"select {low} as interval_number, {high} as last_interval" for low, high in question.brackets
        )
    return f"select number as interval_number, number as last_interval from (select unnest(range({count})) as number)"


def _returned_sql(question: RetentionQuestion) -> str:
    """In which interval after the entry members were there: once each."""
    member = f"{'' if question.by is None else 'm.segment, '}m.customer_id, m.cohort_number"
    joined = "from members as m\n    inner join marked as r on m.customer_id = r.customer_id"
    if question.windows == "calendar":
        return f"""select {member}, r.number - m.cohort_number as interval_number
    {joined} and m.cohort_number <= r.number
    where r.is_return or r.number = m.cohort_number"""
    return f"""select {member}, (r.us - m.entered_us) // {LENGTHS_US[question.unit]} as interval_number
    {joined} and m.entered_us <= r.us
    where r.is_return
    group by all
    having count(*) >= {question.minimum}
    union
    select {member}, 0 as interval_number
    from members as m"""


def _kept_sql(question: RetentionQuestion) -> str:
    """The intervals that are shown in which members count as retained."""
    member = f"{'' if question.by is None else 'r.segment, '}r.customer_id, r.cohort_number"
    if question.kind == "n_day":
        return (
            f"select {member}, r.interval_number, r.interval_number as last_interval\n    from returned as r"
        )
    if question.kind == "bracket":
        return f"""select distinct {member}, i.interval_number, i.last_interval
    from returned as r
    inner join intervals as i on r.interval_number between i.interval_number and i.last_interval"""
    return f"""select {member}, i.interval_number, i.last_interval
    from (select {member}, max(r.interval_number) as latest from returned as r group by all) as r
    inner join intervals as i on i.interval_number <= r.latest"""


def ask_retention(brackets: Sequence[Sequence[int]] | None, **asked: Any) -> RetentionQuestion:
    """The question; brackets may be pairs of any kind. Raises QueryError."""
    given: Any = () if brackets is None else brackets
    listed = given if isinstance(given, Iterable) else [given]
    try:
        return RetentionQuestion(brackets=tuple(_read_bracket(one) for one in listed), **asked)
    except ValidationError as error:
        problem = error.errors()[0]
        raise QueryError(f"retention: {problem['loc'][0]}: {problem['msg']}.") from error


def _read_bracket(given: Any) -> tuple[int, int]:
    try:
        low, high = (index(end) for end in given)
        if 0 <= low <= high:
            return low, high
    except (TypeError, ValueError):
        pass
    raise QueryError(
        "brackets: each is the first and the last number of its intervals.",
        found=repr(given),
        expected="two whole numbers, 0 <= first <= last",
        fix="brackets=[(1, 3), (4, 7)]",
    )
