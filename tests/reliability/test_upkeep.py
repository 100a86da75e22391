"""Files stay as small as their data, however many nights replace rows in them, and nobody notices the writing anew."""

from __future__ import annotations

import random
from pathlib import Path
from unittest.mock import Mock

import duckdb
import pytest
from shop import CONFIG, HEADER, home_of, published, write_day

from journey_mining import upkeep, warehouse
from journey_mining.pipeline import run_all
from journey_mining.publication import DATABASE
from journey_mining.sources import ledger
from journey_mining.upkeep import NIGHTLY_GROUP_ROWS, has_grown, measure_needed, rewrite_files
from journey_mining.warehouse import (
    STORAGE_VERSION,
    WHOLE_GROUP_ROWS,
    open_attached,
    open_readonly,
    rewrite_database,
)

BLOCK = 1 << 18
"""Bytes of a block: no file is measured more finely."""


def files_of(config_path: Path) -> list[Path]:
    """The published database and the store that belongs to it."""
    home = home_of(config_path)
    return [home.current / DATABASE, home.store_of(str(home.current_name()))]


def needed_by(path: Path) -> int:
    """What a closed file is measured to need."""
    with open_attached(path) as connection:
        return measure_needed(connection, "published")


def is_grown(path: Path) -> bool:
    """Whether a closed file is measured to have grown."""
    with open_attached(path) as connection:
        return has_grown(connection, "published", path)


def with_replaced_rows(path: Path, nights: int) -> Path:
    """A database of 200,000 rows in which each night replaced those of one customer in fifty."""
    draw = random.Random(1)
    with duckdb.connect(config={"threads": "1"}) as connection:
        connection.execute(f"attach '{path}' as grown (storage_version '{STORAGE_VERSION}')")
        connection.execute(
            """create table grown.events as
            select range % 8000 as customer_id, hash(range) as event_id, 'page ' || range % 900 as touchpoint
            from range(200000)"""
        )
        for _ in range(nights):
            touched = draw.sample(range(8000), 160)
            connection.execute(
                "create or replace temp table kept as from grown.events where customer_id in (select unnest($t))",
                {"t": touched},
            )
            connection.execute("delete from grown.events where event_id in (select event_id from kept)")
            connection.execute("insert into grown.events from kept")
            connection.execute("checkpoint grown")
    return path


@pytest.mark.parametrize("nights", [0, 3, 12])
def test_what_a_file_needs_is_what_writing_it_anew_takes(tmp_path: Path, nights: int) -> None:
    """The estimate tells deleted rows and free blocks from data."""
    path = with_replaced_rows(tmp_path / "grown.duckdb", nights)
    needed = needed_by(path)
    rewrite_database(path)
    assert abs(needed - path.stat().st_size) <= 0.15 * path.stat().st_size + 2 * BLOCK


def test_nights_merge_what_they_left_and_leave_whole_groups_alone(tmp_path: Path) -> None:
    """Of a table of whole row groups ten nights write only what they add."""
    with duckdb.connect(config={"threads": "1"}) as connection:
        path = tmp_path / "parts.duckdb"
        attach = f"attach '{path}' as parts (storage_version '{STORAGE_VERSION}', row_group_size"
        connection.execute(f"{attach} {WHOLE_GROUP_ROWS})")
        connection.execute("create table parts.numbers as select range as n from range(300000)")
        connection.execute("detach parts")
        whole = [122_880, 122_880, 54_240]
        for night in range(10):
            connection.execute(f"{attach} {NIGHTLY_GROUP_ROWS})")
            connection.execute("insert into parts.numbers select range + 300000 from range(6000)")
            connection.execute("checkpoint parts")
            groups = list_row_groups(connection)
            assert groups[:3] == whole
            assert max(groups[3:]) <= NIGHTLY_GROUP_ROWS
            assert len(groups) <= len(whole) + (night + 1) * 6000 // NIGHTLY_GROUP_ROWS + 4
            connection.execute("detach parts")


def list_row_groups(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """Rows of the row groups of parts.numbers."""
    found = connection.execute(
        """select sum(count) from pragma_storage_info('parts.numbers') where segment_type <> 'VALIDITY'
        group by row_group_id order by row_group_id"""
    ).fetchall()
    return [int(rows) for (rows,) in found]


def test_a_run_over_what_is_there_writes_small_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run, a rebuild and a run of other rules write whole row groups, a night those that nights can merge."""
    asked: list[int] = []
    monkeypatch.setattr(
        "journey_mining.runs.open_warehouse",
        lambda *given: asked.append(given[-1]) or warehouse.open_warehouse(*given),
    )
    other = CONFIG + "sessions: {inactivity: 10 minutes}\n"
    whole, small = WHOLE_GROUP_ROWS, NIGHTLY_GROUP_ROWS
    runs = (
        (CONFIG, False, whole), (CONFIG, False, small), (CONFIG, True, whole), (CONFIG, False, small),
        (other, False, whole), (other, False, small),
    )  # fmt: skip
    for day, (config, rebuild, _) in enumerate(runs, 1):
        (tmp_path / "journey.yaml").write_text(config, encoding="utf-8")
        write_day(tmp_path / "shop", day)
        run_all(tmp_path / "journey.yaml", rebuild=rebuild)
    assert asked == [rows for _, _, rows in runs]


def test_other_rules_begin_the_published_file_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other rules compute is not written beside what is replaced: the file is that of a rebuild, and the store stays."""
    monkeypatch.setattr("journey_mining.sources.ledger._enter", entering := Mock(wraps=ledger._enter))
    (tmp_path / "journey.yaml").write_text(CONFIG, encoding="utf-8")
    for day in (1, 2, 3):
        write_day(tmp_path / "shop", day)
    run_all(tmp_path / "journey.yaml")
    (home_of(tmp_path / "journey.yaml").current / DATABASE).unlink()  # it is not asked for
    (tmp_path / "journey.yaml").write_text(CONFIG + "sessions: {inactivity: 10 minutes}\n", encoding="utf-8")
    run_all(tmp_path / "journey.yaml")
    assert entering.call_count == 3  # files, each read once
    changed, rows = (
        files_of(tmp_path / "journey.yaml")[0].stat().st_size,
        published(tmp_path / "journey.yaml"),
    )
    run_all(tmp_path / "journey.yaml", rebuild=True)
    assert abs(changed - files_of(tmp_path / "journey.yaml")[0].stat().st_size) <= BLOCK
    assert published(tmp_path / "journey.yaml") == rows


def test_an_empty_database_needs_nothing(tmp_path: Path) -> None:
    """A file without tables is measured too."""
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    assert needed_by(tmp_path / "empty.duckdb") <= BLOCK


def test_many_nights_leave_files_like_a_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight nights: never larger than half as much again, same content and comments, readers undisturbed."""
    monkeypatch.setenv("JOURNEY_MINING_KEY", "5a" * 32)
    monkeypatch.setattr(upkeep, "SMALL_BYTES", 4 * BLOCK)
    monkeypatch.setattr("journey_mining.renewal.MOST_TOUCHED", 1.0)
    for root in (tmp_path / "nights", tmp_path / "once"):
        root.mkdir()
        (root / "journey.yaml").write_text(CONFIG, encoding="utf-8")
    mine, fresh = tmp_path / "nights" / "journey.yaml", tmp_path / "once" / "journey.yaml"
    rewritten = []
    for day in range(1, 9):
        write_day(mine.parent / "shop", day)
        write_day(fresh.parent / "shop", day)
        readers = [open_readonly(path) for path in files_of(mine)] if day > 1 else []
        before = [reader.execute("select count(*) from duckdb_tables()").fetchall() for reader in readers]
        rewritten.append(run_all(mine).summary["steps"]["publish snapshot"]["rewritten_files"])
        for reader, seen in zip(readers, before, strict=True):
            assert reader.execute("select count(*) from duckdb_tables()").fetchall() == seen
            assert reader.execute("select table_name from duckdb_tables() limit 1").fetchall()
            reader.close()
    run_all(fresh)
    assert sum(rewritten) > 0
    assert rewritten[0] == 0
    assert published(mine) == published(fresh)
    for grown, small in zip(files_of(mine), files_of(fresh), strict=True):
        assert grown.stat().st_size <= 1.5 * small.stat().st_size + 8 * BLOCK
        assert described(grown) == described(small)


def described(path: Path) -> list[tuple[str, ...]]:
    """Comments and macros of a database, which a copy must keep."""
    with open_readonly(path) as connection:
        return connection.execute(
            """select table_name, comment from duckdb_tables()
            union all select table_name || '.' || column_name, comment from duckdb_columns() where not internal
            union all select function_name, macro_definition from duckdb_functions() where not internal
            order by all"""
        ).fetchall()


def test_small_files_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 16 MiB a file may be mostly free blocks: copying it costs nothing."""
    path = with_replaced_rows(tmp_path / "grown.duckdb", 3)
    monkeypatch.setattr(upkeep, "MOST_GROWN", 0.0)
    assert path.stat().st_size < upkeep.SMALL_BYTES == 16 << 20
    assert not is_grown(path)
    monkeypatch.setattr(upkeep, "SMALL_BYTES", path.stat().st_size - 1)
    assert is_grown(path)


def test_without_room_the_grown_file_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost by not writing anew, so that a full disk does not stop a night for it; an erasure it does stop."""

    def fill_disk(path: Path, *_: object) -> None:
        path.with_name(f"{path.name}.new").write_bytes(b"half")
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr("journey_mining.pipeline.has_grown", lambda *_: True)
    monkeypatch.setattr(upkeep, "rewrite_database", fill_disk)
    (tmp_path / "journey.yaml").write_text(CONFIG, encoding="utf-8")
    write_day(tmp_path / "shop", 1)
    context = run_all(tmp_path / "journey.yaml")
    assert context.summary["steps"]["publish snapshot"]["rewritten_files"] == 0
    assert not list(tmp_path.rglob("*.new"))
    with pytest.raises(duckdb.IOException):
        rewrite_files(files_of(tmp_path / "journey.yaml"), context.config, erases=True)


@pytest.mark.slow
def test_a_larger_home_is_written_anew_now_and_then(tmp_path: Path) -> None:
    """Of 24 nights a few write a file anew, and none is published with more than half as much again as it needs."""
    (tmp_path / "journey.yaml").write_text(CONFIG.replace("500MB", "2GB"), encoding="utf-8")
    draw, nights = random.Random(1), []
    for day in range(84):
        rows = [
            f"{day}-{who}-{step},c{who},,2026-{1 + day // 28:02}-{1 + day % 28:02}T{draw.randrange(24):02}:00:00Z,"
            f"{draw.choice(['home page', 'product page', 'cart', 'purchase'])},web,"
            for who in draw.sample(range(20_000), 800)
            for step in range(draw.randint(1, 6))
        ]
        (tmp_path / "shop").mkdir(exist_ok=True)
        (tmp_path / "shop" / f"day{day:02}.csv").write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
        if day < 60:
            continue
        nights.append(
            run_all(tmp_path / "journey.yaml").summary["steps"]["publish snapshot"]["rewritten_files"]
        )
        for path in files_of(tmp_path / "journey.yaml"):
            assert path.stat().st_size <= max(1.5 * needed_by(path), upkeep.SMALL_BYTES)
    assert 1 <= sum(nights) <= 12
