"""Ad-hoc SQL on a published database; nothing here can write to it or read a file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from journey_mining.analysis.queries import require_reading
from journey_mining.errors import QueryError
from journey_mining.warehouse import (
    Connection,
    keeping_interrupts,
    open_readonly,
    quoted,
    tells_damage,
    unreadable,
)

_FORMULA = re.compile(r"""(^|[;\t\r\n])(?=[\s"'\u200b\ufeff]*[=+\-@\t\r＝＋－＠])""")
"""Where a cell may begin that a spreadsheet takes for a formula: also behind what other settings take for a separator."""


@contextmanager
def open_locked(path: Path) -> Iterator[Connection]:
    """A read-only connection on a published file that cannot attach, read files or change its settings.

    What a sort cannot hold in memory is spilled into a folder of its own, never beside the published file.
    """
    with tempfile.TemporaryDirectory(prefix="journey-mining-") as spill, open_readonly(path) as connection:
        connection.execute(f"set temp_directory = {quoted(spill)}")
        connection.execute("set enable_external_access = false")
        connection.execute("set python_enable_replacements = false")
        connection.execute("set lock_configuration = true")
        yield connection


def run_query(path: Path, query: str, limit: int = 0) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """(column names, rows) of one read-only query, at most `limit` rows (0: all); raises QueryError."""
    with open_locked(path) as connection:
        try:
            require_reading(connection, query)
            with keeping_interrupts():
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

    >>> safe_cell("=1+1"), safe_cell("plain; =1+1"), safe_cell(-3), safe_cell("plain-1")
    ("'=1+1", "plain;' =1+1", -3, 'plain-1')
    """
    return _safe_text(value) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def _safe_text(text: str) -> str:
    """The text of a cell; most are names, which come again and again."""
    return _FORMULA.sub(r"\1'", text)
