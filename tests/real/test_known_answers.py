"""Worked cases of sessions and identity, through a configured source and the published tables."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

import journey_mining as jm
from journey_mining.pipeline import run_all
from journey_mining.snapshot import Snapshot
from worked_cases import Case, asks, named

pytestmark = pytest.mark.real_data

HEADER = ["customer_id", "cookie", "email", "occurred_at", "touchpoint"]


def publish_rows(folder: Path, header: list[str], rows: list[list[Any]], settings: str) -> Snapshot:
    """The snapshot that the pipeline publishes for the rows."""
    folder.mkdir(exist_ok=True)
    with (folder / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    (folder / "journey.yaml").write_text(
        f"home: ./home\nsources:\n  log: {{system: table, path: log.csv, timezone: UTC}}\n{settings}\n"
    )
    published = run_all(folder / "journey.yaml").published
    assert published is not None
    return jm.open(published)


def link(number: int, left: str, right: str) -> list[list[Any]]:
    """Two records of one person: an e-mail address seen with either device."""
    address = f"link{number}@example.org"
    return [["", device, address, "2012-01-01 03:00:00", "link"] for device in (left, right)]


@asks("sessions")
def test_sessions_are_numbered_as_the_peers_do(case: Case, tmp_path: Path) -> None:
    """Each event's session number for the case's limit equals the known one."""
    rows = [[event["user"], event["ts"], event["event"]] for event in case["events"]]
    seconds = case["params"]["timeout_seconds"]
    header = ["customer_id", "occurred_at", "touchpoint"]
    snapshot = publish_rows(tmp_path, header, rows, f"sessions: {{inactivity: {seconds} seconds}}")
    numbered = snapshot.sql(
        "select line, dense_rank() over (partition by customer_id order by s.started_at) as number "
        "from events inner join sessions as s using (session_id, customer_id) order by line"
    )
    found: dict[str, list[int]] = {}
    for line, number in numbered.to_numpy().tolist():
        found.setdefault(rows[line - 2][0], []).append(number)
    assert found == case["expected"]["session"]


@asks("identity", named("PH-ID-01"))
def test_merging_two_identities_lowers_the_entrants(case: Case, tmp_path: Path) -> None:
    """Linking two devices joins their customers: four entrants become three, later steps stay."""
    params = case["params"]
    always, after = params["identity_links_always"], params["identity_links_after"]
    for name, links in (("before", always), ("after", always + after)):
        rows = [["", event["device"], "", event["ts"], event["event"]] for event in case["events"]]
        rows += [row for number, pair in enumerate(links) for row in link(number, *pair)]
        snapshot = publish_rows(tmp_path / name, HEADER, rows, "goal: paid")
        found = snapshot.funnel(params["steps"], window=params["window_seconds"], order=params["order"])
        assert found["entered"].tolist() == case["expected"][name]


@asks("identity", named("SPL-ID-01"))
def test_clusters_of_scored_links(case: Case, tmp_path: Path) -> None:
    """Records that links at or above a threshold connect, over any number of them, are one customer."""
    params = case["params"]
    for threshold, known in case["expected"]["clusters"].items():
        rows = [["", f"node {node}", "", "2012-01-01 04:00:00", str(node)] for node in params["nodes"]]
        for number, (left, right, score) in enumerate(params["links"]):
            if score >= float(threshold):
                rows += link(number, f"node {left}", f"node {right}")
        snapshot = publish_rows(tmp_path / threshold, HEADER, rows, "goal: null")
        nodes = snapshot.sql(
            "select list(cast(touchpoint as integer) order by cast(touchpoint as integer)) as cluster "
            "from events where touchpoint <> 'link' group by customer_id order by cluster"
        )
        assert [list(cluster) for cluster in nodes["cluster"]] == known
