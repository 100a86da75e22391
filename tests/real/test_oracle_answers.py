"""Worked cases of other tools with known answers, through the analyst's API.

Each test carries the id of its case and its source. Where peers disagree, the rule of the case is
given as an option of the question (step numbers are 1-based here, 0-based in the cases).
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.analysis.paths import clean_path, keep_reachable
from journey_mining.snapshot import Snapshot
from worked_cases import Case, asks

pytestmark = pytest.mark.real_data

MATCHES = {"view -> cart -> purchase, adjacent": "view -> cart -> purchase", "1 .* 2": "1 -> .* -> 2"}
"""Patterns in the words of the cases, and as the API has them."""
BOUNDARIES = {"path_start": "__start__", "path_end": "__end__"}


def open_case(case: Case, **options: Any) -> Snapshot:
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


def funnel_options(case: Case) -> dict[str, Any]:
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
@asks("funnels")
def test_funnels(case: Case) -> None:
    """Counts, deepest levels, customers, rates and seconds of each step."""
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


@asks("paths_dropoff")
def test_paths(case: Case) -> None:
    """Step matrices, edges of session paths, drop-off and cleaned paths."""
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


def check_edges(case: Case) -> None:
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


@asks("dfg_next_step")
def test_sequences(case: Case) -> None:
    """Directly-follows counts and next touchpoints."""
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
    elif params["unit"] == "case":
        check_process(case)
    else:
        by_session = params["unit"] == "session"
        options = {"unit": "sessions", "weight": "sessions"} if by_session else {"unit": "customers"}
        found = open_case(case).transitions(**options)
        wanted = [[BOUNDARIES.get(a, a), BOUNDARIES.get(b, b), count] for a, b, count in expected["edges"]]
        assert sorted(found[["from_touchpoint", "to_touchpoint", "weight"]].values.tolist()) == sorted(wanted)
        assert "total" not in expected or found["weight"].sum() == expected["total"]


def check_missing(case: Case) -> None:
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


def check_process(case: Case) -> None:
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


@asks("retention")
def test_retention(case: Case) -> None:
    """Customers of each cohort who come back, interval by interval."""
    params, expected = case["params"], case["expected"]
    snapshot = open_case(case)
    if "conditions" in params:
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


@asks("sequence_match")
def test_sequence_patterns(case: Case) -> None:
    """Who matches a pattern, and how often without overlap."""
    pattern = case["params"]["pattern"]
    found = open_case(case).match(MATCHES.get(pattern, pattern))
    expected = case["expected"]
    if "match" in expected:
        assert dict(zip(found["customer_id"], found["is_match"], strict=True)) == expected["match"]
    else:
        assert found["match_count"].tolist() == [expected["count"]]


@asks("time_to_convert")
def test_times_to_convert(case: Case) -> None:
    """Each unit's seconds, their mean and their histogram."""
    params, expected = case["params"], case["expected"]
    options = {"window": params["window_seconds"], "order": params["order"]}
    found = open_case(case).time_to_convert(
        params["steps"], params["from_step"] + 1, params["to_step"] + 1, **options
    )
    assert found.units["seconds"].tolist() == expected["times"]
    assert found.attrs["mean_seconds"] == expected["average"]
    assert found[["from_seconds", "unit_count"]].values.tolist() == expected["bins"]


@asks("nps")
def test_net_promoter_scores(case: Case) -> None:
    """Promoters, detractors, answers and the score."""
    rows = [(str(number), number, "survey", score) for number, score in enumerate(case["params"]["scores"])]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "score"])
    (found,) = jm.from_events(frame).nps().to_dict("records")
    expected = {**case["expected"], "response_count": case["expected"]["n"]}
    assert {part: found[part] for part in expected if part != "n"} == {
        part: value for part, value in expected.items() if part != "n"
    }
