"""Ad-hoc SQL on a published database, and copies of its tables; nothing here can write to it or read a file."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import duckdb

from journey_mining.analysis.queries import require_reading
from journey_mining.errors import JourneyMiningError, QueryError
from journey_mining.warehouse import Connection, open_readonly, quoted, quoted_name

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
            raise QueryError(
                f"The query failed: {str(error).strip()}",
                fix='see the tables with: journey-mining sql "show tables"',
            ) from error
    return columns, rows


def export_snapshot(current: Path, kind: str, out: Path) -> list[Path]:
    """Write the published tables (parquet, csv) or graph (graphml) into `out`; returns the files."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if kind == "graphml":
            if not (current / "graph" / "graph.graphml").is_file():
                raise JourneyMiningError("Nothing is published yet.", fix="journey-mining run")
            return [Path(shutil.copy2(current / "graph" / "graph.graphml", out / "graph.graphml"))]
        with open_readonly(current / "journeys.duckdb") as connection:
            names = [
                row[0]
                for row in connection.execute("select table_name from duckdb_tables() order by 1").fetchall()
            ]
            return [_export_table(connection, name, kind, out) for name in names]
    except OSError as error:
        raise JourneyMiningError(
            f"{out} cannot be written: {error.strerror}.", fix="name another folder with --out"
        ) from error


def _export_table(connection: Connection, name: str, kind: str, out: Path) -> Path:
    path = out / f"{name}.{kind}"
    if kind == "parquet":
        connection.execute(f"copy {quoted_name(name)} to {quoted(str(path))} (format parquet)")
        return path
    result = connection.execute(f"select * from {quoted_name(name)}")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(column[0] for column in result.description or [])
        while rows := result.fetchmany(10_000):
            writer.writerows([safe_cell(value) for value in row] for row in rows)
    return path


def safe_cell(value: Any) -> Any:
    """The value for a CSV cell; a text that a spreadsheet would take for a formula gets a leading apostrophe.

    >>> safe_cell("=1+1"), safe_cell(-3), safe_cell("plain")
    ("'=1+1", -3, 'plain')
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
