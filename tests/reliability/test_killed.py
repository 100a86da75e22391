"""A run that is killed anywhere leaves the old or the new snapshot, whole; the next run gives what it would have given."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from processes import (
    ERASURE_POINTS,
    FIRST_POINTS,
    POINTS,
    finish,
    forget,
    forget_until,
    run,
    run_until,
    start,
)
from shop import copied, deliver_more, home_of, left_behind, published, write_shop

from journey_mining.inspection import describe_status
from journey_mining.publication import Home
from journey_mining.warehouse import open_readonly

KILLS = 200
QUICK = {
    "after the lock",
    "a model",
    "between store and snapshot",
    "before the link",
    "removing old snapshots",
}
"""Points that are tried in every run of the tests; the others are slow only in sum."""
points = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in POINTS]


def test_the_deliveries_differ(old: dict[str, str], new: dict[str, str]) -> None:
    """Otherwise the tests below could not tell one snapshot from the other."""
    assert old.keys() == new.keys()
    assert len({name for name in old if old[name] != new[name]}) > 10


@pytest.mark.parametrize("point", points)
def test_killed_at(point: str, shop: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """A process that is killed there changes nothing, or everything; the next run converges and cleans up."""
    assert finish(run_until, shop, point) == -signal.SIGKILL
    assert published(shop) == (new if POINTS[point].is_new else old)
    last_run = describe_status(shop)["last_run"]
    assert last_run["state"] == "killed"
    assert finish(run, shop) == 0
    assert published(shop) == new
    assert left_behind(shop) == set()


def test_killed_in_the_first_run(old_shop: Path, tmp_path: Path, old: dict[str, str]) -> None:
    """Without a predecessor nothing is published until all of it is."""
    config = copied(old_shop, tmp_path / "shop")
    unpublish(config)
    for point in ("reading", "between store and snapshot", "before the link"):
        assert finish(run_until, config, point) == -signal.SIGKILL
        assert home_of(config).current_name() is None
    assert finish(run, config) == 0
    assert published(config) == old
    assert left_behind(config) == set()


def unpublish(config: Path) -> None:
    """Leave nothing in the home but its key."""
    home = home_of(config)
    home.current.unlink()
    shutil.rmtree(home.snapshots)
    (home.private / "published").unlink()
    for store in home.private.glob("*.duckdb"):
        store.unlink()


def test_killed_while_the_key_is_made(tmp_path: Path) -> None:
    """The next run finds a whole key or makes one; with half a key every later run would be refused."""
    config = write_shop(tmp_path)
    for point in FIRST_POINTS:
        assert finish(run_until, config, point) == -signal.SIGKILL
    key = (home_of(config).private / "key").read_text(encoding="ascii")
    assert finish(run, config) == 0
    assert (home_of(config).private / "key").read_text(encoding="ascii") == key
    assert left_behind(config) == set()


@pytest.mark.parametrize("point", ERASURE_POINTS)
def test_killed_while_a_person_is_erased(point: str, shop: Path) -> None:
    """Whoever comes next finishes what was published: a run that is refused, and one that has others to forget."""
    is_new = ERASURE_POINTS[point].is_new
    assert finish(forget_until, shop, "c1", point) == -signal.SIGKILL
    refused = copied(shop, shop.parent.parent / "refused")
    shutil.rmtree(refused.parent / "shop")
    assert finish(run, refused) == 3
    assert (unerased(home_of(refused)) == set()) is is_new
    assert len(receipts(home_of(refused))) == is_new
    assert finish(forget, shop, "c2") == 0
    assert unerased(home_of(shop)) == set()
    assert len(receipts(home_of(shop))) == 1 + is_new
    assert left_behind(shop) == {"receipts"}


def unerased(home: Home) -> set[Path]:
    """The stores that know of no erased person, and the databases beside which there is no store."""
    return {path for path in home.private.glob("*.duckdb") if not count_tombstones(path)} | {
        path for path in home.snapshots.iterdir() if not home.store_of(path.name).exists()
    }


def count_tombstones(store: Path) -> int:
    """How many identifiers of erased persons a store knows."""
    with open_readonly(store) as connection:
        return int(connection.execute("select count(*) from tombstones").fetchall()[0][0])


def receipts(home: Home) -> list[Path]:
    """What was forgotten."""
    return list((home.private / "receipts").glob("*"))


@pytest.mark.slow
def test_killed_at_random_moments(
    old_shop: Path, tmp_path: Path, old: dict[str, str], new: dict[str, str]
) -> None:
    """Hundreds of kills spread over the length of a run: old or new, never a mix; now and then a run must converge."""
    draw = random.Random(20260301)
    seconds = timed_run(fresh(old_shop, tmp_path / "timed"))
    seen = {"old": 0, "new": 0}
    shop = fresh(old_shop, tmp_path / "shop")
    for number in range(KILLS):
        process = start(run, shop)
        process.join(draw.uniform(0, 1.05 * seconds))
        process.kill()
        process.join()
        assert published(shop) in (old, new)
        seen["new" if published(shop) == new else "old"] += 1
        if number % 20 == 19:
            seconds = timed_run(shop)  # other work on the machine may have begun or ended
            assert published(shop) == new
            assert left_behind(shop) == set()
        if published(shop) == new:
            shop = fresh(old_shop, tmp_path / "shop")
    assert min(seen.values()) > 0, seen


def timed_run(config: Path) -> float:
    """Seconds that a run takes."""
    begun = time.perf_counter()
    assert finish(run, config) == 0
    return time.perf_counter() - begun


def fresh(template: Path, root: Path) -> Path:
    """The shop before its second run, in the place of the last one."""
    shutil.rmtree(root, ignore_errors=True)
    config = copied(template, root)
    deliver_more(config)
    return config
