"""Ad-hoc SQL on a published database; nothing here can write to it or read a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from journey_mining.analysis.queries import require_reading
from journey_mining.errors import QueryError
from journey_mining.warehouse import Connection, open_readonly, tells_damage, unreadable

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def open_locked(path: Path) -> Connection:
    """A read-only connection on a published file that cannot attach, read files or change its settings."""
    connection = open_readonly(path)
    connection.execute("set enable_external_access = false")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set lock_configuration = true")
    return connection


def run_query(path: Path, query: str, limit: int = 0) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """(column names, rows) of one read-only query, at most `limit` rows (0: all); raises QueryError."""
    with open_locked(path) as connection:
        try:
            require_reading(connection, query)
            result = connection.execute(query)
            columns = tuple(column[0] for column in result.description or [])
            rows = result.fetchmany(limit) if limit else result.fetchall()
        except duckdb.Error as error:
            if tells_damage(error):
                raise unreadable(path, "read", error) from error
            raise QueryError(
                f"The query failed: {str(error).strip()}",
                fix='see the tables with: journey-mining sql "show tables"',
            ) from error
    return columns, rows


def safe_cell(value: Any) -> Any:
    """The value for a CSV cell; a text that a spreadsheet would take for a formula gets a leading apostrophe.

    >>> safe_cell("=1+1"), safe_cell(-3), safe_cell("plain")
    ("'=1+1", -3, 'plain')
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
