"""What a run would lose when it must read everything again: files that are gone, and the key of the former ids."""

from __future__ import annotations

from pathlib import Path

import duckdb

from journey_mining.config import Config
from journey_mining.errors import ConfigError, SourceError
from journey_mining.sources.keys import KEY_VARIABLE, read_keys
from journey_mining.sources.ledger import find_files
from journey_mining.warehouse import Connection, open_readonly

_SHOWN = 3


def require_continuity(config: Config, private: Path, store: Path) -> None:
    """Raise when reading anew would lose what the published `store` holds; only `--rebuild` may do that.

    Everything is read again after a change of key, preset, source settings or engine. A key that is still known may be
    replaced; one that is not is more likely to be missing by mistake. Events of files that are gone cannot be read.
    """
    if not store.is_file():
        return
    with open_readonly(store) as connection:
        try:
            key_ids = [str(row[0]) for row in connection.execute("select key_id from reading").fetchall()]
            held = _held_files(connection)
        except duckdb.Error:
            return
    _require_key(private, key_ids)
    _require_files(config, held)


def _held_files(connection: Connection) -> dict[str, dict[str, int]]:
    """Source -> path -> events of the files that have any."""
    held: dict[str, dict[str, int]] = {}
    query = "select source, path, event_count from files where event_count > 0 order by source, path"
    for source, path, count in connection.execute(query).fetchall():
        held.setdefault(source, {})[path] = count
    return held


def _require_key(private: Path, key_ids: list[str]) -> None:
    known = read_keys(private)
    missing = [key_id for key_id in key_ids if key_id not in known]
    if missing:
        raise ConfigError(
            f"The key of the published snapshot (id {missing[0]}) is not known any more.",
            found="known: " + ", ".join(known),
            expected=f"that key in {KEY_VARIABLE} or {private / 'key'}, where a newer one may follow it",
            fix="bring it back, or run with --rebuild: every customer and event then gets another id",
        )


def _require_files(config: Config, held: dict[str, dict[str, int]]) -> None:
    lost = {
        path: count
        for name, paths in held.items()
        if name in config.sources
        for path, count in paths.items()
        if path not in _present(config, name)
    }
    if lost:
        shown = ", ".join(list(lost)[:_SHOWN]) + (", …" if len(lost) > _SHOWN else "")
        raise SourceError(
            f"Everything must be read again, and files are gone ({len(lost)}, with {sum(lost.values()):,} events).",
            found=shown,
            expected="the files that were read before: the key, a preset, a source's settings or DuckDB has changed",
            fix="bring the files (or the former settings) back, or run with --rebuild, which forgets those events",
        )


def _present(config: Config, name: str) -> set[str]:
    try:
        return {file.relative for file in find_files(config, name, config.sources[name])}
    except SourceError:
        return set()
