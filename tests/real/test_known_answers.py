"""Worked cases of sessions and identity, through a configured source and the published tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from journey_mining.identity import resolve_components
from journey_mining.pipeline import run_all
from journey_mining.sources.load import register_functions
from journey_mining.warehouse import open_warehouse

pytestmark = pytest.mark.real_data


def cases(shared_data: Path, group: str) -> list[dict[str, Any]]:
    """The worked cases of a group."""
    found: list[dict[str, Any]] = json.loads((shared_data / "oracles" / f"{group}.json").read_text())["cases"]
    return found


def publish_rows(
    folder: Path, header: list[str], rows: list[list[str]], settings: str
) -> duckdb.DuckDBPyConnection:
    """A read-only connection on what the pipeline publishes for the rows."""
    with (folder / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    (folder / "journey.yaml").write_text(
        f"home: ./home\nsources:\n  log: {{system: table, path: log.csv, timezone: UTC}}\n{settings}\n"
    )
    published = run_all(folder / "journey.yaml").published
    assert published is not None
    return duckdb.connect(str(published / "journeys.duckdb"), read_only=True)


@pytest.mark.parametrize("index", range(3))
def test_sessions_are_numbered_as_the_peers_do(index: int, shared_data: Path, tmp_path: Path) -> None:
    """Each event's session number for the case's limit equals the known one."""
    case = cases(shared_data, "sessions")[index]
    rows = [[event["user"], event["ts"], event["event"]] for event in case["events"]]
    seconds = case["params"]["timeout_seconds"]
    header = ["customer_id", "occurred_at", "touchpoint"]
    connection = publish_rows(tmp_path, header, rows, f"sessions: {{inactivity: {seconds} seconds}}")
    numbered = connection.execute(
        "select line, dense_rank() over (partition by customer_id order by s.started_at) "
        "from events inner join sessions as s using (session_id, customer_id) order by line"
    ).fetchall()
    found: dict[str, list[int]] = {}
    for line, number in numbered:
        found.setdefault(rows[line - 2][0], []).append(number)
    assert found == case["expected"]["session"], case["id"]


def funnel_counts(connection: duckdb.DuckDBPyConnection, steps: list[str]) -> list[int]:
    """Customers who reach each step in order, counted the slow and obvious way."""
    lived: dict[Any, list[str]] = {}
    for customer, touchpoint in connection.execute(
        "select customer_id, touchpoint from events order by occurred_us"
    ).fetchall():
        lived.setdefault(customer, []).append(touchpoint)
    counts = [0] * len(steps)
    for touchpoints in lived.values():
        level = 0
        for touchpoint in touchpoints:
            level += level < len(steps) and touchpoint == steps[level]
        for reached in range(level):
            counts[reached] += 1
    return counts


def test_merging_two_identities_lowers_the_entrants(shared_data: Path, tmp_path: Path) -> None:
    """Linking two devices joins their customers: four entrants become three, later steps stay."""
    case = next(case for case in cases(shared_data, "identity") if case["id"] == "PH-ID-01")
    params = case["params"]
    for name, links in (
        ("before", params["identity_links_always"]),
        ("after", params["identity_links_always"] + params["identity_links_after"]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        rows = [["", event["device"], "", event["ts"], event["event"]] for event in case["events"]]
        rows += [
            ["", device, f"link {n}", "2012-01-01 03:00:00", "link"]
            for n, pair in enumerate(links)
            for device in pair
        ]
        header = ["customer_id", "cookie", "email", "occurred_at", "touchpoint"]
        rows = [[a, b, c.replace(" ", "") + "@example.org" if c else "", d, e] for a, b, c, d, e in rows]
        connection = publish_rows(folder, header, rows, "goal: paid")
        assert funnel_counts(connection, params["steps"]) == case["expected"][name]


@pytest.mark.parametrize("threshold", ["0.5", "0.7", "0.95"])
def test_components_of_scored_links(threshold: str, shared_data: Path, tmp_path: Path) -> None:
    """Connected components of the links at or above a threshold are the known clusters."""
    case = next(case for case in cases(shared_data, "identity") if case["id"] == "SPL-ID-01")
    warehouse = open_warehouse(
        tmp_path / "p.duckdb", tmp_path / "s.duckdb", tmp_path / "spill", register_functions
    )
    warehouse.execute("create table store.main.identity_links (left_hash uuid, right_hash uuid)")
    for left, right, score in case["params"]["links"]:
        if score >= float(threshold):
            warehouse.execute(f"insert into store.main.identity_links values ({_uuid(left)}, {_uuid(right)})")
    resolve_components(warehouse)
    root = dict(
        warehouse.execute("select identifier_hash, component_hash from identity_components").fetchall()
    )
    clusters: dict[Any, list[int]] = {}
    for node in case["params"]["nodes"]:
        key = warehouse.value(f"select {_uuid(node)}")
        clusters.setdefault(root.get(key, key), []).append(node)
    assert sorted(clusters.values()) == sorted(case["expected"]["clusters"][threshold])


def _uuid(number: int) -> str:
    return f"'00000000-0000-0000-0000-{number:012d}'::uuid"
