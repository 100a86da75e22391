"""A shop of a dozen customers whose exports come in two deliveries, and what is published of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from journey_mining.config import load_config
from journey_mining.publication import DATABASE, Home
from journey_mining.warehouse import open_readonly

CONFIG = """\
home: journeys
keep_snapshots: 1
memory_limit: 500MB
threads: 1
sources:
  shop: {system: table, path: shop/}
"""
HEADER = "event_id,customer_id,cookie,occurred_at,touchpoint,channel,value\n"
TIMES_APART = {
    "runs": "exclude (run_id, started_at, seconds)",
    "run_history": "exclude (run_id, started_at, seconds)",
    "files": "exclude (changed_ns)",
}
"""Columns that tell runs apart that read the same, and copies of a file."""
HISTORY = {"runs", "run_history", "files_before"}
"""Tables that tell how often something ran."""


def write_day(folder: Path, day: int, customers: int = 12) -> None:
    """Write the export of a day of March 2026; one of its lines is no event."""
    rows = []
    for number in range(customers):
        who = f"c{number}" if number % 3 else ""
        for step, event in enumerate(
            ["home page", "product page", "cart", "purchase"][: 1 + (number + day) % 4]
        ):
            at = f"2026-03-{day:02}T{8 + number:02}:{step:02}:00Z"
            rows.append(
                f"{day}-{number}-{step},{who},k{number},{at},{event},web,{number if step == 3 else ''}"
            )
    rows.append(f"{day}-bad,c1,k1,not a time,cart,web,")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"day{day:02}.csv"
    file.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    os.utime(file, (day, customers))


def write_shop(root: Path, settings: str = CONFIG) -> Path:
    """The journey.yaml of the shop with the first delivery."""
    write_day(root / "shop", 1)
    (root / "journey.yaml").write_text(settings, encoding="utf-8")
    return root / "journey.yaml"


def deliver_more(config_path: Path) -> None:
    """The second delivery: a new file, and the first one corrected."""
    write_day(config_path.parent / "shop", 2)
    write_day(config_path.parent / "shop", 1, customers=13)


def copied(template: Path, root: Path) -> Path:
    """The journey.yaml of a copy of a shop with all that it published."""
    shutil.copytree(template.parent, root, symlinks=True)
    return root / "journey.yaml"


def home_of(config_path: Path) -> Home:
    """The home of a configuration."""
    return Home(load_config(config_path).home_dir)


def published(config_path: Path, apart: set[str] = HISTORY) -> dict[str, str]:
    """Hash of the content of each table of the published database and of the store that belongs to it.

    Fails when a part of the snapshot is missing or of another run.
    """
    home = home_of(config_path)
    name = home.current_name()
    assert name is not None
    with open_readonly(home.current / DATABASE) as database, open_readonly(home.store_of(name)) as store:
        # Not by identifier: those of two runs that start within a second say nothing about their order.
        last = "select run_id from {} order by started_at desc limit 1"
        run_id = database.execute(last.format("runs")).fetchall()[0][0]
        assert name.endswith(run_id)
        assert store.execute(last.format("run_history")).fetchall()[0][0] == run_id
        assert run_id in (home.current / "run.json").read_text(encoding="utf-8")
        assert (
            (home.current / "report" / "index.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
        )
        return {**hashed(database, apart), **{f"store.{k}": v for k, v in hashed(store, apart).items()}}


def hashed(connection: Any, apart: set[str] = HISTORY) -> dict[str, str]:
    """Hash of each table's rows in an order of their own."""
    names = [row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()]
    return {
        name: connection.execute(
            f"select count(*) || ' rows ' || md5(coalesce(string_agg(t::varchar, chr(10) order by t::varchar), '')) "
            f'from (select * {TIMES_APART.get(name, "")} from "{name}") as t'
        ).fetchall()[0][0]
        for name in sorted(set(names) - apart)
    }


def left_behind(config_path: Path) -> set[str]:
    """Everything in the home that belongs to no published snapshot."""
    home = home_of(config_path)
    names = set((home.private / "published").read_text(encoding="utf-8").split())
    assert len(names) <= 2
    known = {"lock", "published", "key", "last_run.json", *(f"{name}.duckdb" for name in names)}
    return (
        ({path.name for path in home.snapshots.iterdir()} - names)
        | ({path.name for path in home.private.iterdir()} - known)
        | ({path.name for path in home.root.iterdir()} - {"private", "snapshots", "current"})
    )
