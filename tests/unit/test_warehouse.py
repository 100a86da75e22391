"""The early checkpoint: it writes the files where it can, and leaves it to closing them where somebody else writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from journey_mining.sources.load import register_functions
from journey_mining.warehouse import Connection, Warehouse, open_warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    published, store = tmp_path / "published.duckdb", tmp_path / "store.duckdb"
    opened = open_warehouse(published, store, tmp_path / "spill", register_functions)
    opened.execute("create table published.main.numbers as select range as n from range(10)")
    return opened


def test_what_was_committed_is_in_the_file(warehouse: Warehouse, tmp_path: Path) -> None:
    waiting = tmp_path / "published.duckdb.wal"
    assert waiting.stat().st_size
    warehouse.checkpoint_early()
    assert not waiting.exists() or not waiting.stat().st_size
    warehouse.close()


def test_nothing_is_lost_where_somebody_else_writes(warehouse: Warehouse) -> None:
    other = warehouse.connection.cursor()
    other.execute("begin transaction")
    other.execute("insert into published.main.numbers values (99)")
    warehouse.checkpoint_early()
    other.execute("commit")
    other.close()
    assert warehouse.value("select sum(n) from numbers") == 45 + 99
    warehouse.close()


class Obstructed(Warehouse):
    """A warehouse whose files somebody always writes to."""

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Connection:
        """As it is, but that no checkpoint can be made."""
        if sql.startswith("checkpoint"):
            raise duckdb.TransactionException("Cannot CHECKPOINT: there are other write transactions active.")
        return super().execute(sql, parameters)


def test_it_is_given_up_where_it_is_always_obstructed(warehouse: Warehouse, tmp_path: Path) -> None:
    Obstructed(warehouse.connection).checkpoint_early()
    assert (tmp_path / "published.duckdb.wal").stat().st_size
    warehouse.close()
    assert not (tmp_path / "published.duckdb.wal").exists()
