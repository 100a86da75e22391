"""The report's questions to the published database: small selects whose text the reader can copy and run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any, Protocol

Row = dict[str, Any]


class Connection(Protocol):
    """What the report needs of an open DuckDB connection."""

    def execute(self, query: str, parameters: Any = ...) -> Any:
        """Runs one statement and returns a cursor."""


@dataclass(frozen=True)
class Answer:
    """The rows of a named query, with the query's text."""

    name: str
    sql: str
    rows: list[Row]


def read_answer(connection: Connection, name: str) -> Answer:
    """The answer to `queries/<name>.sql`: rows in the query's order, missing and non-finite numbers as None."""
    sql = read_query(name)
    return Answer(name, sql, read_rows(connection, sql))


def read_query(name: str) -> str:
    """The text of `queries/<name>.sql`."""
    return (files(__package__) / "queries" / f"{name}.sql").read_text(encoding="utf-8").strip()


def read_rows(connection: Connection, sql: str) -> list[Row]:
    """The rows of a select as dictionaries of plain Python values."""
    cursor = connection.execute(sql)
    columns = [description[0] for description in cursor.description]
    return [dict(zip(columns, map(_plain, values), strict=True)) for values in cursor.fetchall()]


def _plain(value: Any) -> Any:
    """A decimal as a float; NaN and infinity, which no chart can show, as None."""
    value = float(value) if isinstance(value, Decimal) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
