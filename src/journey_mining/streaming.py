"""Rows of the export queries of sql/exports, a block at a time, so that no log has to fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from journey_mining.models import sql_folder
from journey_mining.warehouse import Connection

ROWS_AT_ONCE = 10_000


def stream_rows(connection: Connection, name: str) -> Iterator[Any]:
    """The rows of sql/exports/<name>.sql in their order, as named tuples."""
    query = (sql_folder() / "exports" / f"{name}.sql").read_text(encoding="utf-8")
    result = connection.execute(query)
    row_type = NamedTuple("Row", [(column[0], Any) for column in result.description or []])  # type: ignore[misc]
    while rows := result.fetchmany(ROWS_AT_ONCE):
        yield from map(row_type._make, rows)


def utc_text(moment: datetime) -> str:
    """ISO 8601 with the zone.

    >>> utc_text(datetime(2026, 3, 29, 1, 30))
    '2026-03-29T01:30:00+00:00'
    """
    return f"{moment.isoformat()}+00:00"
