"""The working copy: written early where it can be, and interrupted as what it runs is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

import duckdb
import pytest

from journey_mining.errors import JourneyMiningError, ModelError
from journey_mining.models import Model
from journey_mining.sources.load import register_functions
from journey_mining.warehouse import (
    Connection,
    Warehouse,
    checkpoint_early,
    clear_errors,
    keeping_interrupts,
    open_warehouse,
)

GIVEN_UP = "database has been invalidated because of a previous fatal error"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    published, store = tmp_path / "published.duckdb", tmp_path / "store.duckdb"
    opened = open_warehouse(published, store, tmp_path / "spill", register_functions)
    opened.execute("create table published.main.numbers as select range as n from range(10)")
    return opened


def count_numbers(path: Path, tmp_path: Path) -> int | None:
    """Numbers in a file as it is on disk while others have it open; None where the table is not there."""
    shutil.copy(path, tmp_path / "copy.duckdb")
    with duckdb.connect(str(tmp_path / "copy.duckdb")) as connection:
        try:
            return int(connection.execute("select count(*) from numbers").fetchall()[0][0])
        except duckdb.CatalogException:
            return None


def test_what_was_committed_is_in_the_file(warehouse: Warehouse, tmp_path: Path) -> None:
    assert count_numbers(tmp_path / "published.duckdb", tmp_path) is None
    with warehouse.connection.cursor() as beside:
        checkpoint_early(beside)
    assert count_numbers(tmp_path / "published.duckdb", tmp_path) == 10
    warehouse.close()


def test_what_is_let_go_of_is_whole(warehouse: Warehouse, tmp_path: Path) -> None:
    """Somebody else can open the files though the process still gives its memory back."""
    warehouse.release()
    with duckdb.connect(str(tmp_path / "published.duckdb")) as other:
        assert other.execute("select count(*) from numbers").fetchall() == [(10,)]
    with pytest.raises(duckdb.CatalogException):
        warehouse.value("select count(*) from published.main.numbers")
    warehouse.end()
    assert not list((tmp_path / "spill").glob("scratch*"))


def test_no_log_is_written(warehouse: Warehouse, tmp_path: Path) -> None:
    """Nobody opens a working copy after a crash."""
    assert not list(tmp_path.rglob("*.wal"))
    warehouse.close()


def test_nothing_is_lost_where_somebody_else_writes(warehouse: Warehouse) -> None:
    other = warehouse.connection.cursor()
    other.execute("begin transaction")
    other.execute("insert into published.main.numbers values (99)")
    checkpoint_early(warehouse.connection)
    other.execute("commit")
    other.close()
    assert warehouse.value("select sum(n) from numbers") == 45 + 99
    warehouse.close()


def test_it_is_given_up_where_it_is_always_obstructed(warehouse: Warehouse, tmp_path: Path) -> None:
    class Obstructed:
        """A connection to files that somebody always writes to."""

        def execute(self, sql: str) -> None:
            """No checkpoint can be made."""
            raise duckdb.TransactionException("Cannot CHECKPOINT: there are other write transactions active.")

    checkpoint_early(cast(Connection, Obstructed()))
    warehouse.close()
    assert count_numbers(tmp_path / "published.duckdb", tmp_path) == 10


def test_a_signal_within_a_function_that_a_query_calls_is_an_interruption() -> None:
    """DuckDB makes an error of its own of it, and a model or preset would be named as failed."""

    def press(number: int) -> int:
        raise KeyboardInterrupt

    def build(connection: Connection) -> None:
        try:
            connection.execute("select press(range) from range(3)").fetchall()
        except duckdb.Error as error:
            raise ModelError("The model failed.") from error

    with duckdb.connect() as connection:
        connection.create_function("press", press, ["bigint"], "bigint")
        with pytest.raises(KeyboardInterrupt), keeping_interrupts():
            build(connection)


@pytest.mark.parametrize(
    "error", [ModelError("The model failed."), RuntimeError("another"), duckdb.Error("x")]
)
def test_other_errors_are_none(error: Exception) -> None:
    """They are raised as they are."""
    with pytest.raises(type(error)), keeping_interrupts():
        raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (duckdb.InternalException("INTERNAL Error: column 0 of 'anna' is lost"), "'reads' met a fault of DuckDB"),
        (duckdb.FatalException(f"FATAL Error: Failed: {GIVEN_UP}. It must be restarted."), "'reads' cannot go on"),
        (duckdb.FatalException("FATAL Error: No space left on device"), "No space left on device"),
        (duckdb.OutOfMemoryException("Out of Memory Error: could not allocate"), "'reads' needs more memory"),
    ],
)  # fmt: skip
def test_a_fault_of_the_engine_is_told_as_one(error: duckdb.Error, message: str) -> None:
    """Neither the model that was at work nor, without a sign of it, the disk is blamed; no value is quoted."""
    with pytest.raises(JourneyMiningError) as raised, clear_errors("reads"):
        raise error
    assert message in raised.value.what
    assert "anna" not in str(raised.value)
    assert raised.value.fix


@pytest.mark.parametrize(
    "fault", [duckdb.InternalException("INTERNAL Error: lost"), duckdb.OutOfMemoryException("full")]
)
def test_a_model_is_not_blamed_for_a_fault_of_the_engine(fault: duckdb.Error) -> None:
    model = Model("counted", "core", "-- Counts.\nselect 1 as n")

    class Faulty:
        def execute(self, *_: object) -> None:
            raise fault

    with pytest.raises(type(fault)):
        Warehouse(cast(Connection, Faulty())).build(model, {})


def test_what_ended_a_transaction_is_told_where_nothing_can_be_undone() -> None:
    """After a fault of its own the engine refuses to roll back, too."""
    said: list[str] = []

    class Invalidated:
        def execute(self, sql: str) -> None:
            said.append(sql)
            if sql == "rollback":
                raise duckdb.FatalException(GIVEN_UP)

    transaction = Warehouse(cast(Connection, Invalidated())).transaction()
    with pytest.raises(duckdb.InternalException, match="lost"), transaction:
        raise duckdb.InternalException("lost")
    assert said == ["begin transaction", "rollback"]
