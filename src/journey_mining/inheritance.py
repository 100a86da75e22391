"""What a run takes over from the last one: its store, or nothing, and the sources that must be read again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from journey_mining.config import Config
from journey_mining.derivation import derivation_fingerprint
from journey_mining.errors import ConfigError, JourneyMiningError, SourceError
from journey_mining.models import fingerprint, sql_folder
from journey_mining.publication import DATABASE, Home
from journey_mining.sources.erased import require_keys_of_erased
from journey_mining.sources.found import is_there, list_files, reading_fingerprint
from journey_mining.sources.keys import KEY_VARIABLE, read_keys
from journey_mining.sources.plans import HOLDING_NOTHING
from journey_mining.warehouse import (
    Connection,
    Warehouse,
    find_damage,
    first_line,
    open_readonly,
    tells_damage,
)

_SHOWN = 3


@dataclass(frozen=True)
class Inheritance:
    """Whether the last store is kept, and which of its sources are read again all the same."""

    keeps_store: bool
    reads_again: frozenset[str] = frozenset()
    keeps_derived: bool = False
    """Whether the published tables, and what else is derived, were computed as they would be now."""


def store_format() -> str:
    """Hash of the store's tables: a store of another format cannot be kept."""
    return fingerprint([sql_folder() / "store" / "tables.sql"])


def require_erased(home: Home, rebuild: bool) -> None:
    """Raise ConfigError when the last store, or a key, is gone without which erased persons would come back.

    Without `rebuild` the key of the published snapshot must be known too. Nothing is written: no key is made either.
    """
    name = home.last_name()
    if name is None:
        return
    with _opened_store(home, name) as connection:
        known = _read_known(connection)
        erased_under = _read_erased(connection)
    keys = read_keys(home.private)
    require_keys_of_erased(erased_under, keys)
    if not rebuild:
        _require_key(home.private, keys, known.key_id)


def inherit_store(home: Home, config: Config, key_id: str, rebuild: bool) -> Inheritance:
    """What can be kept of the published store.

    Files that are no longer on disk cannot be read again, so their events are kept where that is possible. Raises
    SourceError or JourneyMiningError where something is gone and `rebuild` does not say that it may go.
    """
    name = home.current_name()
    if name is None:
        return Inheritance(False)
    with _opened_store(home, name) as connection:
        known = _read_known(connection)
        missing = _list_missing(connection, config)
        strangers = _list_strangers(connection, config)
    if not rebuild:
        _require_strangers(strangers)
    is_readable = known.store_format == store_format() and known.key_id == key_id
    if not is_readable:
        if not rebuild:
            _require_files(missing)
        return Inheritance(False)
    again = frozenset(
        name
        for name in config.sources
        if rebuild or known.readings.get(name) != reading_fingerprint(config, name)
    )
    if again == frozenset(config.sources) and not missing:
        return Inheritance(False)
    keeps_derived = not rebuild and known.derivation == derivation_fingerprint(config)
    if keeps_derived:
        _require_database(home.snapshots / name / DATABASE)
    return Inheritance(True, again, keeps_derived)


@contextmanager
def _opened_store(home: Home, name: str) -> Iterator[Connection]:
    """A read-only connection to the store of a snapshot; raises ConfigError when it is missing or cannot be read."""
    path = home.store_of(name)
    if not path.is_file():
        raise _store_lost(home, f"The private store {path} is missing")
    try:
        connection = open_readonly(path)
    except JourneyMiningError as error:
        raise _store_lost(home, f"The private store {path} cannot be read", error.what) from error
    with connection:
        try:
            yield connection
        except duckdb.Error as error:
            raise _store_lost(home, f"The private store {path} cannot be read", first_line(error)) from error


def _store_lost(home: Home, what: str, found: str | None = None) -> ConfigError:
    """The error of a run that does not know any more who was erased.

    Every snapshot that is still there knows it as well, since forgetting removes those before it.
    """
    older = home.older_names()
    return ConfigError(
        f"{what}: it is the record of erased persons, who would come back, with --rebuild too.",
        found=found,
        fix="restore this file from a backup"
        + (f", or go back one snapshot: {_step_back(home, older[-1])}" if older else "")
        + f"; or begin anew: remove {home.current}, {home.snapshots} and {home.private / 'published'}, run, and repeat "
        + f"every request to be forgotten (their dates stand in {home.private / 'receipts'})",
    )


@contextmanager
def naming_damage(home: Home) -> Iterator[None]:
    """Where an error comes from a damaged file, name that of the published snapshot, of which the run has a copy."""
    try:
        yield
    except JourneyMiningError as error:
        is_named = isinstance(error, ConfigError)  # the record of erased persons, see _store_lost
        found = _describe_damage(home) if tells_damage(error) and not is_named else None
        if found is None:
            raise
        raise found from error


def _describe_damage(home: Home) -> JourneyMiningError | None:
    name = home.current_name()
    if name is None:
        return None
    if found := find_damage(home.store_of(name)):
        older = home.older_names()
        return JourneyMiningError(
            f"The private store {home.store_of(name)} is damaged.",
            found=found,
            fix="restore this file from a backup"
            + (f", or go back one snapshot: {_step_back(home, older[-1])}" if older else "")
            + "; or, while no export is gone, read all of them again: journey-mining run --rebuild",
        )
    if found := find_damage(home.snapshots / name / DATABASE):
        return JourneyMiningError(
            f"The published database {home.snapshots / name / DATABASE} is damaged, which this run would renew.",
            found=found,
            fix="restore this file from a backup, or publish anew: journey-mining run --rebuild",
        )
    return None


def _step_back(home: Home, name: str) -> str:
    return f"ln -sfn snapshots/{name} {home.root / 'current'}"


def write_store_key(warehouse: Warehouse, key_id: str) -> None:
    """Note in the store what the next run compares."""
    warehouse.execute("create or replace table store.main.store_key (store_format varchar, key_id varchar)")
    warehouse.execute("insert into store.main.store_key values ($f, $k)", {"f": store_format(), "k": key_id})


@dataclass(frozen=True)
class _Known:
    store_format: str | None = None
    key_id: str | None = None
    readings: dict[str, str] = field(default_factory=dict)
    derivation: str | None = None


def _read_known(connection: Connection) -> _Known:
    """Format, key and fingerprints of a store; all unknown for one of before they were noted."""
    try:
        rows = connection.execute("select store_format, key_id from store_key").fetchall()
        readings = dict(connection.execute("select source, fingerprint from readings").fetchall())
        derived = connection.execute("select fingerprint from derivation").fetchall()
    except duckdb.ProgrammingError:
        return _Known()
    return _Known(rows[0][0], rows[0][1], readings, derived[0][0] if derived else None) if rows else _Known()


def _read_erased(connection: Connection) -> list[str]:
    """The ids of the keys under which persons were erased; every tombstone is read whole, so that damage shows here."""
    query = (
        "select key_id, max(identifier_hash), max(erased_at) from tombstones group by key_id order by key_id"
    )
    try:
        return [str(row[0]) for row in connection.execute(query).fetchall()]
    except duckdb.CatalogException:
        return []


def _list_missing(connection: Connection, config: Config) -> dict[str, int]:
    """Path -> records that cannot be read again, of the files of configured sources that are no longer on disk.

    Those that hold duplicates or quarantined records alone, or none that is kept, have their line in the ledger too.
    """
    for name, source in config.sources.items():
        list_files(
            config, name, source
        )  # raises where a folder cannot be listed: nothing in it counts as gone
    return {
        path: count
        for source, path, count in _list_kept(connection)
        if source in config.sources and not is_there(config, path)
    }


def _list_strangers(connection: Connection, config: Config) -> dict[str, int]:
    """Source -> records in files that are no longer on disk, of sources that are no longer configured."""
    lost: dict[str, int] = {}
    for source, path, count in _list_kept(connection):
        if count and source not in config.sources and not is_there(config, path):
            lost[source] = lost.get(source, 0) + count
    return lost


def _list_kept(connection: Connection) -> list[tuple[str, str, int]]:
    """Source, path and records (events, duplicates, quarantined ones) of the files whose lines stay when they vanish."""
    query = """select source, path, event_count + duplicate_count + quarantined_count from files
        where not list_contains($nothing, status) order by source, path"""
    return connection.execute(query, {"nothing": list(HOLDING_NOTHING)}).fetchall()


def _require_strangers(lost: dict[str, int]) -> None:
    """A source that goes takes its events along, which is no harm while its files can be read again."""
    for source, count in lost.items():
        raise SourceError(
            f"sources.{source} is no longer configured, and {count:,} of its records are in files that are gone.",
            expected="a source of that name, since records are kept by the name of their source",
            fix=f"name the source '{source}' again, or run with --rebuild, which forgets those records",
        )


def _require_key(private: Path, known: Collection[str], key_id: str | None) -> None:
    """A key that is still known may be replaced; one that is not is more likely to be missing by mistake."""
    if key_id is not None and key_id not in known:
        raise ConfigError(
            f"The key of the published snapshot (id {key_id}) is not known any more.",
            found=f"known: {', '.join(known) or 'none'}",
            expected=f"that key in {KEY_VARIABLE} or {private / 'key'}, where a newer one may follow it",
            fix="bring it back, or run with --rebuild: every customer and event then gets another id",
        )


def _require_database(path: Path) -> None:
    if not path.is_file():
        raise JourneyMiningError(
            f"The published database {path} is missing, which this run would renew.",
            fix="restore the folder of this snapshot from a backup, or publish anew: journey-mining run --rebuild",
        )


def _require_files(missing: dict[str, int]) -> None:
    lost = {path: count for path, count in missing.items() if count}
    if lost:
        shown = ", ".join(list(lost)[:_SHOWN]) + (", …" if len(lost) > _SHOWN else "")
        raise SourceError(
            f"Everything must be read again, and files are gone ({len(lost)}, with {sum(lost.values()):,} records).",
            found=shown,
            expected="the files that were read before: the key or the form of the store has changed",
            fix="bring the files (or the former key) back, or run with --rebuild, which forgets those records",
        )
