"""Any split of the input into files, any order of delivery and any repetition gives the tables of one full rebuild."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth import examples
from worlds import Lab

CONFIG = """\
timezone: Europe/Berlin
sources:
  shop: {system: table, path: shop/}
  crm: {system: table, path: crm/}
journeys: {expiry: 2 days}
touchpoints:
  - {name: mailing, when: "event_name = 'sent'", background: true}
"""
HEADER = "event_id,customer_id,cookie,email,occurred_at,touchpoint,channel,initiator,value\n"
UNCOMPARED = {"runs", "source_files", "audits", "settings", "quarantine_summary"}
LINEAGE = {"events": "exclude (file_id, line)"}


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, str]]:
    """(source, row) pairs: no two rows of one time, so that the definition does not depend on the file."""
    count = draw(st.integers(4, 24))
    rows, minute = [], 0
    for number in range(count):
        minute += draw(st.sampled_from([1, 30, 31, 1440, 2880, 2881]))
        who = draw(
            st.sampled_from(
                ["anna,,", "anna,k1,", ",k1,", ",k2,a@x.org", "anna,,a@x.org", "ben,k3,", "cleo,k3,", ",k4,"]
            )
        )
        event = draw(st.sampled_from(["page", "cart", "purchase", "sent", "call"]))
        by = "company" if event in ("sent", "call") else "customer"
        at = f"2026-03-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:{number:02}Z"
        row = f"{number},{who},{at},{event},{draw(st.sampled_from(['web', 'app']))},{by},{number if event == 'purchase' else ''}\n"
        rows.append((draw(st.sampled_from(["shop", "crm"])), row))
        if minute > 28 * 1440:
            break
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of exports that is emptied for every example."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def write(folder: Path, files: dict[str, list[str]]) -> Path:
    """Write files of rows, and a header alone for a source without any; returns the configuration's path."""
    for source in ("shop", "crm"):
        (folder / source).mkdir(parents=True, exist_ok=True)
        if not any(path.name != "empty.csv" for path in (folder / source).iterdir()):
            (folder / source / "empty.csv").write_text(HEADER, encoding="utf-8")
    for name, rows in files.items():
        (folder / f"{name}.csv").write_text(HEADER + "".join(rows), encoding="utf-8")
    (folder / "journey.yaml").write_text(CONFIG, encoding="utf-8")
    return folder / "journey.yaml"


def content(lab: Lab) -> dict[str, list[Any]]:
    """The rows of every published table that says nothing of files and runs, in an order of their own."""
    names = [row["table_name"] for row in lab.rows("from duckdb_tables() where database_name = 'published'")]
    return {
        name: lab.warehouse.execute(
            f"select * {LINEAGE.get(name, '')} from published.main.{name} order by all"
        ).fetchall()
        for name in sorted(set(names) - UNCOMPARED)
    }


def rebuilt(lab: Lab, folder: Path, rows: list[tuple[str, str]]) -> dict[str, list[Any]]:
    """The tables of one run over one file a source."""
    lab.reset()
    whole = {
        f"{source}/whole": [row for origin, row in rows if origin == source] for source in ("shop", "crm")
    }
    return content(lab.deliver(write(folder, {name: found for name, found in whole.items() if found})))


@examples(3)
@given(rows=logs(), data=st.data())
def test_split_order_and_repetition_change_nothing(
    shared_lab: Lab,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    data: st.DataObject,
) -> None:
    """Files arrive over several runs, some twice under another name, late events after early ones."""
    expected = rebuilt(shared_lab, tmp_path_factory.mktemp("whole"), rows)
    files: dict[str, list[str]] = {}
    for source, row in rows:
        files.setdefault(f"{source}/{data.draw(st.sampled_from('abc'))}", []).append(row)
    order = data.draw(st.permutations(sorted(files)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=2)))
    runs = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    folder = tmp_path_factory.mktemp("parts")
    shared_lab.reset()
    for names in (run for run in runs if run):
        repeated = {f"{name}_again": files[name] for name in names if data.draw(st.booleans())}
        shared_lab.deliver(write(folder, {**{name: files[name] for name in names}, **repeated}))
    assert content(shared_lab) == expected


ROWS = [
    "1,anna,,,2026-03-02T09:00:00Z,page,web,customer,\n",
    "2,anna,k1,,2026-03-02T09:05:00Z,cart,web,customer,\n",
    "3,,k1,,2026-03-02T09:06:00Z,purchase,web,customer,5\n",
    "4,ben,,,2026-03-02T10:00:00Z,page,web,customer,\n",
]


def test_running_again_changes_nothing(lab: Lab, folder: Path) -> None:
    """No file is read twice, and every table stays as it is."""
    path = write(folder, {"shop/a": ROWS})
    before = content(lab.deliver(path))
    assert content(lab.deliver(path)) == before
    assert [
        row["files"] for row in lab.rows("select count(*) as files from files where path like '%a.csv'")
    ] == [1]


def test_a_file_that_was_touched_is_not_read_again(lab: Lab, folder: Path) -> None:
    """Another time of change with the same bytes is no change."""
    path = write(folder, {"shop/a": ROWS})
    before = content(lab.deliver(path))
    os.utime(folder / "shop" / "a.csv", (1, 1))
    assert content(lab.deliver(path)) == before


def test_a_changed_file_replaces_what_it_said(lab: Lab, folder: Path) -> None:
    """Rows that are gone leave no trace: neither events nor the links and touchpoints that only they knew."""
    lab.deliver(write(folder, {"shop/a": ROWS}))
    changed = [ROWS[0], ROWS[2].replace("purchase", "page"), ROWS[3]]
    after = content(lab.deliver(write(folder, {"shop/a": changed})))
    lab.reset()
    assert after == content(lab.deliver(write(folder, {"shop/a": changed})))
    assert len(after["customers"]) == 3


def test_a_goal_that_is_gone_is_no_touchpoint(lab: Lab, folder: Path) -> None:
    """Which touchpoint is the goal depends on the events that are there, not on those that were."""
    rows = [ROWS[0].replace("page", "checkout"), ROWS[2]]
    lab.deliver(write(folder, {"shop/a": rows}))
    assert {row["state"] for row in lab.rows("from journeys where entry_touchpoint = 'checkout'")} == {"open"}
    lab.deliver(write(folder, {"shop/a": rows[:1]}))
    assert {row["state"] for row in lab.rows("from journeys")} == {"converted"}


@pytest.mark.parametrize("changed", ["shop/a", "shop/b"])
def test_an_event_of_two_files_stays_while_one_has_it(lab: Lab, folder: Path, changed: str) -> None:
    """When the file that an event came from changes, the other delivery of it counts, as in a full rebuild."""
    lab.deliver(write(folder, {"shop/a": ROWS[:2], "shop/b": ROWS[1:3]}))
    after = content(lab.deliver(write(folder, {changed: [ROWS[3]]})))
    lab.reset()
    assert after == content(lab.deliver(folder / "journey.yaml"))


def test_a_vanished_file_keeps_its_events(lab: Lab, folder: Path) -> None:
    """An export that is no longer delivered is marked; what it said stays, and its return changes nothing."""
    path = write(folder, {"shop/a": ROWS[:2], "shop/b": ROWS[2:]})
    before = content(lab.deliver(path))
    (folder / "shop" / "b.csv").rename(folder / "b.csv")
    assert content(lab.deliver(path)) == before
    lab.expect(
        "select path, status from source_files where path like 'shop/_.csv'",
        """
    path       | status
    shop/a.csv | read
    shop/b.csv | vanished
    """,
        order="path",
    )
    (folder / "b.csv").rename(folder / "shop" / "b.csv")
    assert content(lab.deliver(path)) == before
    assert {row["status"] for row in lab.rows("from source_files where path like 'shop/_.csv'")} == {"read"}


def test_a_cutoff_hides_what_is_later_and_no_more(lab: Lab, folder: Path) -> None:
    """A run with a cutoff gives the tables of a log that ends there, and a later run all of them again."""
    path = write(folder, {"shop/a": ROWS})
    whole = content(lab.deliver(path))
    early = content(lab.deliver(path, cutoff="03-02 09:05"))
    assert content(lab.deliver(path)) == whole
    lab.reset()
    assert early == content(lab.deliver(write(folder, {"shop/a": ROWS[:2]})))
