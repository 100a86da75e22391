"""What a run knows of the published one: its files and the runs so far, also when everything is read anew."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from click.testing import CliRunner

from journey_mining import runs
from journey_mining.cli import main
from journey_mining.config import load_config
from journey_mining.errors import SourceError
from journey_mining.inspection import describe_status
from journey_mining.pipeline import run_all
from journey_mining.publication import DATABASE
from journey_mining.sources import found
from journey_mining.warehouse import open_readonly

HEAD = "customer_id,occurred_at,touchpoint\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A journey.yaml over two files, published once."""
    for name, day in (("a", 1), ("b", 2)):
        lines = [f"anna,2026-03-0{day}T09:0{minute}:00Z,page\n" for minute in range(3)]
        (tmp_path / "shop").mkdir(exist_ok=True)
        (tmp_path / "shop" / f"{name}.csv").write_text(HEAD + "".join(lines), encoding="utf-8")
    config = tmp_path / "journey.yaml"
    config.write_text(
        "sources: {shop: {system: table, path: shop/}}\naudits: {min_runs: 1}\n", encoding="utf-8"
    )
    run_all(config)
    return config


def ask(config: Path, query: str) -> list[Any]:
    """Rows of the published database."""
    with open_readonly(config.parent / "journeys" / "current" / DATABASE) as connection:
        return connection.execute(query).fetchall()


def warnings(config: Path) -> dict[str, str]:
    """The audits that warned in the published run, with their detail."""
    return dict(ask(config, "select audit, detail from audits where status = 'warned'"))


@pytest.mark.parametrize("rebuild", [False, True])
def test_the_runs_so_far_are_kept(shop: Path, rebuild: bool) -> None:
    """Also by a run that reads everything anew."""
    run_all(shop, rebuild=rebuild)
    assert ask(shop, "select count(*), count(distinct run_id), max(event_count) from runs") == [(2, 2, 6)]


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_file_that_vanished_is_told_once(shop: Path, rebuild: bool) -> None:
    """The run that misses it warns; the next one knows."""
    (shop.parent / "shop" / "b.csv").unlink()
    run_all(shop, rebuild=rebuild)
    expected = "source=shop, path=shop/b.csv, fate=vanished, record_count_before=3, record_count="
    assert warnings(shop)["files_stay"].startswith(expected)
    run_all(shop)
    assert "files_stay" not in warnings(shop)


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_file_that_is_no_longer_named_leaves(shop: Path, rebuild: bool) -> None:
    """It can be read again, so that it has not vanished: its events go, and the run that lets them go warns."""
    named = shop.read_text(encoding="utf-8")
    shop.write_text(named.replace("path: shop/", "path: shop/a.csv"), encoding="utf-8")
    run_all(shop, rebuild=rebuild)
    assert ask(shop, "select path, event_count from source_files") == [("shop/a.csv", 3)]
    assert ask(shop, "select count(*) from events") == [(3,)]
    expected = "source=shop, path=shop/b.csv, fate=left, record_count_before=3, record_count="
    assert warnings(shop)["files_stay"].startswith(expected)
    shop.write_text(named, encoding="utf-8")
    run_all(shop)
    assert ask(shop, "select count(*) from events") == [(6,)]


def test_a_file_that_is_no_longer_named_leaves_beside_others(shop: Path) -> None:
    """Another source is kept as it was read; of this one, what has vanished stays, and what is there and not named goes."""
    for name in ("c", "d"):
        (shop.parent / f"{name}.csv").write_text(
            f"{HEAD}{name},2026-03-01T09:00:00Z,page\n", encoding="utf-8"
        )
    both = shop.read_text(encoding="utf-8").replace("}}", "}, crm: {system: table, path: '[cd].csv'}}")
    shop.write_text(both, encoding="utf-8")
    run_all(shop)
    (shop.parent / "c.csv").unlink()
    shop.write_text(both.replace("shop/}", "shop/a.csv}"), encoding="utf-8")
    counts = run_all(shop).summary["steps"]["read exports"]
    assert [counts[f"files_{fate}"] for fate in ("kept", "unnamed", "vanished")] == [1, 1, 1]
    files = ask(shop, "select path, status, event_count from source_files order by path")
    assert files == [("c.csv", "vanished", 1), ("d.csv", "read", 1), ("shop/a.csv", "read", 3)]


def test_a_new_key_misses_no_file_that_is_no_longer_named(shop: Path) -> None:
    """Everything is read again, and nothing is gone that could not be."""
    shop.write_text(shop.read_text(encoding="utf-8").replace("shop/", "shop/a.csv"), encoding="utf-8")
    assert CliRunner().invoke(main, ["key", "--new", "--config", str(shop)]).exit_code == 0
    run_all(shop)
    assert ask(shop, "select path, status, event_count from source_files") == [("shop/a.csv", "read", 3)]


def test_sources_that_change_folders_tell_what_is_in_these(tmp_path: Path) -> None:
    """Two sources that swap their folders: each tells what is in its new one, and nothing of the old one stays."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text(
            f"{HEAD}{name},2026-03-01T09:00:00Z,page {name}\n", encoding="utf-8"
        )
    config = tmp_path / "journey.yaml"
    text = "sources: {first: {system: table, path: one/}, second: {system: table, path: two/}}\n"
    config.write_text(text, encoding="utf-8")
    run_all(config)
    config.write_text(
        text.replace("one/", "-").replace("two/", "one/").replace("-", "two/"), encoding="utf-8"
    )
    run_all(config)
    told = ask(config, "select source, touchpoint from events order by source")
    assert told == [("first", "page two"), ("second", "page one")]


def test_a_file_in_a_folder_that_may_not_be_searched_is_kept(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is still there cannot be known, so that it counts as vanished."""
    (shop.parent / "shop" / "b.csv").unlink()

    def refuse(path: Path) -> bool:
        raise PermissionError(path)

    config = load_config(shop)
    assert [found.is_there(config, f"shop/{name}.csv") for name in "ab"] == [True, False]
    monkeypatch.setattr(Path, "is_file", refuse)
    assert not found.is_there(config, "shop/a.csv")


def test_values_that_name_nobody_name_nobody_beside_vanished_files_either(shop: Path) -> None:
    """What is known of an identifier is described anew with the settings of today, and back again."""
    rows = "anna,k1,2026-03-03T09:00:00Z,page\nkiosk,k1,2026-03-03T10:00:00Z,page\nkiosk,,2026-03-04T10:00:00Z,page\n"
    path = shop.parent / "shop" / "c.csv"
    path.write_text("customer_id,cookie,occurred_at,touchpoint\n" + rows, encoding="utf-8")
    gone = shop.parent / "shop" / "d.csv"
    gone.write_text(HEAD + "kiosk,2026-03-05T09:00:00Z,page\n", encoding="utf-8")
    run_all(shop)
    gone.unlink()
    text = shop.read_text(encoding="utf-8")
    query = "select count(*), count(customer_id), count(distinct customer_id) from events"
    assert ask(shop, query) == [(10, 10, 2)]
    shop.write_text(text + "identity: {poisoned: [kiosk]}\n", encoding="utf-8")
    run_all(shop)
    assert ask(shop, query) == [(10, 8, 1)]
    assert ask(shop, "select reason from identity_flags") == [("poisoned",)]
    shop.write_text(text, encoding="utf-8")
    run_all(shop)
    assert ask(shop, query) == [(10, 10, 2)]


@pytest.mark.parametrize("change", ["rebuild", "settings"])
def test_vanished_files_without_an_event_of_their_own_stay_too(shop: Path, change: str) -> None:
    """What they repeat outlives the file that tells it now, and what of them is no event is not forgotten."""
    folder = shop.parent / "shop"
    quoted = (folder / "a.csv").read_text(encoding="utf-8").replace("anna", '"anna"')
    (folder / "copy.csv").write_text(quoted, encoding="utf-8")
    (folder / "bad.csv").write_text(HEAD + "zoe,2026-13-01T10:00:00Z,page\n", encoding="utf-8")
    run_all(shop)
    for name in ("copy", "bad", "b"):
        (folder / f"{name}.csv").rename(shop.parent / f"{name}.csv")
    (shop.parent / "b.csv").rename(folder / "b.csv")
    run_all(shop)
    query = (
        "select path, status, event_count, duplicate_count, quarantined_count from source_files order by path"
    )
    before = ask(shop, query)
    assert [row[1:] for row in before] == [
        ("read", 3, 0, 0),
        ("read", 3, 0, 0),
        ("vanished", 0, 0, 1),
        ("vanished", 0, 3, 0),
    ]
    if change == "settings":
        shop.write_text(shop.read_text(encoding="utf-8") + "retention: 36000 days\n", encoding="utf-8")
    context = run_all(shop, rebuild=change == "rebuild")
    assert context.summary["steps"]["read exports"]["files_read"] == 2
    assert ask(shop, query) == before
    assert ask(shop, "select reason, record_count from quarantine_summary") == [("unreadable time", 1)]
    (folder / "a.csv").write_text(HEAD + "anna,2026-03-01T09:00:00Z,page\n", encoding="utf-8")
    run_all(shop)
    assert ask(shop, "select count(*) from events") == [(6,)]


def test_a_file_that_is_moved_is_the_same_file(shop: Path) -> None:
    """Its line has the new name, nobody misses the old one, and a correction of it replaces what it said."""
    folder = shop.parent / "shop"
    (folder / "a.csv").rename(folder / "z.csv")
    context = run_all(shop)
    assert context.summary["steps"]["read exports"]["files_vanished"] == 0
    told = "select path, f.status, count(*) from events inner join source_files as f using (file_id) group by all order by all"
    assert ask(shop, told) == [("shop/b.csv", "read", 3), ("shop/z.csv", "read", 3)]
    assert ask(shop, "select count(*) from source_files") == [(2,)]
    assert "files_stay" not in warnings(shop)
    (folder / "z.csv").write_text(HEAD + "anna,2026-03-04T09:00:00Z,order\n", encoding="utf-8")
    run_all(shop)
    assert ask(shop, told) == [("shop/b.csv", "read", 3), ("shop/z.csv", "read", 1)]


def test_bytes_that_are_read_otherwise_under_another_name_are_no_move(tmp_path: Path) -> None:
    """JSON in a file that is called CSV tells nothing, so that what told its events stays."""
    (tmp_path / "shop").mkdir()
    lines = '{"customer_id": "anna", "occurred_at": "2026-03-01T09:00:00Z", "touchpoint": "page"}\n'
    (tmp_path / "shop" / "a.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "shop" / "b.csv").write_text(HEAD + "ben,2026-03-01T09:00:00Z,page\n", encoding="utf-8")
    config = tmp_path / "journey.yaml"
    config.write_text("sources: {shop: {system: table, path: shop/}}\n", encoding="utf-8")
    run_all(config)
    (tmp_path / "shop" / "a.jsonl").rename(tmp_path / "shop" / "a.csv")
    run_all(config)
    query = "select path, status, event_count from source_files order by path"
    assert ask(config, query) == [
        ("shop/a.csv", "unrecognised", 0),
        ("shop/a.jsonl", "vanished", 1),
        ("shop/b.csv", "read", 1),
    ]
    assert "path=shop/a.jsonl, fate=vanished" in warnings(config)["files_stay"]


def test_a_vanished_file_that_comes_back_under_another_name_is_that_one(shop: Path) -> None:
    """Also nights later."""
    (shop.parent / "shop" / "a.csv").rename(shop.parent / "a.csv")
    run_all(shop)
    assert "files_stay" in warnings(shop)
    (shop.parent / "a.csv").rename(shop.parent / "shop" / "z.csv")
    run_all(shop)
    query = "select path, status, event_count, duplicate_count from source_files order by path"
    assert ask(shop, query) == [("shop/b.csv", "read", 3, 0), ("shop/z.csv", "read", 3, 0)]


def test_a_source_that_is_renamed_takes_no_vanished_file_along(shop: Path) -> None:
    """Events that cannot be read again go with --rebuild only; a source whose files are all there may go."""
    (shop.parent / "shop" / "b.csv").unlink()
    run_all(shop)
    shop.write_text(shop.read_text(encoding="utf-8").replace("shop:", "store:"), encoding="utf-8")
    with pytest.raises(
        SourceError, match=r"sources\.shop is no longer configured, and 3 of its records"
    ) as caught:
        run_all(shop)
    assert "name the source 'shop' again, or run with --rebuild" in str(caught.value)
    assert ask(shop, "select count(*), min(source) from events") == [(6, "shop")]
    run_all(shop, rebuild=True)
    assert ask(shop, "select count(*), min(source) from events") == [(3, "store")]
    shop.write_text(shop.read_text(encoding="utf-8").replace("store:", "shop:"), encoding="utf-8")
    run_all(shop)
    assert ask(shop, "select count(*), min(source) from events") == [(3, "shop")]


def test_a_file_that_shrank_is_told(shop: Path) -> None:
    """With the records that it had and has."""
    (shop.parent / "shop" / "b.csv").write_text(HEAD + "anna,2026-03-02T09:00:00Z,page\n", encoding="utf-8")
    run_all(shop)
    assert "fate=shrank, record_count_before=3, record_count=1" in warnings(shop)["files_stay"]
    assert "figure=events, found=4.0" in warnings(shop)["runs_steady"]
    report = (shop.parent / "journeys" / "current" / "report" / "index.html").read_text(encoding="utf-8")
    assert "fate=shrank, record_count_before=3, record_count=1" in report
    assert "stitched share" in report


def test_a_store_of_another_version_tells_nothing(shop: Path) -> None:
    """A published store without the columns of today does not stop the run; history begins anew."""
    import duckdb

    (store,) = (shop.parent / "journeys" / "private").glob("*.duckdb")
    with duckdb.connect(str(store)) as connection:
        connection.execute("alter table run_history drop column stitched_share")
        connection.execute("update store_key set store_format = 'of an older version'")
    run_all(shop)
    assert ask(shop, "select count(*) from runs") == [(1,)]


def test_a_run_for_a_past_cutoff_tells_of_itself(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Report, run.json and status show the run that made the tables, not one that saw more or began later."""
    for begun in (datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)):
        monkeypatch.setattr(runs, "datetime", MagicMock(wraps=datetime, now=lambda zone, at=begun: at))
        context = run_all(shop, cutoff="2026-03-01T23:00:00Z")
        told = describe_status(shop)["figures"]
        assert (told["run_id"], told["event_count"]) == (context.run_id, 3)
        headline = json.loads((shop.parent / "journeys" / "current" / "run.json").read_text())["headline"]
        assert headline["cutoff_at"] == "2026-03-01 23:00:00"
    report = (shop.parent / "journeys" / "current" / "report" / "index.html").read_text(encoding="utf-8")
    assert "2026-03-02 09:02" not in report
