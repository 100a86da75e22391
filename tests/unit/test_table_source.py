"""Any event log through the `table` preset: what its rows become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journey_mining.pipeline import run_all
from journey_mining.querying import run_query

Publish = Callable[..., Callable[[str], list[tuple[Any, ...]]]]


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Publish the rows of CSV files; returns a query function."""

    def run(*files: str) -> Callable[[str], list[tuple[Any, ...]]]:
        (tmp_path / "log").mkdir(exist_ok=True)
        for number, text in enumerate(files):
            (tmp_path / "log" / f"part{number}.csv").write_text(text)
        (tmp_path / "journey.yaml").write_text(
            "sources:\n  log: {system: table, path: log/, timezone: UTC}\n"
        )
        published = run_all(tmp_path / "journey.yaml").published
        assert published is not None
        return lambda sql: run_query(published / "journeys.duckdb", sql)[1]

    return run


def test_identical_rows_without_an_id_are_separate_events(publish: Publish) -> None:
    """Two equal rows of one file are two events; the same rows in another file are the same two."""
    text = "customer_id,occurred_at,touchpoint\n" + "a,2026-01-01 10:00:00,home\n" * 2
    query = publish(text, text)
    assert query("select count(*) from events") == [(2,)]
    assert query("select event_count, duplicate_count from source_files order by path") == [(2, 0), (0, 2)]


def test_visitors_without_a_customer_id_are_told_by_what_they_have(publish: Publish) -> None:
    """What two cookies, addresses or phones do at the same moment are two events, also in two files."""
    header = "customer_id,cookie,email,phone,occurred_at,touchpoint\n"
    rows = [
        f",{who},2026-01-01 10:00:00,home\n"
        for who in ("k1,,", "k2,,", ",a@x.org,", ",b@x.org,", ",,+4930123456", ",,+4930123457")
    ]
    query = publish(*(header + row for row in rows), header + "".join(rows))
    assert query("select count(*), count(distinct customer_id) from events") == [(6, 6)]
    assert query("select sum(event_count), sum(duplicate_count) from source_files") == [(6, 6)]


def test_a_native_id_tells_repeats(publish: Publish) -> None:
    """With an event_id of its own a repeated row is a duplicate, within a file too."""
    query = publish("event_id,customer_id,occurred_at,touchpoint\n" + "7,a,2026-01-01 10:00:00,home\n" * 2)
    assert query("select event_count, duplicate_count from source_files") == [(1, 1)]


def test_an_object_needs_no_type_but_people_are_none(publish: Publish) -> None:
    """An object_id without a type is kept; the id of a person is an identifier and is not published."""
    query = publish(
        "customer_id,occurred_at,touchpoint,object_type,object_id\n"
        "a,2026-01-01 10:00:00,order,,o-1\n"
        "a,2026-01-01 11:00:00,change,Customers,person-4711\n"
    )
    assert query("select object_id from events order by occurred_at") == [("o-1",), (None,)]


def test_blanks_around_an_identifier_do_not_count(publish: Publish) -> None:
    """A tab or a no-break space around an id makes no other customer, and a blank id names nobody."""
    query = publish(
        "customer_id,occurred_at,touchpoint\n"
        "a,2026-01-01 10:00:00,home\n\ta\u00a0,2026-01-01 10:01:00,home\n\t,2026-01-01 10:02:00,home\n"
    )
    assert query(
        "select count(distinct customer_id), count(*) filter (where customer_id is null) from events"
    ) == [(1, 1)]


@pytest.mark.parametrize("moment", ["1.7e9", "86400", "1767225600"])
def test_a_bare_number_is_no_time(publish: Publish, moment: str) -> None:
    """An epoch in the wrong place is quarantined, not guessed at."""
    query = publish(f"customer_id,occurred_at,touchpoint\na,2026-01-01 10:00:00,home\nb,{moment},home\n")
    assert query("select count(*) from events") == [(1,)]
    assert query("select event_count, quarantined_count from source_files") == [(1, 1)]
