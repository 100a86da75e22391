"""Calls of the published macros: there in a published file, created in memory when a question first names them."""

from __future__ import annotations

import re

from journey_mining.analysis.log import EventLog
from journey_mining.errors import QueryError
from journey_mining.macros import Macro, create_macros, find_macros
from journey_mining.warehouse import quoted

TABLES = ("customers", "events", "journeys", "journey_steps", "sessions", "stages", "touchpoints", "settings")
"""Tables that macros read."""


def write_call(log: EventLog, name: str, *arguments: str | int, **named: str | int) -> str:
    """The query that calls a table macro with plain values, once the macro is there."""
    require_macros(log, name)
    given = [_literal(one) for one in arguments]
    given += [f"{argument} := {_literal(one)}" for argument, one in named.items()]
    return f"from {name}({', '.join(given)})"


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else quoted(value)


def macros_in(query: str) -> list[str]:
    """The macros that a query seems to call."""
    return [name for name in find_macros() if re.search(rf"\b{name}\s*\(", query, re.IGNORECASE)]


def require_macros(log: EventLog, *names: str) -> None:
    """Make the macros be there, in memory with all that they read; raises QueryError for an older snapshot."""
    if log.is_loaded:
        _create(log, [find_macros()[name] for name in names])
        return
    present = {
        str(row[0])
        for row in log.connection.execute(
            "select distinct function_name from duckdb_functions() where not internal"
        ).fetchall()
    }
    if missing := [name for name in names if name not in present]:
        raise QueryError(
            f"This snapshot was published without the macro '{missing[0]}'.",
            fix="publish it anew: journey-mining run",
        )


def _create(log: EventLog, wanted: list[Macro]) -> None:
    macros = find_macros()
    called = {name for macro in wanted for name in macro.reads(macros)} | {macro.name for macro in wanted}
    called |= {name for one in called for name in macros[one].reads(macros)}
    tables = {table for name in called for table in macros[name].reads(TABLES)}
    if "settings" in tables:
        _write_settings(log)
    log.require(*sorted(tables - {"settings"}))
    create_macros(log.connection, called)


def _write_settings(log: EventLog) -> None:
    """Create the settings that a published snapshot has, as far as macros ask for them."""
    connection = log.connection
    connection.execute("create or replace table published.main.settings (name varchar, value varchar)")
    cutoff = f"strftime(make_timestamp({log.cutoff_us}), '%Y-%m-%dT%H:%M:%S.%f+00:00')"
    connection.execute(f"insert into published.main.settings select 'cutoff_at', {cutoff}")
    for name, value in log.settings.items():
        connection.execute("insert into published.main.settings values ($1, $2)", [name, value])
