"""What a run takes over from the last one: its store, or nothing, and the sources that must be read again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from journey_mining.config import Config
from journey_mining.errors import SourceError
from journey_mining.models import fingerprint, sql_folder
from journey_mining.sources.ledger import list_files, reading_fingerprint
from journey_mining.warehouse import Connection, Warehouse, open_readonly


@dataclass(frozen=True)
class Inheritance:
    """Whether the last store is kept, and which of its sources are read again all the same."""

    keeps_store: bool
    reads_again: frozenset[str] = frozenset()


def store_format() -> str:
    """Hash of the store's tables: a store of another format cannot be kept."""
    return fingerprint([sql_folder() / "store" / "tables.sql"])


def inherit_store(store: Path | None, config: Config, key_id: str, rebuild: bool) -> Inheritance:
    """What can be kept of the published store.

    Files that are no longer on disk cannot be read again, so their events are kept where that is possible. Raises
    SourceError where it is not and `rebuild` does not say that they may go.
    """
    if store is None or not store.is_file():
        return Inheritance(False)
    with open_readonly(store) as connection:
        known = _read_known(connection)
        missing = _list_missing(connection, config)
    is_readable = known.store_format == store_format() and known.key_id == key_id
    if not is_readable:
        if missing and not rebuild:
            raise _cannot_keep(missing, "format" if known.key_id == key_id else "key")
        return Inheritance(False)
    again = frozenset(
        name
        for name in config.sources
        if rebuild or known.readings.get(name) != reading_fingerprint(config, name)
    )
    if again == frozenset(config.sources) and not missing:
        return Inheritance(False)
    return Inheritance(True, again)


def write_store_key(warehouse: Warehouse, key_id: str) -> None:
    """Note in the store what the next run compares."""
    warehouse.execute("create or replace table store.main.store_key (store_format varchar, key_id varchar)")
    warehouse.execute("insert into store.main.store_key values ($f, $k)", {"f": store_format(), "k": key_id})


@dataclass(frozen=True)
class _Known:
    store_format: str | None = None
    key_id: str | None = None
    readings: dict[str, str] = field(default_factory=dict)


def _read_known(connection: Connection) -> _Known:
    """Format, key and fingerprints of a store; all unknown for one of before they were noted."""
    try:
        rows = connection.execute("select store_format, key_id from store_key").fetchall()
        readings = dict(connection.execute("select source, fingerprint from readings").fetchall())
    except duckdb.Error:
        return _Known()
    return _Known(rows[0][0], rows[0][1], readings) if rows else _Known()


def _list_missing(connection: Connection, config: Config) -> list[str]:
    """Paths of files of configured sources that told events and are no longer on disk."""
    rows = connection.execute("select source, path from files where event_count > 0 order by path").fetchall()
    present = {
        (name, file.relative)
        for name, source in config.sources.items()
        for file in list_files(config, name, source)
    }
    return [path for source, path in rows if source in config.sources and (source, path) not in present]


def _cannot_keep(missing: list[str], reason: str) -> SourceError:
    shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
    return SourceError(
        f"{len(missing)} files are no longer on disk, and their events cannot be taken over: the {reason} of the "
        "private store has changed.",
        found=shown,
        fix="restore these files, or leave their events out with: journey-mining run --rebuild",
    )
