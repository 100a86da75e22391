"""How numbers read in the report: one form for each kind of value, the same in text, tables and hovers."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

MISSING = "\u2013"
SPACE = "\u00a0"
RANGE = "\u2013"
STATUS_MARKS = {"passed": "✓ ", "warned": "! ", "failed": "✕ "}


def format_value(value: Any, kind: str) -> str:
    """A value as text. A string stands for itself (so a suppressed count reads "< 5"), None is a dash."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        return STATUS_MARKS.get(value, "") + value if kind == "status" else value
    writers: dict[str, Callable[[Any], str]] = {
        "count": format_count,
        "percent": format_percent,
        "duration": format_duration,
        "number": format_number,
        "date": format_date,
        "datetime": format_datetime,
    }
    return writers.get(kind, str)(value)


def format_count(value: float) -> str:
    """A whole number with thousands separators.

    >>> format_count(12345)
    '12,345'
    """
    return f"{round(value):,}"


def format_percent(value: float) -> str:
    """A share of 1 as a percentage with one decimal; a share above zero never reads as zero.

    >>> format_percent(0.38249).replace(SPACE, " "), format_percent(0.0003).replace(SPACE, " ")
    ('38.2 %', '< 0.1 %')
    """
    if 0 < value < 0.0005:
        return f"<{SPACE}0.1{SPACE}%"
    return f"{value * 100:.1f}{SPACE}%"


def format_interval(low: float | None, high: float | None) -> str:
    """A 95 % interval of shares, empty when a bound is missing.

    >>> format_interval(0.351, 0.4).replace(SPACE, " ")
    '35.1–40.0 %'
    """
    if low is None or high is None:
        return ""
    return f"{low * 100:.1f}{RANGE}{high * 100:.1f}{SPACE}%"


def format_number(value: float) -> str:
    """A number with up to two decimals and thousands separators.

    >>> format_number(1234.5), format_number(2.0), format_number(0.456)
    ('1,234.5', '2', '0.46')
    """
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def format_duration(seconds: float) -> str:
    """Seconds in the unit that a person would choose.

    >>> [format_duration(s).replace(SPACE, " ") for s in (0.4, 42, 744, 18_360, 276_480)]
    ['0 s', '42 s', '12.4 min', '5.1 h', '3.2 d']
    """
    for limit, size, unit in ((90, 1, "s"), (5_400, 60, "min"), (129_600, 3_600, "h")):
        if abs(seconds) < limit:
            return f"{seconds / size:.{0 if size == 1 else 1}f}{SPACE}{unit}"
    return f"{seconds / 86_400:,.1f}{SPACE}d"


def format_date(moment: date) -> str:
    """A day.

    >>> format_date(date(2025, 3, 1))
    '1 Mar 2025'
    """
    return f"{moment.day} {moment:%b %Y}"


def format_datetime(moment: datetime) -> str:
    """A moment in UTC, to the minute.

    >>> format_datetime(datetime(2025, 3, 1, 7, 5))
    '1 Mar 2025, 07:05 UTC'
    """
    return f"{format_date(moment)}, {moment:%H:%M} UTC"


def format_money(amount: float, currency: str | None) -> str:
    """An amount in a compact form.

    >>> format_money(1_234_567.0, "EUR").replace(SPACE, " ")
    '1.23 M EUR'
    """
    text = f"{amount:,.0f}"
    for size, unit in ((1e9, "bn"), (1e6, "M")):
        if abs(amount) >= size:
            text = f"{amount / size:,.2f}{SPACE}{unit}"
            break
    return f"{text}{SPACE}{currency}" if currency else text


def shorten(text: str, limit: int = 28) -> str:
    """A name cut to `limit` characters, without characters that would turn or break a line.

    >>> shorten("a" * 40, 10)
    'aaaaaaaaa…'
    """
    clean = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf"))
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + "…"


def escape_plotly(text: str) -> str:
    """Text that Plotly shows literally: it reads a subset of HTML in labels and hovers.

    >>> escape_plotly("<b>&")
    '&lt;b&gt;&amp;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
