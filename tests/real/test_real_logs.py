"""Whole public event logs through the pipeline, against their published counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from journey_mining.pipeline import run_all

pytestmark = pytest.mark.real_data

PROCESS_LOGS = {
    "DS-HELPDESK": "helpdesk",
    "DS-08_RECEIPT": "08_receipt",
    "DS-06_BPIC2013_CLOSED": "06_bpic2013_closed",
    "DS-03_REPAIREXAMPLE": "03_repairExample",
    "DS-ROADTRAFFIC100TRACES": "roadtraffic100traces",
}
INNER = "from_touchpoint <> '__start__' and to_touchpoint <> '__end__'"

Query = Callable[[str], list[tuple[Any, ...]]]


def known_answer(shared_data: Path, name: str) -> dict[str, Any]:
    """The expected part of one worked case about a data set."""
    cases = json.loads((shared_data / "oracles" / "datasets.json").read_text())["cases"]
    return next(case["expected"] for case in cases if case["id"] == name)


def publish_log(folder: Path, source: str, settings: str) -> Query:
    """Run the pipeline on one configured source; returns a query function on the published database."""
    config = folder / "journey.yaml"
    config.write_text(f"home: ./home\n{settings}\nsources:\n  log: {source}\n")
    context = run_all(config)
    assert context.published is not None
    path = context.published / "journeys.duckdb"

    def query(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    return query


@pytest.fixture(scope="module")
def shop(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Query:
    """The web shop's log, each customer as one journey."""
    log = shared_data / "logs" / "retentioneering_ecom" / "ecom.csv.gz"
    source = (
        f"{{system: table, path: {log}, timezone: UTC, columns: "
        "{customer_id: user_id, occurred_at: timestamp, touchpoint: event, channel: acquisition_channel}}"
    )
    return publish_log(tmp_path_factory.mktemp("shop"), source, "goal: purchase\njourneys: {expiry: never}")


def test_every_event_of_the_shop_is_there(shop: Query) -> None:
    """31,106 events of 600 customers at 19 touchpoints, none quarantined, none dropped as a duplicate."""
    assert shop("select count(*), count(distinct customer_id), count(distinct touchpoint) from events") == [
        (31106, 600, 19)
    ]
    assert shop("select event_count, duplicate_count, quarantined_count from source_files") == [(31106, 0, 0)]


def test_shop_sessions_are_the_published_ones(shop: Query, shared_data: Path) -> None:
    """A 30-minute limit gives the log's own 3,605 sessions, event for event."""
    log = shared_data / "logs" / "retentioneering_ecom" / "ecom.csv.gz"
    assert shop("select count(*) from sessions") == [(3605,)]
    differing = shop(
        f"""with theirs as (
            select session_id as theirs, row_number() over () + 1 as line
            from read_csv('{log}', all_varchar = true, parallel = false)
        )
        select count(distinct (theirs, session_id)), count(distinct theirs), count(distinct session_id)
        from events inner join theirs using (line)"""
    )
    assert differing == [(3605, 3605, 3605)]


def test_shop_transitions_equal_the_known_counts(shop: Query, shared_data: Path) -> None:
    """All directly-follows counts per customer, with start and end, equal the peer's."""
    known = known_answer(shared_data, "DS-ECOM-DFG-U")["edges"]
    found = shop(
        "select replace(from_touchpoint, '__start__', 'path_start') || '>' || replace(to_touchpoint, '__end__', 'path_end'), "
        "transition_count from transitions"
    )
    assert dict(found) == known


def test_shop_funnel_equals_the_known_counts(shop: Query) -> None:
    """catalog, then add_to_cart, then purchase: 600, 511 and 285 customers."""
    levels = shop(
        """with first_seen as (
            select customer_id, min(occurred_us) as t1 from events where touchpoint = 'catalog' group by customer_id
        ), second_seen as (
            select e.customer_id, min(e.occurred_us) as t2 from events as e
            inner join first_seen as f on e.customer_id = f.customer_id and e.occurred_us >= f.t1
            where e.touchpoint = 'add_to_cart' group by e.customer_id
        ), third_seen as (
            select distinct e.customer_id from events as e
            inner join second_seen as s on e.customer_id = s.customer_id and e.occurred_us >= s.t2
            where e.touchpoint = 'purchase'
        )
        select (select count(*) from first_seen), (select count(*) from second_seen), (select count(*) from third_seen)"""
    )
    assert levels == [(600, 511, 285)]


@pytest.mark.parametrize(("case", "log"), PROCESS_LOGS.items(), ids=list(PROCESS_LOGS))
def test_process_logs_give_their_published_counts(
    case: str, log: str, shared_data: Path, tmp_path: Path
) -> None:
    """Cases, events, activities, variants and directly-follows counts, each case as one journey, ties as written."""
    known = known_answer(shared_data, case)
    path = shared_data / "logs" / "process_mining" / f"{log}.csv.gz"
    columns = "{customer_id: case_id, occurred_at: timestamp, touchpoint: activity}"
    query = publish_log(
        tmp_path,
        f"{{system: table, path: {path}, columns: {columns}}}",
        "goal: null\njourneys: {expiry: never}",
    )
    assert query("select count(*) from journeys") == [(known["cases"],)]
    assert query("select count(*), count(distinct touchpoint) from events") == [
        (known["events"], known["activities"])
    ]
    assert query("select count(*), max(journey_count) from variants") == [
        (known["variants"], known["top_variant_cases"])
    ]
    assert query(f"select count(*), sum(transition_count) from transitions where {INNER}") == [
        (known["dfg_edges"], known["dfg_total"])
    ]
    median, mean = query("select median(throughput_seconds), avg(throughput_seconds) from journeys")[0]
    assert median == pytest.approx(known["median_case_seconds"], abs=1e-6)
    assert mean == pytest.approx(known["mean_case_seconds"], rel=1e-12)
    top = query(
        f"select from_touchpoint, to_touchpoint, transition_count from transitions where {INNER} "
        "order by transition_count desc limit 5"
    )
    assert [[[a, b], n] for a, b, n in top] == known["top_edges"]
    starts = query(
        "select to_touchpoint, transition_count from transitions where from_touchpoint = '__start__'"
    )
    assert dict(starts) == known["start"]
