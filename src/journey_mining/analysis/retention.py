"""Retention: how many of a cohort come back, interval by interval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from journey_mining.analysis.expressions import call_macro, check_choice, counted_events
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.predicates import build_matcher
from journey_mining.errors import QueryError
from journey_mining.parameters import Parameters
from journey_mining.warehouse import quoted

BUCKETS = {
    "hour": "{us} // 3600000000",
    "day": "{us} // 86400000000",
    "week": "({us} // 86400000000 + 3) // 7",
    "month": "(year(make_timestamp({us})) * 12 + month(make_timestamp({us})) - 1)",
}
"""Number of the calendar interval (UTC; weeks begin on Monday) of a moment in microseconds."""
MOMENTS = {
    "hour": "make_timestamp({n} * 3600000000)",
    "day": "make_timestamp({n} * 86400000000)",
    "week": "make_timestamp(({n} * 7 - 3) * 86400000000)",
    "month": "make_timestamp({n} // 12, {n} % 12 + 1, 1, 0, 0, 0)",
}
"""Begin of an interval, from its number."""


class RetentionQuestion(Parameters):
    """What counts as coming, and as coming back."""

    unit: str = "day"
    """Length of an interval: hour, day, week (from Monday) or month, of the calendar in UTC."""
    kind: str = "n_day"
    """n_day: active in the interval; unbounded: in it or later; bracket: in a range of intervals."""
    cohort: str = "first"
    """first: a customer belongs to the interval of the first entry; recurring: to each interval with an entry."""
    entry: Any = None
    """Condition of the event that puts a customer into a cohort; None: any event."""
    returning: Any = None
    """Condition of the event that counts as coming back; None: any event."""
    start: str | None = None
    """A moment in the first cohort's interval; None: that of the first event."""
    intervals: int | None = None
    """Intervals shown, and cohorts from the start on; None: up to the last event."""
    brackets: tuple[tuple[int, int], ...] = ()
    """Ranges of intervals, both ends included, for kind='bracket'."""


def write_retention(log: EventLog, question: RetentionQuestion) -> tuple[str, str]:
    """The queries of retention: a row a cohort and interval; and a row a customer, cohort and interval kept."""
    check_choice("unit", question.unit, tuple(BUCKETS))
    check_choice("kind", question.kind, ("n_day", "unbounded", "bracket"))
    check_choice("cohort", question.cohort, ("first", "recurring"))
    if question.intervals is not None and question.intervals < 1:
        raise QueryError("intervals: at least one is needed.", found=str(question.intervals))
    _check_start(question.start)
    if (question.kind == "bracket") != bool(question.brackets):
        raise QueryError("brackets belong to kind='bracket'.", fix="brackets=[(1, 3), (4, 7)]")
    ctes = _retention_ctes(log, question)
    moment = MOMENTS[question.unit].format(n="c.cohort_number")
    ended = MOMENTS[question.unit].format(n="(c.cohort_number + c.last_interval + 1)")
    summary = f"""{ctes}

select
    {moment} as cohort_at,
    c.interval_number,
    c.last_interval,
    coalesce(z.cohort_size, 0) as cohort_size,
    count(k.customer_id) as retained,
    {call_macro("rate", "count(k.customer_id)", "coalesce(z.cohort_size, 0)")} as retention_rate,
    {call_macro("wilson_low", "count(k.customer_id)", "coalesce(z.cohort_size, 0)")} as retention_rate_low,
    {call_macro("wilson_high", "count(k.customer_id)", "coalesce(z.cohort_size, 0)")} as retention_rate_high,
    epoch_us({ended}) <= {log.cutoff_us} as is_complete
from cells as c
left join sizes as z on c.cohort_number = z.cohort_number
left join kept as k on c.cohort_number = k.cohort_number and c.interval_number = k.interval_number
group by c.cohort_number, c.interval_number, c.last_interval, z.cohort_size
order by c.cohort_number, c.interval_number"""
    units = f"""{ctes}

select c.customer_id, {moment} as cohort_at, c.interval_number
from kept as c
order by c.customer_id, cohort_at, c.interval_number"""
    return summary, units


def _check_start(start: str | None) -> None:
    try:
        datetime.fromisoformat(start or "2000-01-01")
    except ValueError as error:
        raise QueryError(
            f"start: '{start}' is no time.", expected="ISO 8601, for example 2026-03-31"
        ) from error


def _bucket(question: RetentionQuestion, moment: str) -> str:
    return BUCKETS[question.unit].format(us=moment)


def _condition(log: EventLog, condition: Any) -> str:
    return "true" if condition is None else build_matcher(log, condition).sql


def _retention_ctes(log: EventLog, question: RetentionQuestion) -> str:
    bucket = _bucket(question, "occurred_us")
    first = "(select min(number) from marked where is_entry)"
    if question.start is not None:
        first = _bucket(question, f"epoch_us(timestamp {quoted(question.start)})")
    shown = question.intervals
    last = (
        "(select max(number) from marked)"
        if shown is None
        else f"(select first_number from bounds) + {shown - 1}"
    )
    distinct = (
        "select customer_id, min(number) as cohort_number from marked where is_entry group by customer_id"
    )
    if question.cohort == "recurring":
        distinct = "select distinct customer_id, number as cohort_number from marked where is_entry"
    entry, back = _condition(log, question.entry), _condition(log, question.returning)
    named = " or ".join(one for one in (entry, back) if one != "true") or "false"
    return f"""with marked as (
    select distinct customer_id, {bucket} as number, {entry} as is_entry, {back} as is_return
    from events
    where {counted_events(log, "customers", named)}
),

bounds as (
    select {first} as first_number
),

members as (
    select *
    from ({distinct})
    where cohort_number between (select first_number from bounds) and {last}
),

sizes as (
    select cohort_number, count(*) as cohort_size
    from members
    group by cohort_number
),

cells as (
    select c.cohort_number, i.interval_number, i.last_interval
    from (
        select unnest(range((select first_number from bounds), {last} + 1)) as cohort_number
    ) as c
    cross join (
        {_intervals_sql(question, last)}
    ) as i
),

kept as (
    {_kept_sql(question)}
)"""


def _intervals_sql(question: RetentionQuestion, last: str) -> str:
    if question.brackets:
        return " union all ".join(
            f"select {low} as interval_number, {high} as last_interval" for low, high in question.brackets
        )
    count = f"{last} - (select first_number from bounds) + 1"
    return f"select number as interval_number, number as last_interval from (select unnest(range(0, {count})) as number)"


def _kept_sql(question: RetentionQuestion) -> str:
    within = {
        "n_day": "r.number = m.cohort_number + i.interval_number",
        "unbounded": "r.number >= m.cohort_number + i.interval_number",
        "bracket": "r.number between m.cohort_number + i.interval_number and m.cohort_number + i.last_interval",
    }[question.kind]
    if question.kind == "n_day":
        return """select distinct m.customer_id, m.cohort_number, r.number - m.cohort_number as interval_number
    from members as m
    inner join marked as r on m.customer_id = r.customer_id and r.number >= m.cohort_number
    where r.is_return or r.number = m.cohort_number"""
    return f"""select distinct m.customer_id, m.cohort_number, i.interval_number
    from members as m
    inner join (select distinct interval_number, last_interval from cells) as i on true
    inner join marked as r on m.customer_id = r.customer_id and {within}
    where r.is_return or r.number = m.cohort_number"""


def ask_retention(brackets: Sequence[Sequence[int]] | None, **asked: Any) -> RetentionQuestion:
    """The question; brackets may be pairs of any kind."""
    pairs = tuple((int(low), int(high)) for low, high in brackets or ())
    return RetentionQuestion(brackets=pairs, **asked)
