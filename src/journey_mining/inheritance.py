"""What a run takes over from the last one: its store, or nothing, and the sources that must be read again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from journey_mining.config import Config
from journey_mining.errors import ConfigError, SourceError
from journey_mining.models import fingerprint, sql_folder
from journey_mining.publication import Home
from journey_mining.sources.keys import KEY_VARIABLE, read_keys
from journey_mining.sources.ledger import list_files, reading_fingerprint
from journey_mining.warehouse import Connection, Warehouse, open_readonly

_SHOWN = 3


@dataclass(frozen=True)
class Inheritance:
    """Whether the last store is kept, and which of its sources are read again all the same."""

    keeps_store: bool
    reads_again: frozenset[str] = frozenset()


def store_format() -> str:
    """Hash of the store's tables: a store of another format cannot be kept."""
    return fingerprint([sql_folder() / "store" / "tables.sql"])


def inherit_store(home: Home, config: Config, key_id: str, rebuild: bool) -> Inheritance:
    """What can be kept of the published store.

    A key that is still known may be replaced; one that is not is more likely to be missing by mistake. Files that are
    no longer on disk cannot be read again, so their events are kept where that is possible. Raises ConfigError or
    SourceError where something would be lost and `rebuild` does not say that it may go.
    """
    name = home.current_name()
    if name is None or not home.store_of(name).is_file():
        return Inheritance(False)
    with open_readonly(home.store_of(name)) as connection:
        known = _read_known(connection)
        missing = _list_missing(connection, config)
    is_readable = known.store_format == store_format() and known.key_id == key_id
    if not is_readable:
        if not rebuild:
            _require_key(home.private, known.key_id)
            _require_files(missing)
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


def _list_missing(connection: Connection, config: Config) -> dict[str, int]:
    """Path -> events of the files of configured sources that told events and are no longer on disk."""
    query = "select source, path, event_count from files where event_count > 0 order by source, path"
    present = {
        (name, file.relative)
        for name, source in config.sources.items()
        for file in list_files(config, name, source)
    }
    return {
        path: count
        for source, path, count in connection.execute(query).fetchall()
        if source in config.sources and (source, path) not in present
    }


def _require_key(private: Path, key_id: str | None) -> None:
    known = read_keys(private)
    if key_id is not None and key_id not in known:
        raise ConfigError(
            f"The key of the published snapshot (id {key_id}) is not known any more.",
            found="known: " + ", ".join(known),
            expected=f"that key in {KEY_VARIABLE} or {private / 'key'}, where a newer one may follow it",
            fix="bring it back, or run with --rebuild: every customer and event then gets another id",
        )


def _require_files(missing: dict[str, int]) -> None:
    if missing:
        shown = ", ".join(list(missing)[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        raise SourceError(
            f"Everything must be read again, and files are gone ({len(missing)}, with {sum(missing.values()):,} events).",
            found=shown,
            expected="the files that were read before: the key or the form of the store has changed",
            fix="bring the files (or the former key) back, or run with --rebuild, which forgets those events",
        )
