"""Work beside the steps of a run: its result, its errors, and that nothing of it outlives the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event

import duckdb
import pytest

from journey_mining.beside import Beside
from journey_mining.warehouse import Connection


@pytest.fixture
def connection() -> Iterator[Connection]:
    with duckdb.connect() as opened:
        for name in ("published", "store", "scratch"):
            opened.execute(f"attach ':memory:' as {name}")
        opened.execute("create table published.main.numbers as select range as n from range(10)")
        yield opened


def test_finish_gives_what_the_work_found(connection: Connection) -> None:
    beside = Beside(connection)
    beside.start("sum", lambda own: own.execute("select sum(n) from numbers").fetchall()[0][0])
    beside.start("count", lambda own: own.execute("select count(*) from numbers").fetchall()[0][0])
    assert (beside.finish("count"), beside.finish("sum")) == (10, 45)
    beside.stop()


def test_an_error_is_raised_where_the_result_is_asked_for(connection: Connection) -> None:
    beside = Beside(connection)
    beside.start("wrong", lambda own: own.execute("select * from nowhere"))
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        beside.finish("wrong")
    beside.stop()


def test_work_waits_for_what_was_started_elsewhere_before(connection: Connection) -> None:
    """Also where that ended with an error, which is for whoever asks for it; not for what is started later."""
    first, second, may_end, later_may_end = Beside(connection), Beside(connection), Event(), Event()
    done: list[str] = []

    def end_later(_: Connection) -> None:
        later_may_end.wait(30)
        done.append("later")

    def fail(_: Connection) -> None:
        may_end.wait(30)
        done.append("first")
        raise ValueError("first")

    first.start("fails", fail)
    second.start("waits", lambda _: done.append("second"), after=first)
    first.start("later", end_later)
    time.sleep(0.05)
    assert done == []
    may_end.set()
    second.finish("waits")
    assert done == ["first", "second"]
    later_may_end.set()
    with pytest.raises(ValueError, match="first"):
        first.finish_all()
    first.finish_all()
    with pytest.raises(KeyError):
        first.finish("later")
    first.stop()
    second.stop()


def test_only_what_has_not_begun_is_taken_back(connection: Connection) -> None:
    beside, begun, may_end = Beside(connection), Event(), Event()

    def wait(_: Connection) -> str:
        begun.set()
        may_end.wait(30)
        return "ended"

    beside.start("begun", wait)
    beside.start("waiting", lambda own: begun.clear())
    assert begun.wait(30)
    assert beside.take_back("waiting")
    assert not beside.take_back("begun")
    may_end.set()
    assert beside.finish("begun") == "ended"
    beside.stop()
    assert begun.is_set(), "what was taken back never begins"
    with pytest.raises(KeyError):
        beside.finish("waiting")


@pytest.mark.parametrize("seconds", [0, 0.2], ids=["at once", "between two queries"])
def test_stop_interrupts_what_goes_on_and_never_begins_what_waits(
    connection: Connection, seconds: float
) -> None:
    beside, begun = Beside(connection), []

    def long_query(own: Connection) -> None:
        begun.append("long")
        time.sleep(seconds)
        own.execute("select count(*) from range(10000000000) as a, range(1000) as b").fetchall()

    beside.start("long", long_query)
    beside.start("waiting", lambda own: begun.append("waiting"))
    while not begun:
        time.sleep(0.01)
    beside.stop()
    assert begun == ["long"]
    with pytest.raises(KeyError):
        beside.finish("long")
