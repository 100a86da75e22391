"""A published file whose bytes are not those that were written is named, with the way out, and nothing is published."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from processes import finish, run, tell_run, told
from shop import home_of, left_behind, published

from journey_mining.cli import main
from journey_mining.publication import DATABASE, Home
from journey_mining.warehouse import open_readonly

HEADER_BYTES, BLOCK_BYTES = 3 * 4096, 1 << 18
"""A DuckDB file: three headers, then blocks."""


def overwrite(path: Path, table: str) -> None:
    """Turn over the bytes of the blocks in which a table lies."""
    with open_readonly(path) as connection:
        blocks = connection.execute(
            f"select distinct block_id from pragma_storage_info('{table}') where block_id >= 0"
        ).fetchall()
    content = bytearray(path.read_bytes())
    for (block,) in blocks:
        begin = HEADER_BYTES + block * BLOCK_BYTES
        content[begin : begin + BLOCK_BYTES] = bytes(
            byte ^ 0x55 for byte in content[begin : begin + BLOCK_BYTES]
        )
    assert blocks
    path.write_bytes(content)


def damage_store(home: Home) -> Path:
    """The store, with its events damaged."""
    path = home.store_of(str(home.current_name()))
    overwrite(path, "staged_events")
    return path


def damage_database(home: Home) -> Path:
    """The database, with tables damaged that commands read; a night reads only what it renews."""
    path = home.snapshots / str(home.current_name()) / DATABASE
    for table in ("audits", "events"):
        overwrite(path, table)
    return path


def cut_database(home: Home) -> Path:
    """The database, of which the end is missing."""
    path = home.snapshots / str(home.current_name()) / DATABASE
    path.write_bytes(path.read_bytes()[:20_000])
    return path


def ask(config: Path, *arguments: str) -> Result:
    """A command on the shop."""
    return CliRunner().invoke(main, [*arguments, "--config", str(config)])


@pytest.mark.parametrize("damage", [damage_store, cut_database])
def test_a_night_names_the_damaged_file(
    damage: Callable[[Home], Path], shop: Path, new: dict[str, str]
) -> None:
    """It says which one, not the copy that the run was about to work on; --rebuild publishes anew."""
    home = home_of(shop)
    name = home.current_name()
    path = damage(home)
    code, message = told(tell_run, shop)
    assert code == 1, message
    assert f"{path} is damaged" in message
    assert "restore this file from a backup" in message
    assert "--rebuild" in message
    assert ("ln -sfn snapshots/" in message) is (damage is damage_store)
    assert home.current_name() == name
    assert finish(run, shop, True) == 0
    tables = published(shop)
    assert {
        table for table in tables if not table.startswith("store.") and tables[table] != new[table]
    } == set()


def test_rebuilding_needs_no_database(shop: Path) -> None:
    """Also when files are gone, so that the store is kept, a damaged database is not renewed but made anew."""
    cut_database(home_of(shop))
    (shop.parent / "shop" / "day01.csv").unlink()
    assert finish(run, shop, True) == 0
    assert ask(shop, "status").exit_code == 0


def test_commands_name_the_damaged_file(shop: Path) -> None:
    """Whether the damage shows when the file is opened or only in a table."""
    for damage in (damage_database, cut_database):
        damage(home_of(shop))
        for arguments in (
            ["status"],
            ["sql", "select max(detail) from audits"],
            ["export", "csv", "--out", str(shop.parent / "out")],
        ):
            result = ask(shop, *arguments)
            assert result.exit_code == 1, (arguments, result.output)
            assert f"current/{DATABASE} cannot be" in result.output
            assert "--rebuild" in result.output


def test_a_home_without_its_link_goes_on(shop: Path, new: dict[str, str]) -> None:
    """A copy that dropped links has lost nothing: the next run makes the link anew, and keeps the events of files that are gone."""
    assert finish(run, shop) == 0
    home = home_of(shop)
    name = home.current_name()
    home.current.unlink()
    (shop.parent / "shop" / "day01.csv").unlink()
    assert finish(run, shop) == 0
    assert published(shop)["events"] == new["events"]
    assert (home.snapshots / str(name)).is_dir()
    assert left_behind(shop) == set()


def test_a_folder_in_the_place_of_the_link_is_named(shop: Path, new: dict[str, str]) -> None:
    """A copy that followed links is refused before anything is read; as told, the next run goes on."""
    home = home_of(shop)
    home.current.rename(home.root / "link")
    shutil.copytree(home.root / "link", home.current)
    code, message = told(tell_run, shop)
    assert code == 1, message
    assert f"{home.current} is no link" in message
    shutil.rmtree(home.current)
    (home.root / "link").unlink()
    assert finish(run, shop) == 0
    assert published(shop) == new
