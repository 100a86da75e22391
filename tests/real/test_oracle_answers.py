"""Worked cases of other tools with known answers, through the analyst's API.

Each test carries the id of its case; the case names its source. Where peers disagree, the rule of the case is
given as an option of the question (step numbers are 1-based here, 0-based in the cases).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.analysis.paths import clean_path, keep_reachable
from journey_mining.snapshot import Snapshot

pytestmark = pytest.mark.real_data

FUNNELS = [
    "PH-STRICT-01",
    "PH-STRICT-03",
    "PH-ORD-02",
    "PH-ORD-04",
    "PH-ORD-07",
    "PH-WIN-01",
    "PH-WIN-03",
    "PH-TIME-02",
    "PH-EXC-01",
    "PH-EXC-02",
    "PH-EXC-05",
    "PH-EXC-06",
    "PH-EXC-08",
    "PH-EXC-11",
    "PH-UNORD-01",
    "PH-UNORD-05",
    "PH-UNORD-06",
    "PH-BRK-01",
    "CH-WF-01",
    "CH-WF-02",
    "CH-WF-04",
    "CH-WF-06",
    "CH-WF-08",
    "CH-WF-10",
    "CH-WF-11",
    "CH-WF-15",
    "CH-WF-16",
    "CH-WF-20",
    "DORIS-01",
    "DORIS-03",
    "DDB-WF-01",
    "RT-F-01",
    "RT-F-02",
    "RT-F-04",
    "RT-F-07",
    "RT-F-10",
]
PATHS = [
    "RT-STEP-01",
    "PH-PATH-02",
    "PH-PATH-04",
    "PH-PATH-07",
    "PH-PATH-09",
    "PH-PATH-11",
    "PH-PATH-13",
    "PH-PATH-16",
    "PH-PATH-21",
    "SNOW-PATH-02",
    "SNOW-PATH-03",
    "SNOW-PATH-06",
]
SEQUENCES = ["DDB-NEXT-01", "DDB-NEXT-03", "DDB-NEXT-04", "RT-DFG-01", "RT-DFG-05", "PM-DFG-01", "MC-DFG-01"]
RETENTION = ["CH-RET-01", "DDB-RET-02", "PH-RET-02"]
MATCHES = {"DDB-SEQ-01": "view -> cart -> purchase", "CH-SEQ-02": "1 -> .* -> 2"}
BOUNDARIES = {"path_start": "__start__", "path_end": "__end__"}


def find_case(folder: Path, group: str, name: str) -> dict[str, Any]:
    """The worked case of a group by its id."""
    cases = json.loads((folder / "oracles" / f"{group}.json").read_text(encoding="utf-8"))["cases"]
    found: dict[str, Any] = next(case for case in cases if case["id"] == name)
    return found


def open_case(case: dict[str, Any], **options: Any) -> Snapshot:
    """The snapshot of a case's events; what events of sessions carry is the source's own session."""
    rows = [
        {
            "customer_id": event["user"],
            "occurred_at": event["ts"],
            "touchpoint": event["event"],
            **{name: event[name] for name in ("session",) if name in event},
            **(event.get("props") or {}),
        }
        for event in case["events"]
    ]
    frame = pd.DataFrame(rows)
    if "session" in frame:
        options["session"] = "session"
    return jm.from_events(frame, **options)


def step_of(step: Any) -> Any:
    """A case's step as the API takes it."""
    return (
        step if isinstance(step, str) else {"touchpoint" if k == "event" else k: v for k, v in step.items()}
    )


def funnel_options(case: dict[str, Any]) -> dict[str, Any]:
    """A case's parameters as options of `funnel`."""
    params = case["params"]
    order = params.get("order", "ordered")
    return {
        "steps": [step_of(step) for step in params["steps"]],
        "window": params.get("window_seconds", params.get("window")),
        "order": "any" if order == "unordered" else order,
        "exclude": [
            {"touchpoint": one["event"], "from_step": one["from_step"] + 1, "to_step": one["to_step"] + 1}
            for one in params.get("exclusions", [])
        ],
        "by": params.get("breakdown"),
    }


def seconds(column: pd.Series[float]) -> list[float | None]:
    """The seconds from the step before: those that the step before has to its next one."""
    return [None, *(None if pd.isna(value) else float(value) for value in column[:-1])]


def check_segments(found: pd.DataFrame, expected: dict[str, Any]) -> None:
    """Counts and mean seconds by segment."""
    for segment, answer in expected.items():
        part = found[found["segment"] == segment]
        assert part["entered"].tolist() == answer["counts"]
        assert seconds(part["mean_seconds"]) == answer["avg"]


@pytest.mark.filterwarnings("ignore:No event has the touchpoint")
@pytest.mark.parametrize("name", FUNNELS)
def test_funnels(name: str, shared_data: Path) -> None:
    """Counts, deepest levels, customers, rates and seconds of each step."""
    case = find_case(shared_data, "funnels", name)
    snapshot, options, expected = open_case(case), funnel_options(case), case["expected"]
    found = snapshot.funnel(**options)
    levels = {str(unit): int(level) for unit, level in found.levels[["customer_id", "level"]].to_numpy()}
    if options["by"]:
        check_segments(found, expected)
        return
    if "compare" in case["params"]:
        compared = snapshot.funnel(**{**options, "by": {"where": "segment = 'segment_1'"}})
        assert compared.loc[compared["segment"], "entered"].tolist() == expected["segment_1"]
        assert compared.loc[~compared["segment"], "entered"].tolist() == expected["rest"]
        return
    numbers = range(1, len(options["steps"]) + 1)
    answers = {
        "counts": found["entered"].tolist(),
        "level": levels,
        "users": [sorted(unit for unit, level in levels.items() if level >= number) for number in numbers],
        "avg": seconds(found["mean_seconds"]),
        "median": seconds(found["median_seconds"]),
        "conversion_rate": found["share_of_all"].round(6).tolist(),
        "step_conversion_rate": found["step_conversion_rate"].round(6).tolist(),
        "furthest_step": {
            str(level): [int(count), 100 * count / len(levels)]
            for level, count in pd.Series(levels).value_counts().items()
        },
    }
    if "level_default" in expected:
        (answers["level_default"],) = levels.values()
        strict = snapshot.funnel(**options, strict_deduplication=True).levels["level"]
        answers["level_strict_deduplication"] = int(strict.iloc[0])
    assert expected == {part: answers[part] for part in expected}


PATH_RULE = {"inactivity": "30 minutes", "boundary": "at"}


@pytest.mark.parametrize("name", PATHS)
def test_paths(name: str, shared_data: Path) -> None:
    """Step matrices, edges of session paths, drop-off and cleaned paths."""
    case = find_case(shared_data, "paths_dropoff", name)
    params, expected = case["params"], case["expected"]
    if "transformation" in params:
        rule = params["transformation"].replace("_Direct_", "_")
        assert [clean_path(path, rule) for path in params["raw"]] == expected["paths"]
    elif "edges_in" in params:
        assert sorted(keep_reachable(params["edges_in"])) == sorted(expected["edges"])
    elif "step_matrix" in expected:
        matrix = open_case(case).step_matrix(params["max_steps"]).set_index("touchpoint").round(6)
        wanted = {BOUNDARIES.get(row, row): shares for row, shares in expected["step_matrix"].items()}
        assert {row: shares.tolist() for row, shares in matrix.iterrows()} == wanted
    elif "nodes" in expected:
        nodes = open_case(case).path_nodes(params["step_limit"], **PATH_RULE).set_index("node")
        for node, counts in expected["nodes"].items():
            row = nodes.loc[node, ["arrived", "continued", "dropped_off"]].tolist()
            assert row == [counts["arrive"], counts["continue_"], counts["drop"]]
    else:
        check_edges(case)


def check_edges(case: dict[str, Any]) -> None:
    """Edges with their paths, mean seconds and customers."""
    params = case["params"]
    given = {name: params[name] for name in ("start", "end") if name in params}
    found = open_case(case).paths(
        params.get("step_limit", 5), groups=params.get("group_pages", ()), **given, **PATH_RULE
    )
    edges = found[["from_node", "to_node", "path_count", "mean_seconds"]].values.tolist()
    assert sorted(edges) == sorted(case["expected"]["edges"])
    for edge, users in case["expected"].get("users", {}).items():
        number, name = edge.split(" -> ")[0].split("_", 1)
        units = found.units
        at = (units["step_number"] == int(number)) & (units["touchpoint"] == name)
        assert sorted(units.loc[at, "customer_id"]) == users


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name: str, shared_data: Path) -> None:
    """Directly-follows counts and next touchpoints."""
    case = find_case(shared_data, "dfg_next_step", name)
    params, expected = case["params"], case["expected"]
    if "sequence" in params:
        check_missing(case)
    elif "direction" in params:
        snapshot = open_case(case)
        found = (
            snapshot.next_steps(params["after"])
            if "after" in params
            else snapshot.previous_steps(params["before"])
        )
        assert dict(found.units.to_numpy().tolist()) == expected["next"]
        if "distribution" in expected:
            assert {row.touchpoint: 100 * row.share for row in found.itertuples()} == expected["distribution"]
    elif name == "PM-DFG-01":
        check_process(case)
    else:
        by_session = params["unit"] == "session"
        options = {"unit": "sessions", "weight": "sessions"} if by_session else {"unit": "customers"}
        found = open_case(case).transitions(**options)
        wanted = [[BOUNDARIES.get(a, a), BOUNDARIES.get(b, b), count] for a, b, count in expected["edges"]]
        assert sorted(found[["from_touchpoint", "to_touchpoint", "weight"]].values.tolist()) == sorted(wanted)
        assert "total" not in expected or found["weight"].sum() == expected["total"]


def check_missing(case: dict[str, Any]) -> None:
    """No transition bridges an event without a touchpoint."""
    rows = [("c", number, name) for number, name in enumerate(case["params"]["sequence"])]
    snapshot = jm.from_events(pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint"]))
    found = snapshot.transitions(start_end=False)
    expected = case["expected"]
    counts: dict[str, dict[str, int]] = {name: {} for name in expected["counts"]}
    rates: dict[str, Any] = dict.fromkeys(expected["counts"])
    for row in found.itertuples():
        counts[row.from_touchpoint][row.to_touchpoint] = row.transition_count
        rates[row.from_touchpoint] = {
            **(rates[row.from_touchpoint] or {}),
            row.to_touchpoint: row.probability,
        }
    assert counts == expected["counts"]
    assert rates["c"] is None
    assert all(rates[name] == pytest.approx(expected["probabilities"][name]) for name in ("a", "b"))


def check_process(case: dict[str, Any]) -> None:
    """A process log: edges, first and last activities, cases, events and variants."""
    snapshot, expected = open_case(case), case["expected"]
    found = snapshot.transitions()
    inner = ~found["from_touchpoint"].eq("__start__") & ~found["to_touchpoint"].eq("__end__")
    edges = found.loc[inner, ["from_touchpoint", "to_touchpoint", "transition_count"]].values.tolist()
    assert sorted(edges) == sorted(expected["edges"])
    starts = found[found["from_touchpoint"] == "__start__"].set_index("to_touchpoint")["transition_count"]
    ends = found[found["to_touchpoint"] == "__end__"].set_index("from_touchpoint")["transition_count"]
    assert (starts.to_dict(), ends.to_dict()) == (expected["start"], expected["end"])
    assert len(snapshot.journeys()) == expected["cases"]
    assert snapshot.sql("select count(*) as n from events")["n"].item() == expected["events"]
    assert len(snapshot.variants()) == expected["variants"]


@pytest.mark.parametrize("name", RETENTION)
def test_retention(name: str, shared_data: Path) -> None:
    """Customers of each cohort who come back, interval by interval."""
    case = find_case(shared_data, "retention", name)
    params, expected = case["params"], case["expected"]
    snapshot = open_case(case)
    if name == "CH-RET-01":
        days = params["conditions"]
        found = snapshot.retention("day", cohort="recurring", start=days[0], intervals=len(days))
        first = found[found["cohort_at"] == days[0]]
        assert first["retained"].tolist() == expected["totals"]
        units = found.units[found.units["cohort_at"] == days[0]]
        for user, flags in expected["users"].items():
            kept = set(units.loc[units["customer_id"].astype(str) == user, "interval_number"])
            assert [int(number in kept) for number in range(len(days))] == flags
    elif params["unit"] == "hour":
        found = snapshot.retention(
            "hour", cohort="recurring", start=params["start"], intervals=params["intervals"]
        )
        rows = [part["retained"].tolist() for _, part in found.groupby("cohort_at")]
        assert [row[: len(rows) - number] for number, row in enumerate(rows)] == expected["table"]
    else:
        found = snapshot.retention("week", intervals=4)
        for cohort, counts in expected["cohorts"].items():
            part = found[found["cohort_at"] == cohort]
            assert part["retained"].tolist() == counts
            assert (100 * part["retention_rate"]).tolist() == expected["pct"][cohort]


@pytest.mark.parametrize("name", MATCHES)
def test_sequence_patterns(name: str, shared_data: Path) -> None:
    """Who matches a pattern, and how often without overlap."""
    case = find_case(shared_data, "sequence_match", name)
    found = open_case(case).match(MATCHES[name])
    expected = case["expected"]
    if "match" in expected:
        assert dict(zip(found["customer_id"], found["is_match"], strict=True)) == expected["match"]
    else:
        assert found["match_count"].tolist() == [expected["count"]]


@pytest.mark.parametrize("name", ["PH-TTC-01"])
def test_times_to_convert(name: str, shared_data: Path) -> None:
    """Each unit's seconds, their mean and their histogram."""
    case = find_case(shared_data, "time_to_convert", name)
    params, expected = case["params"], case["expected"]
    options = {"window": params["window_seconds"], "order": params["order"]}
    found = open_case(case).time_to_convert(
        params["steps"], params["from_step"] + 1, params["to_step"] + 1, **options
    )
    assert found.units["seconds"].tolist() == expected["times"]
    assert found.attrs["mean_seconds"] == expected["average"]
    assert found[["from_seconds", "unit_count"]].values.tolist() == expected["bins"]


@pytest.mark.parametrize("name", ["NPS-01", "NPS-02", "NPS-04"])
def test_net_promoter_scores(name: str, shared_data: Path) -> None:
    """Promoters, detractors, answers and the score."""
    case = find_case(shared_data, "nps", name)
    rows = [(str(number), number, "survey", score) for number, score in enumerate(case["params"]["scores"])]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "score"])
    (found,) = jm.from_events(frame).nps().to_dict("records")
    expected = {**case["expected"], "response_count": case["expected"]["n"]}
    assert {part: found[part] for part in expected if part != "n"} == {
        part: value for part, value in expected.items() if part != "n"
    }


def test_every_case_is_asked(shared_data: Path) -> None:
    """No worked case of these groups is left out."""
    asked = {
        "funnels": FUNNELS,
        "paths_dropoff": PATHS,
        "dfg_next_step": SEQUENCES,
        "retention": RETENTION,
        "sequence_match": list(MATCHES),
        "time_to_convert": ["PH-TTC-01"],
        "nps": ["NPS-01", "NPS-02", "NPS-04"],
    }
    for group, names in asked.items():
        cases = json.loads((shared_data / "oracles" / f"{group}.json").read_text(encoding="utf-8"))["cases"]
        assert {case["id"] for case in cases} == set(names)


@pytest.fixture(scope="module")
def shop(shared_data: Path) -> Snapshot:
    """The web events of a shop, with the source's own sessions."""
    return jm.from_events(
        shared_data / "logs" / "retentioneering_ecom" / "ecom.csv.gz",
        customer_id="user_id",
        occurred_at="timestamp",
        touchpoint="event",
        session="session_id",
    )


@pytest.mark.parametrize(("unit", "counts"), [("customers", [600, 511, 285]), ("sessions", [2837, 819, 213])])
def test_a_shop_s_funnel(shop: Snapshot, unit: str, counts: list[int]) -> None:
    """Catalog, cart and purchase, by customer and by the source's session."""
    found = shop.funnel(["catalog", "add_to_cart", "purchase"], unit=unit)
    assert found["entered"].tolist() == counts


def test_a_shop_s_transitions(shop: Snapshot, shared_data: Path) -> None:
    """Every directly-follows count by customer, the boundaries included."""
    case = find_case(shared_data, "datasets", "DS-ECOM-DFG-U")
    found = shop.transitions(unit="customers")
    edges = {
        f"{row.from_touchpoint}>{row.to_touchpoint}".replace("__start__", "path_start").replace(
            "__end__", "path_end"
        ): row.weight
        for row in found.itertuples()
    }
    assert edges == case["expected"]["edges"]


def test_a_shop_s_sessions(shared_data: Path) -> None:
    """Half an hour without an event gives the sessions that the source has."""
    case = find_case(shared_data, "datasets", "DS-ECOM-SESS")
    snapshot = jm.from_events(
        shared_data / "logs" / "retentioneering_ecom" / "ecom.csv.gz",
        customer_id="user_id",
        occurred_at="timestamp",
        touchpoint="event",
    )
    assert len(snapshot.sessions()) == case["expected"]["sessions"]
    labels = snapshot.sql("select count(distinct (session_id, session_hint)) as n from events")["n"].item()
    assert labels == case["expected"]["sessions"]
