"""Copies of what is published, for other tools: tables, the transition graph, and event logs of process mining."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from journey_mining.config import Config
from journey_mining.errors import ConfigError, JourneyMiningError
from journey_mining.ocel import write_ocel
from journey_mining.publication import DATABASE
from journey_mining.querying import safe_cell
from journey_mining.sources.containment import is_read_from
from journey_mining.warehouse import Connection, quoted, quoted_name, reading
from journey_mining.xes import write_xes

GRAPHS = {
    "graphml": "graph.graphml",
    "json": "graph.json",
    "mermaid": "graph.mmd",
    "dot": "graph.dot",
}
"""Forms of the transition graph, and the file of a snapshot that holds each."""
KINDS = ("parquet", "csv", *GRAPHS, "xes", "ocel")
_ROWS_AT_ONCE = 10_000
_MEMORY = "2GB"
"""What a sort may hold before it spills."""


def require_own_folder(config: Config, kind: str, out: Path) -> None:
    """Raise ConfigError for a folder of the home, or one whose files the next run would read as exports."""
    target = out.resolve()
    if target == config.home_dir or config.home_dir in target.parents:
        raise ConfigError(f"--out: {out} lies in the home folder.", fix="name a folder that is nothing else")
    for name, source in config.sources.items():
        if is_read_from(config, source, target / f"events.{kind}"):
            raise ConfigError(
                f"--out: the files in {out} are read as exports of sources.{name}.",
                fix="name a folder that is nothing else",
            )


def export_snapshot(current: Path, kind: str, out: Path, unit: str = "journeys") -> list[Path]:
    """The files written into `out`: every table (parquet, csv), the graph, or an event log (xes, ocel).

    `unit` is the case of an XES log: journeys or customers. Rows are streamed; what a sort cannot hold in memory is
    spilled into `out`. Raises JourneyMiningError.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if kind in GRAPHS:
            return [Path(shutil.copyfile(current / "graph" / GRAPHS[kind], out / GRAPHS[kind]))]
        with _open_spilling(current / DATABASE, out) as connection:
            if kind == "xes":
                return [_write_whole(out / f"{unit}.xes", lambda path: write_xes(connection, path, unit))]
            if kind == "ocel":
                return [_write_whole(out / "events.ocel.json", lambda path: write_ocel(connection, path))]
            names = connection.execute(
                "select table_name from duckdb_tables() order by table_name"
            ).fetchall()
            return [_export_table(connection, name, kind, out) for (name,) in names]
    except OSError as error:
        raise JourneyMiningError(
            f"{error.filename or out} cannot be copied or written: {error.strerror}.",
            fix="name another folder with --out, or publish first: journey-mining run",
        ) from error


@contextmanager
def _open_spilling(database: Path, out: Path) -> Iterator[Connection]:
    """A connection whose sorts spill beside the export, not beside the published file."""
    with (
        tempfile.TemporaryDirectory(prefix=".spill-", dir=out) as spill,
        reading(database) as connection,
    ):
        connection.execute(f"set temp_directory = {quoted(spill)}")
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        yield connection


def _write_whole(path: Path, write: Callable[[Path], None]) -> Path:
    """The path, once the whole file is written: a stopped export leaves no half of one."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _export_table(connection: Connection, name: str, kind: str, out: Path) -> Path:
    path = out / f"{name}.{kind}"
    if kind == "parquet":
        connection.execute(f"copy {quoted_name(name)} to {quoted(str(path))} (format parquet)")
        return path
    return _write_whole(path, lambda partial: _write_csv(connection, name, partial))


def _write_csv(connection: Connection, name: str, path: Path) -> None:
    result = connection.execute(f"select * from {quoted_name(name)}")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(column[0] for column in result.description or [])
        while rows := result.fetchmany(_ROWS_AT_ONCE):
            writer.writerows([safe_cell(value) for value in row] for row in rows)
