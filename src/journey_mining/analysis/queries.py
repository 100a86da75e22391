"""An analyst's own SQL: one statement that only reads; in memory, the tables that it reads are derived first."""

from __future__ import annotations

import re

import duckdb

from journey_mining.analysis.log import EventLog
from journey_mining.analysis.macro_calls import macros_in, require_macros
from journey_mining.errors import QueryError


def check_query(log: EventLog, query: str) -> None:
    """Make what the query reads be there; raises QueryError unless it is one query that only reads."""
    require_reading(log.connection, query)
    if log.is_loaded:
        _derive_tables(log, query)
        require_macros(log, *macros_in(query))


def require_reading(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise QueryError unless the text is one statement, and one that only reads."""
    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise QueryError(
            f"The query cannot be read: {str(error).strip()}", fix="mend the syntax there"
        ) from error
    if len(statements) != 1:
        raise QueryError(f"Expected one statement, found {len(statements)}.", fix="run them one by one")
    kind = _kind(statements[0])
    # PIVOT is taken apart into several statements.
    is_pivot = kind == "MULTI" and bool(
        re.match(r"(\s|--[^\n]*\n)*(pivot|unpivot|from|with|select)\b", query, re.IGNORECASE)
    )
    if kind not in ("SELECT", "EXPLAIN") and not is_pivot:
        raise QueryError(
            "A snapshot can only be read.",
            found=kind.lower(),
            expected="select …",
            fix="copy it, and change the copy",
        )


def _kind(statement: duckdb.Statement) -> str:
    try:
        return statement.type.name
    except ValueError:  # a kind that DuckDB's binding has no name for
        return "statement"


def _derive_tables(log: EventLog, query: str) -> None:
    from journey_mining.analysis.sql_texts import find_reads

    reads = find_reads(query)
    if reads is None:
        names = {"events", "sessions", "journeys", "journey_steps", "transitions", "touchpoints"}
        log.require(*sorted(name for name in names if name in query.lower()))
        return
    wanted = reads.tables - {"events"}
    if "events" in reads.tables and (reads.columns & log.derived_columns or reads.reads_all_columns):
        wanted.add("events")
    log.require(*sorted(wanted))
