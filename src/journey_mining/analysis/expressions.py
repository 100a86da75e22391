"""Pieces of SQL that questions share: durations, macros written out, and the events that count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from journey_mining.analysis.log import EventLog
from journey_mining.analysis.predicates import build_predicate
from journey_mining.errors import QueryError
from journey_mining.models import sql_folder
from journey_mining.parameters import Duration
from journey_mining.warehouse import quoted_name

Span = str | int | float | timedelta
UNIT_COLUMNS = {"customers": "customer_id", "journeys": "journey_id", "sessions": "session_id"}
NONE = "(none)"
"""Stands for a value that is missing, where units are counted apart by several columns."""
BY_CUSTOMER = "coalesce(initiator, 'customer') = 'customer'"
"""The condition under which an event is one that the customer caused."""
_MACRO = re.compile(r"create or replace temp macro (\w+)\(([^)]*)\) as\s+(.*?);", re.DOTALL)
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


def span_us(span: Span, name: str) -> int:
    """Microseconds of a duration: '7 days', a timedelta, or a number of seconds; raises QueryError."""
    try:
        if isinstance(span, bool):
            raise ValueError(span)
        length = timedelta(seconds=span) if isinstance(span, int | float) else _DURATION.validate_python(span)
    except OverflowError as error:
        raise QueryError(
            f"{name}: {span!r} seconds is too long.",
            expected=f"at most {timedelta.max // timedelta(seconds=1):,} seconds",
            fix="divide milliseconds by 1,000, microseconds by 1,000,000",
        ) from error
    except (ValidationError, ValueError) as error:
        raise QueryError(
            f"{name}: {span!r} is no duration.", expected="'7 days', '30 minutes', seconds or a timedelta"
        ) from error
    if length < timedelta(0):
        raise QueryError(f"{name}: {span!r} is negative.", expected="a duration of zero or more")
    return round(length.total_seconds() * 1_000_000)


@cache
def _macros() -> dict[str, tuple[tuple[str, ...], str]]:
    text = (sql_folder() / "macros" / "statistics.sql").read_text(encoding="utf-8")
    return {
        name: (tuple(one.strip() for one in arguments.split(",")), " ".join(body.split()))
        for name, arguments, body in _MACRO.findall(text)
    }


def call_macro(name: str, *arguments: str) -> str:
    """The body of a macro of sql/macros/statistics.sql with the arguments put in, so that a query stands alone."""
    names, body = _macros()[name]
    given = dict(zip(names, arguments, strict=True))
    return re.sub(r"\b(" + "|".join(names) + r")\b", lambda found: f"({given[found[1]]})", f"({body})")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """The value; raises QueryError when it is none of the choices."""
    if value not in choices:
        raise QueryError(f"{name}: unknown {value!r}.", expected="one of " + ", ".join(choices))
    return value


def unit_column(log: EventLog, unit: str) -> str:
    """The column of `events` that names the unit."""
    check_choice("unit", unit, tuple(UNIT_COLUMNS))
    column = UNIT_COLUMNS[unit]
    log.require_columns([column])
    return column


def counted_events(log: EventLog, unit: str, also: str = "false") -> str:
    """The condition on `events` under which an event counts in questions about the unit.

    Background events count only where a question names them (`also`).
    """
    if "is_background" not in log.columns:
        return named_events(log, unit)
    return f"{named_events(log, unit)} and (not coalesce(is_background, false) or {also})"


def named_events(log: EventLog, unit: str) -> str:
    """The condition on `events` under which an event that a question names counts.

    Journeys and sessions that no person makes (is_flagged) are kept out of rates.
    """
    known = f"{UNIT_COLUMNS[unit]} is not null"
    if not log.has_flags:
        return known
    return f"{known} and (journey_id is null or journey_id not in (select journey_id from journeys where is_flagged))"


def segment_value(log: EventLog, by: Any) -> str:
    """The value of an event by which units are counted apart, in SQL; raises QueryError.

    `by` is a column, several (texts joined by ' / '), or {"where": predicate}: true or false.
    """
    if isinstance(by, Mapping):
        return f"coalesce({build_predicate(log, by.get('where', by))}, false)"
    names = [by] if isinstance(by, str) else [str(name) for name in by]
    if not names:
        raise QueryError("by: no column is named.", fix="name one, or leave it out")
    log.require_columns(names)
    if len(names) == 1:
        return quoted_name(names[0])
    texts = ", ".join(f"coalesce(cast({quoted_name(name)} as varchar), '{NONE}')" for name in names)
    return f"concat_ws(' / ', {texts})"


def is_sampled(one_in: int) -> str:
    """The condition under which a customer is among every so many that a question looks at, by the hash of the id."""
    return "true" if one_in == 1 else f"hash(cast(customer_id as varchar)) % {one_in} = 0"


def write_ordinal(log: EventLog) -> str:
    """A number that puts the events of a unit into their total order, in SQL over `events`."""
    if log.is_loaded:
        return "cast(occurred_us as hugeint) * 4294967296 + event_ordinal"
    if "event_ordinal" in log.columns:
        return "event_ordinal"
    ties = ", ".join(log.tie_order)
    return f"row_number() over (partition by customer_id order by occurred_us, {ties})"


def event_order(log: EventLog) -> str:
    """The columns that put a unit's events into their total order; a published place among them is that order."""
    if log.tie_order == ("event_ordinal",) and not log.is_loaded:
        return "event_ordinal"
    return ", ".join(("occurred_us", *log.tie_order))
