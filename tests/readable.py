"""Tables that a person can read: text with `|` between the cells, to and from rows.

Times are `[MM-DD ]HH:MM[:SS[.ffffff]]` of March 2026, UTC; without a day it is the 2nd. An empty cell is NULL.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
_MOMENT = re.compile(r"^(?:(\d\d)-(\d\d) )?(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str) -> datetime:
    """The UTC time that a cell names."""
    match = _MOMENT.match(text)
    assert match, f"'{text}' is no time such as 03-02 09:00:00.000001"
    month, day, hour, minute, second = (
        int(part) if part else default for part, default in zip(match.groups(), (3, 2, 0, 0, 0), strict=False)
    )
    micro = int((match[6] or "").ljust(6, "0"))
    return datetime(2026, month, day, hour, minute, second, micro, tzinfo=UTC)


def micros(text: str | datetime) -> int:
    """Microseconds since 1970 of a time or of the cell that names one."""
    at = moment(text) if isinstance(text, str) else text
    return (at - _EPOCH) // timedelta(microseconds=1)


def cells(text: str) -> list[dict[str, str | None]]:
    """The rows of a readable table by column name; an empty cell is None."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    header, *body = ([cell.strip() for cell in line.split("|")] for line in lines)
    assert all(len(row) == len(header) for row in body), f"cells and columns differ in number:\n{text}"
    return [dict(zip(header, (cell or None for cell in row), strict=True)) for row in body]


def shown(value: Any, names: Mapping[uuid.UUID, str] | None = None) -> str:
    """A value as a cell shows it; `names` are what ids are called."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, uuid.UUID):
        return (names or {}).get(value, str(value))
    if isinstance(value, datetime):
        tail = (
            f":{value:%S.%f}".rstrip("0").rstrip(".")
            if value.microsecond
            else f":{value:%S}"
            if value.second
            else ""
        )
        return f"{value:%m-%d %H:%M}{tail}"
    if isinstance(value, date):
        return f"{value:%m-%d}"
    if isinstance(value, float | Decimal):
        return f"{float(value):.6g}"
    return str(value)


def grid(rows: Iterable[Row], columns: Iterable[str], names: Mapping[uuid.UUID, str] | None = None) -> str:
    """Rows as a readable table of these columns, in the form in which two tables are compared."""
    wanted = list(columns)
    body = [[shown(row[column], names) for column in wanted] for row in rows]
    widths = [max(len(line[place]) for line in [wanted, *body]) for place in range(len(wanted))]
    return "\n".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [wanted, *body]
    )


def same_form(text: str) -> str:
    """An expected table in the form of `grid`."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    header = [cell.strip() for cell in lines[0].split("|")]
    return grid([{name: cell or "" for name, cell in row.items()} for row in cells(text)], header)
