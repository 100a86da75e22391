"""The DuckDB files of a run and what is done with SQL models in them.

`published` is the analysts' file, `store` the private one (staged events, identifiers, ledger, quarantine), and
`scratch` a third one, for what only the run itself needs. Models name tables plainly; all are on the search path.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

import duckdb

from journey_mining.errors import JourneyMiningError, ModelError
from journey_mining.models import Model, sql_folder

if TYPE_CHECKING:
    import pyarrow as pa

STORAGE_VERSION = "v1.2.0"
"""Storage format of both files: released DuckDB 1.x tools can open it."""
WORKING = "recovery_mode no_wal_writes"
"""A run works on copies that nobody opens after a crash, so that a log of what was written would be for nothing."""
KEPT = ("published", "store")
"""The files that outlive a run."""
WHOLE_GROUP_ROWS = 122_880
"""Rows of DuckDB's row groups where nothing else is asked for."""
_CHECKPOINT_TRIES = 20
_CHECKPOINT_PAUSE_SECONDS = 0.01
SEARCH_PATH = "published.main,store.main,scratch.main"
TOUCHED = "touched.main"
"""In memory: what a night has touched. First on the search path of the main connection, and only there."""
OFFLINE_SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

STARVED = (
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    duckdb.FatalException,
)
"""What the engine raises when it lacks disk, memory or a permission.

One connection writes, so that a transaction can fail only where its files cannot be written.
"""
BLAMELESS = (*STARVED, duckdb.InternalException)
"""Errors that are never the fault of a model or a preset: those, and what the engine says of a fault of its own."""
_SIGNALS = ("KeyboardInterrupt", "TerminationSignal")
"""What Python, and Prefect, raise when a signal asks a process to end."""
_GIVEN_UP = "database has been invalidated because of a previous fatal error"
"""What the engine says to every statement after such an error."""
DAMAGED = ("Corrupt database file", "Could not read enough bytes", "not a valid DuckDB database file")
"""What the engine says, in errors of several classes, of a file that does not hold what was written into it."""
SECRET_SPILL = {"temp_file_encryption": "true", "force_mbedtls_unsafe": "true"}
"""Spill files hold what was read, so they are encrypted, with a key that only this process has. DuckDB's own cipher
asks for the second setting; without it every run that spills would fail."""

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Warehouse:
    """An open working copy; `connection` has both files attached and the macros loaded."""

    connection: Connection

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Connection:
        """Run one statement with bound parameters."""
        return self.connection.execute(sql, dict(parameters)) if parameters else self.connection.execute(sql)

    def value(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the only row of a query."""
        rows = self.execute(sql, parameters).fetchall()
        return rows[0][0] if rows else None

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of a query as dictionaries."""
        result = self.execute(sql, parameters)
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def build(self, model: Model, parameters: Mapping[str, Any]) -> int:
        """Create the model's table anew with its comments; returns its number of rows."""
        target = qualified(model)
        bound = {name: parameters[name] for name in model.parameters}
        try:
            kind = "temporary table" if model.kept == "batch" else "table"
            rows = int(self.value(f"create or replace {kind} {target} as\n{model.sql}", bound))
            if model.kept in ("published", "private"):  # the others are gone when the run ends
                self.comment(model)
            return rows
        except BLAMELESS:
            raise
        except duckdb.Error as error:
            raise ModelError(
                f"The model {model.layer}/{model.name}.sql failed: {first_line(error)}.",
                fix="see it with: journey-mining models --show " + model.name,
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is written while the context lasts is undone when it ends with an error."""
        self.execute("begin transaction")
        try:
            yield
        except BaseException:
            # After a fault of the engine nothing can be undone, nor need it be: its files are given up with the run.
            with suppress(duckdb.FatalException):
                self.execute("rollback")
            raise
        self.execute("commit")

    def comment(self, model: Model) -> None:
        """Attach the purpose and the column meanings to the model's table."""
        grain = f" Grain: one row per {', '.join(model.grain)}." if model.grain else ""
        self.comment_table(qualified(model), model.purpose + grain, model.columns)

    def comment_table(self, table: str, purpose: str, columns: Mapping[str, str]) -> None:
        """Comment a table and those of the columns that it has."""
        self.execute(f"comment on table {table} is {quoted(purpose)}")
        present = {row["column_name"] for row in self.rows(f"describe {table}")}
        for column in sorted(columns.keys() & present):
            self.execute(f'comment on column {table}."{column}" is {quoted(columns[column])}')

    def append(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table that has their columns; one by one they would take milliseconds each."""
        self.connection.register("appended_rows", rows)
        try:
            self.execute(f"insert into {table} by name select * from appended_rows")
        finally:
            self.connection.unregister("appended_rows")

    def close(self) -> None:
        """Write the files that stay and let go of them, and end."""
        self.release()
        self.end()

    def release(self) -> None:
        """Write the files that stay and let go of them: whole, they may be moved; nothing more can be asked."""
        self.checkpoint()
        self.execute(f"set search_path = '{TOUCHED}'")
        for name in KEPT:
            self.execute(f"detach {name}")

    def end(self) -> None:
        """Give back the memory, and remove the file that does not stay."""
        scratch = self.value("select path from duckdb_databases() where database_name = 'scratch'")
        self.connection.close()
        if scratch:
            Path(scratch).unlink(missing_ok=True)

    def checkpoint(self) -> None:
        """Write the files that stay, as far as nobody reads them."""
        for name in KEPT:
            self.execute(f"checkpoint {name}")


def checkpoint_early(connection: Connection) -> None:
    """Write what was committed into the files that stay, so that closing them is quick, while others may read.

    A reader that just begins or ends is in the way for a moment; where one always is, closing does all of it.
    """
    for name in KEPT:
        for _ in range(_CHECKPOINT_TRIES):
            try:
                connection.execute(f"checkpoint {name}")
                break
            except duckdb.TransactionException:
                sleep(_CHECKPOINT_PAUSE_SECONDS)


def qualified(model: Model) -> str:
    """The full name of the model's table."""
    catalog = {"published": "published", "private": "store", "run": "scratch", "batch": "temp"}[model.kept]
    return f"{catalog}.main.{model.name}"


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """A SQL identifier.

    >>> quoted_name('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def first_line(error: Exception) -> str:
    """The first line of an error's text; of an error about data without the values, which may name a person."""
    text = str(error).strip().split("\n", 1)[0].rstrip(".")
    if not isinstance(error, duckdb.DataError | duckdb.InternalError | duckdb.InvalidInputException):
        return text
    if isinstance(error, duckdb.InvalidInputException) and "not provided" not in text:
        return text.split(":", 1)[0]
    text = re.sub(r"(with value ).*(?= can't)", r"\1…", text)
    return re.sub(r"""['"].*['"]?|\([^)]*\)|\b[0-9][^ ]*""", "…", text)


def is_interruption(error: BaseException | None) -> bool:
    """Whether an error comes from a signal: DuckDB makes another of one that arrives while a query runs.

    Where the query calls a Python function, or reads what one yields, the signal's own error is a part of the text.
    """
    while error is not None:
        text = str(error)
        if isinstance(error, KeyboardInterrupt) or text == "Query interrupted":
            return True
        if isinstance(error, duckdb.Error) and any(name in text for name in _SIGNALS):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def keeping_interrupts() -> Iterator[None]:
    """Let what interrupts the process be a KeyboardInterrupt also while a query runs."""
    try:
        yield
    except Exception as error:
        if not is_interruption(error):
            raise
        raise KeyboardInterrupt from error


@contextmanager
def clear_errors(name: str) -> Iterator[None]:
    """Turn an error of the disk, the memory or a permission, met while doing `name`, into one that says what to do."""
    try:
        with keeping_interrupts():
            yield
    except duckdb.OutOfMemoryException as error:
        raise JourneyMiningError(
            f"'{name}' needs more memory, or room to spill: {first_line(error)}.",
            fix="raise `memory_limit:` in journey.yaml or free disk space, and run again; the published snapshot stands",
        ) from error
    except duckdb.InternalException as error:
        raise JourneyMiningError(
            f"'{name}' met a fault of DuckDB {duckdb.__version__} itself: {first_line(error)}.",
            fix="run again; the published snapshot stands; where it comes back, try `threads: 1` in journey.yaml, "
            "and tell DuckDB's makers",
        ) from error
    except duckdb.FatalException as error:
        if _GIVEN_UP not in str(error):
            raise _starved(name, error) from error
        raise JourneyMiningError(
            f"'{name}' cannot go on: DuckDB gave the files of the run up after an error that it met before.",
            fix="see that error among the messages before; free disk space if it lacks, and run again; the published "
            "snapshot stands",
        ) from error
    except (*STARVED, OSError) as error:
        raise _starved(name, error) from error
    except duckdb.Error as error:
        if not tells_damage(error):
            raise
        raise JourneyMiningError(
            f"'{name}' met a damaged file: {first_line(error)}.",
            fix="check the disk, and run again; the published snapshot stands",
        ) from error


def _starved(name: str, error: Exception) -> JourneyMiningError:
    return JourneyMiningError(
        f"'{name}' could not read or write: {first_line(error)}.",
        fix="free disk space, check the folder's permissions, and run again; the published snapshot stands",
    )


def tells_damage(error: Exception) -> bool:
    """Whether an error comes from a damaged database file."""
    return any(text in str(error) for text in DAMAGED)


def find_damage(path: Path) -> str | None:
    """What reading the whole of a published file meets; None for a sound one."""
    try:
        with open_attached(path) as connection:
            tables = connection.execute(
                "select table_name from duckdb_tables() where database_name = 'published'"
            ).fetchall()
            for (name,) in tables:
                connection.execute(f"select bit_xor(hash(t)) from {quoted_name(name)} as t").fetchall()
    except JourneyMiningError as error:
        return error.what
    except duckdb.Error as error:
        return first_line(error)
    return None


def open_warehouse(
    published: Path,
    store: Path,
    spill: Path,
    prepare: Callable[[Connection], None],
    memory_limit: str = "6GB",
    threads: int | None = None,
    row_group_rows: int = WHOLE_GROUP_ROWS,
) -> Warehouse:
    """A warehouse over the two files, created when they are missing; spill files are encrypted.

    `prepare` registers the Python functions that the macros call. `row_group_rows` is how many rows a row group that is
    written takes at most.
    """
    shutil.rmtree(spill, ignore_errors=True)
    spill.mkdir(parents=True, mode=0o700)
    settings = {**OFFLINE_SETTINGS, "memory_limit": memory_limit, "temp_directory": str(spill)}
    connection = duckdb.connect(config={**settings, **SECRET_SPILL})
    connection.execute("set TimeZone = 'UTC'")
    # Few checkpoints, since each writes blocks that the next one writes again; but what waits for one stays in memory.
    connection.execute("set checkpoint_threshold = '512MB'")
    connection.execute(f"set threads = {threads or os.cpu_count() or 1}")
    scratch = spill / "scratch.duckdb" if str(published) != ":memory:" else published
    options = f"storage_version {quoted(STORAGE_VERSION)}, row_group_size {row_group_rows}, {WORKING}"
    for name, path in (("published", published), ("store", store), ("scratch", scratch)):
        connection.execute(f"attach {quoted(str(path))} as {name} ({options})")
    connection.execute("attach ':memory:' as touched")
    connection.execute(f"set search_path = '{TOUCHED},{SEARCH_PATH}'")
    connection.execute((sql_folder() / "store" / "tables.sql").read_text(encoding="utf-8"))
    prepare(connection)
    load_macros(connection)
    return Warehouse(connection)


def rewrite_database(path: Path, memory_limit: str = "6GB", threads: int | None = None) -> None:
    """Write a closed database file anew: what was deleted from it leaves its bytes too."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    settings = {**OFFLINE_SETTINGS, **SECRET_SPILL, "memory_limit": memory_limit}
    with duckdb.connect(config={**settings, "temp_directory": str(path.parent / "spill")}) as connection:
        connection.execute(f"set threads = {threads or os.cpu_count() or 1}")
        connection.execute(f"attach {quoted(str(path))} as former (read_only)")
        connection.execute(f"attach {quoted(str(new))} as anew (storage_version {quoted(STORAGE_VERSION)})")
        connection.execute("copy from database former to anew")
        connection.execute("checkpoint anew")
    os.replace(new, path)


def load_macros(connection: Connection) -> None:
    """Create the temporary macros of sql/macros, which presets and models share."""
    for path in sorted((sql_folder() / "macros").glob("*.sql")):
        connection.execute(path.read_text(encoding="utf-8"))


def open_readonly(path: Path) -> Connection:
    """A read-only connection on a published file; raises an error a user can act on."""
    with clear_errors(f"opening {path}"):
        is_there = path.is_file()
    if not is_there:
        raise JourneyMiningError(
            f"{path} does not exist.", fix="publish a snapshot first: journey-mining run"
        )
    try:
        connection = duckdb.connect(str(path), read_only=True, config=dict(OFFLINE_SETTINGS))
        connection.execute("set TimeZone = 'UTC'")
        return connection
    except duckdb.Error as error:
        raise unreadable(path, "opened", error) from error


@contextmanager
def reading(path: Path) -> Iterator[Connection]:
    """A read-only connection on a published file while the block runs; also damage that shows later is such an error."""
    with open_readonly(path) as connection:
        try:
            yield connection
        except duckdb.Error as error:
            if not tells_damage(error) and not isinstance(error, duckdb.IOException):
                raise
            raise unreadable(path, "read", error) from error


def unreadable(path: Path, done: str, error: duckdb.Error) -> JourneyMiningError:
    """The error of a published file that cannot be opened or read."""
    return JourneyMiningError(
        f"{path} cannot be {done}: {first_line(error)}.",
        fix="the file is damaged: restore it from a backup, set `current` back to an older snapshot, or publish anew: "
        "journey-mining run --rebuild"
        if tells_damage(error)
        else None,
    )


def open_attached(path: Path) -> Connection:
    """A connection of its own with a published file attached read-only, as the database in use.

    A file that is opened by its path is shared by the whole process, with all settings; an attached one is not, so that
    one snapshot may be opened several times.
    """
    try:
        connection = duckdb.connect(config=dict(OFFLINE_SETTINGS))
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set python_enable_replacements = false")
        connection.execute(f"attach {quoted(str(path))} as published (read_only)")
        connection.execute("use published")
        return connection
    except duckdb.Error as error:
        raise unreadable(path, "opened", error) from error
