"""Worked cases about whole public data sets: their counts, through the analyst's API or a configured source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.pipeline import run_all
from journey_mining.snapshot import Snapshot
from worked_cases import UNANSWERED_PARTS, Case, asks, named, of_kind

pytestmark = pytest.mark.real_data

BOUNDARIES = {"__start__": "path_start", "__end__": "path_end"}


def pairs_within(snapshot: Snapshot, column: str) -> int:
    """Pairs of events with the same value of a column."""
    counted = f"select count(*) as n from events where {column} is not null group by {column}"
    return int(snapshot.sql(f"select coalesce(sum(n * (n - 1) // 2), 0) as n from ({counted})")["n"].item())


def open_process(folder: Path, case: Case) -> Snapshot:
    """A process log, each case as one journey in the order of time and file; rows that only end work are background."""
    params = case["params"]
    rows = pd.read_csv(folder / params["data"], dtype={params["case"]: str}).sort_values(
        params.get("order", ["timestamp", "event_order"])
    )
    if "start" in params.get("lifecycle", ""):
        rows["is_background"] = rows["lifecycle"] != "start"
    return jm.from_events(
        rows, customer_id=params["case"], occurred_at="timestamp", touchpoint=params["activity"], goal=None
    )


def describe_process(snapshot: Snapshot) -> dict[str, Any]:
    """All that the cases ask of process logs, by the names of the cases."""
    journeys, variants, moves = snapshot.journeys(), snapshot.variants(), snapshot.transitions()
    is_start, is_end = moves["from_touchpoint"] == "__start__", moves["to_touchpoint"] == "__end__"
    inner = moves[~is_start & ~is_end]
    starts = moves[is_start].set_index("to_touchpoint")["transition_count"]
    ends = moves[is_end].set_index("from_touchpoint")["transition_count"]
    counts = snapshot.sql(
        "select count(*) as row_count, count(case when not is_background then 1 end) as instances, "
        "count(distinct touchpoint) as activities from events"
    ).loc[0]
    return {
        "cases": len(journeys),
        "rows": counts["row_count"],
        "events": counts["instances"],
        "instances": counts["instances"],
        "activities": counts["activities"],
        "variants": len(variants),
        "top_variant_cases": variants["journey_count"].iloc[0],
        "top_variants": variants[["variant", "journey_count"]],
        "dfg_edges": len(inner),
        "dfg_total": inner["transition_count"].sum(),
        "median_case_seconds": journeys["throughput_seconds"].median(),
        "mean_case_seconds": journeys["throughput_seconds"].mean(),
        "start": starts.to_dict(),
        "end_top6": ends.nlargest(6).to_dict(),
        "top_edges": [
            [[row.from_touchpoint, row.to_touchpoint], row.transition_count] for row in inner.itertuples()
        ],
    }


@asks("datasets", of_kind("dataset_process"))
def test_process_logs(case: Case, shared_data: Path) -> None:
    """Cases, events, variants, directly-follows counts, boundaries and durations of a process log."""
    expected = dict(case["expected"])
    found = describe_process(open_process(shared_data, case))
    tops = expected.pop("top_variants", [])
    spelled = found.pop("top_variants").head(len(tops))
    assert [[row.variant, row.journey_count] for row in spelled.itertuples()] == tops
    for name in ("median_case_seconds", "mean_case_seconds"):
        if name in expected:
            assert found[name] == pytest.approx(expected.pop(name), rel=1e-12, abs=1e-6)
    if "top_edges" in expected:
        found["top_edges"] = found["top_edges"][: len(expected["top_edges"])]
    assert {name: found[name] for name in expected} == expected


def open_shop(folder: Path, case: Case, **options: Any) -> Snapshot:
    """The web events of a shop."""
    names = {"customer_id": "user_id", "occurred_at": "timestamp", "touchpoint": "event"}
    return jm.from_events(folder / case["params"]["data"], **names, **options)


@asks("datasets", named("DS-ECOM-SESS"))
def test_sessions_of_a_shop(case: Case, shared_data: Path) -> None:
    """Half an hour without an event gives the sessions that the source has, event for event."""
    expected = case["expected"]
    snapshot = open_shop(shared_data, case, inactivity=f"{case['params']['timeout_seconds']} seconds")
    sessions = snapshot.sessions()
    counts = snapshot.sql(
        """with paired as (
            select
                session_id,
                session_hint,
                occurred_us - lag(occurred_us) over own as gap_us,
                session_id = lag(session_id) over own as is_same
            from events
            window own as (partition by customer_id order by event_ordinal)
        )

        select
            (select count(*) from events) as row_count,
            (select count(distinct customer_id) from events) as users,
            (select count(distinct touchpoint) from events) as event_types,
            count(distinct (session_id, session_hint)) - count(distinct session_id) as mismatches,
            max(case when is_same then gap_us end) / 1e6 as max_gap_inside,
            min(case when not is_same then gap_us end) / 1e6 as min_gap_between
        from paired"""
    ).loc[0]
    found = {"sessions": len(sessions), "rows": counts["row_count"], **counts.drop("row_count").to_dict()}
    assert found == expected


@asks("datasets", named("DS-ECOM-DFG-U"))
def test_transitions_of_a_shop(case: Case, shared_data: Path) -> None:
    """Every directly-follows count by customer, the boundaries included."""
    found = open_shop(shared_data, case).transitions(unit="customers").replace(BOUNDARIES)
    edges = found["from_touchpoint"] + ">" + found["to_touchpoint"]
    assert dict(zip(edges, found["weight"], strict=True)) == case["expected"]["edges"]


@asks("datasets", named("DS-ECOM-CONV"))
def test_conversion_of_a_shop_s_sessions(case: Case, shared_data: Path) -> None:
    """Sessions with the cart, those of them that buy later, and their lift over all sessions."""
    snapshot, expected = open_shop(shared_data, case, session="session_id"), case["expected"]
    funnel = snapshot.funnel(["add_to_cart", "purchase"], unit="sessions")
    base = snapshot.funnel(["purchase"], unit="sessions")["share_of_all"].item()
    rate = funnel["step_conversion_rate"].iloc[1]
    assert funnel["entered"].tolist() == [expected["with_start"], expected["converted"]]
    assert rate == pytest.approx(expected["rate"], abs=1e-9)
    assert base == pytest.approx(expected["base_rate"], abs=1e-9)
    assert rate / base == pytest.approx(expected["lift"], abs=1e-9)


@pytest.mark.parametrize(("unit", "counts"), [("customers", [600, 511, 285]), ("sessions", [2837, 819, 213])])
def test_funnel_of_a_shop(unit: str, counts: list[int], shared_data: Path) -> None:
    """Catalog, cart and purchase, by customer and by the source's session."""
    case = {"params": {"data": "logs/retentioneering_ecom/ecom.csv.gz"}}
    found = open_shop(shared_data, case, session="session_id").funnel(
        ["catalog", "add_to_cart", "purchase"], unit=unit
    )
    assert found["entered"].tolist() == counts


@asks("datasets", named("DS-FEBRL1", "DS-FEBRL2"))
def test_records_of_known_entities(case: Case, shared_data: Path) -> None:
    """Records, entities and pairs of records of one entity, the entity being the customer."""
    rows = pd.read_csv(shared_data / case["params"]["data"], skipinitialspace=True)
    entities = rows["rec_id"].str.extract(r"^rec-(\d+)-", expand=False)
    frame = pd.DataFrame({"customer_id": entities, "occurred_at": range(len(rows)), "touchpoint": "record"})
    snapshot = jm.from_events(frame, goal=None)
    assert {
        "records": snapshot.sql("select count(*) as n from events")["n"].item(),
        "entities": snapshot.sql("select count(distinct customer_id) as n from events")["n"].item(),
        "true_pairs": pairs_within(snapshot, "customer_id"),
    } == case["expected"]


def publish(folder: Path, rows: pd.DataFrame, columns: str = "{}", **source: str) -> Snapshot:
    """What the pipeline publishes for a CSV file of these rows."""
    rows.to_csv(folder / "log.csv", index=False)
    return publish_file(folder, "log.csv", columns, **source)


def publish_file(folder: Path, path: Path | str, columns: str, **source: str) -> Snapshot:
    """What the pipeline publishes for a file."""
    more = "".join(f", {name}: {value}" for name, value in source.items())
    (folder / "journey.yaml").write_text(
        f"home: ./home\ngoal: null\njourneys: {{expiry: never}}\nsources:\n"
        f"  log: {{system: table, path: {path}, timezone: UTC, columns: {columns}{more}}}\n"
    )
    published = run_all(folder / "journey.yaml").published
    assert published is not None
    return jm.open(published)


@asks("datasets", named("DS-FAKE1000"))
def test_stitching_by_the_same_text(case: Case, shared_data: Path, tmp_path: Path) -> None:
    """Records with one e-mail text become one customer: every pair is a true one, and many true ones are missed."""
    rows, expected = pd.read_csv(shared_data / case["params"]["data"]), case["expected"]
    with publish(tmp_path, list_records(rows).rename(columns={"text": "customer_id"})) as snapshot:
        same = pairs_within(snapshot, "customer_id")
        true = pairs_within(snapshot, "(customer_id, object_id)")
        known = pairs_within(snapshot, "object_id")
        assert {
            "records": snapshot.sql("select count(*) as n from events")["n"].item(),
            "clusters": snapshot.sql("select count(distinct object_id) as n from events")["n"].item(),
            "true_pairs": known,
            "null_email": int(rows["email"].isna().sum()),
            "same_email_pairs": same,
            "same_email_true_pairs": true,
            "precision": true / same,
            "recall": round(true / known, 6),
        } == expected


def test_a_text_without_an_at_sign_is_no_e_mail(shared_data: Path, tmp_path: Path) -> None:
    """As e-mail addresses the same texts join one pair less: that pair's text has no @, and links nobody on purpose."""
    rows = pd.read_csv(shared_data / "logs" / "splink" / "fake_1000.csv")
    records = list_records(rows).rename(columns={"text": "email"}).assign(customer_id=None)
    broken = rows["email"].notna() & ~rows["email"].str.contains("@", na=False)
    with publish(tmp_path, records) as snapshot:
        assert pairs_within(snapshot, "customer_id") == 1602
        flagged = snapshot.sql("select count(*) as n from events where customer_id is null")["n"].item()
        assert flagged == broken.sum() == 10


def list_records(rows: pd.DataFrame) -> pd.DataFrame:
    """Each record as an event: its e-mail as text, or a cookie of its own, and its true cluster as object."""
    return pd.DataFrame(
        {
            "text": rows["email"],
            "cookie": "record " + rows["unique_id"].astype(str).where(rows["email"].isna()),
            "object_id": rows["cluster"],
            "event_id": rows["unique_id"],
            "occurred_at": pd.to_datetime("2026-01-01") + pd.to_timedelta(rows.index, unit="s"),
            "touchpoint": "record",
        }
    )


@asks("datasets", named("DS-SHOPPERS"))
def test_purchases_by_kind_of_visitor(case: Case, shared_data: Path) -> None:
    """Each row is a session that may end with a purchase; a funnel by a column counts both."""
    rows, expected = pd.read_csv(shared_data / case["params"]["data"]), case["expected"]
    visits = pd.DataFrame(
        {"customer_id": rows.index, "occurred_at": rows.index * 2, "kind": rows["VisitorType"]}
    )
    bought = visits[rows["Revenue"].astype(str).str.upper() == "TRUE"].eval("occurred_at = occurred_at + 1")
    events = pd.concat([visits.assign(touchpoint="visit"), bought.assign(touchpoint="purchase")])
    snapshot = jm.from_events(events)
    found = snapshot.funnel(["visit", "purchase"], unit="sessions")
    assert found["entered"].tolist() == [expected["sessions"], expected["purchases"]]
    by_type = snapshot.funnel(["visit", "purchase"], unit="sessions", by="kind")
    assert {
        kind: dict(zip(["sessions", "purchases"], part["entered"], strict=True))
        for kind, part in by_type.groupby("segment")
    } == expected["by_type"]


@asks("datasets", named("DS-CDNOW"))
def test_purchases_of_a_music_shop(case: Case, shared_data: Path) -> None:
    """Purchases and customers of the whole file and of a tenth; equal purchases of one day all count."""
    wanted = {}
    for name, path in zip(("master", "sample"), case["params"]["data"], strict=True):
        file = shared_data / "logs" / path.split(" (")[0]
        lines = [line.split() for line in file.read_text().splitlines()[1 if name == "master" else 0 :]]
        rows = pd.DataFrame(
            {"customer_id": line[0], "occurred_at": line[-3], "value": float(line[-1])}
            for line in lines
            if line
        )
        rows["occurred_at"] = pd.to_datetime(rows["occurred_at"], format="%Y%m%d")
        snapshot = jm.from_events(rows.assign(touchpoint="purchase"))
        totals = snapshot.sql(
            "select count(*) as n, count(distinct customer_id) as customers from events"
        ).loc[0]
        wanted |= {f"{name}_rows": totals["n"], f"{name}_customers": totals["customers"]}
    kept = {part for part in case["expected"] if (case["id"], part) not in UNANSWERED_PARTS}
    assert wanted == {part: case["expected"][part] for part in kept}


@asks("datasets", named("DS-BPIC2016"))
def test_complaints_of_an_agency(case: Case, shared_data: Path, tmp_path: Path) -> None:
    """Rows, customers, dossiers, days and themes of a file in latin-1 with semicolons, through a configured source."""
    params, expected = case["params"], case["expected"]
    columns = "{customer_id: CustomerID, occurred_at: ContactDate, touchpoint: ComplaintTheme_EN, object_id: ComplaintDossierID}"
    with publish_file(
        tmp_path,
        shared_data / params["data"],
        columns,
        encoding=params["encoding"],
        delimiter=f'"{params["sep"]}"',
    ) as snapshot:
        counts = snapshot.sql(
            "select count(*) as row_count, count(distinct customer_id) as customers, "
            "count(distinct object_id) as dossiers, cast(min(local_date) as varchar) as first, "
            "cast(max(local_date) as varchar) as last from events"
        ).loc[0]
        themes = snapshot.sql("select touchpoint, count(*) as n from events group by touchpoint")
    found = {"rows": counts["row_count"], **counts.drop("row_count").to_dict()}
    assert {**found, "themes": dict(themes.to_numpy().tolist())} == expected
