"""Small cells stay hidden everywhere: in the key figures, in run.json and in the files of the graph."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_mining.pipeline import run_all
from journey_mining.report.funnel import RATES, mask_funnel
from journey_mining.report.pain_points import build_pain_points
from journey_mining.report.suppression import mask_figures, suppress_transitions
from journey_mining.report.touchpoints import build_touchpoints

LEAST = 5
counts = st.one_of(st.integers(0, 9), st.integers(0, 200))


def figures(
    converted: int, dropped_off: int, still_open: int, main_exit: int = 0, customers: int = 500
) -> dict[str, Any]:
    """The key figures of so many journeys."""
    matured = converted + dropped_off
    rate = converted / matured if matured else None
    return {
        "customers": customers, "journeys": matured + still_open, "matured": matured, "converted": converted,
        "dropped_off": dropped_off, "open": still_open, "events": 5000, "min_cell": LEAST,
        "open_share": still_open / (matured + still_open) if matured + still_open else None,
        "conversion_rate": rate, "conversion_rate_low": rate, "conversion_rate_high": rate,
        "median_seconds": 60.0, "value": 10.0, "main_exit_count": main_exit, "main_exit_stage": "cart",
        "main_exit_share": main_exit / dropped_off if dropped_off else None,
    }  # fmt: skip


def what_follows(shown: dict[str, Any]) -> dict[str, int]:
    """Every count that a reader can compute from the shown ones, by sums, differences and shares."""
    known = {
        name: shown[name]
        for name in ("journeys", "matured", "converted", "dropped_off", "open")
        if shown[name] is not None
    }
    for total, one, other in [("journeys", "matured", "open"), ("matured", "converted", "dropped_off")] * 3:
        if {one, other} <= known.keys():
            known[total] = known[one] + known[other]
        for part, rest in ((one, other), (other, one)):
            if {total, rest} <= known.keys():
                known[part] = known[total] - known[rest]
        share, whole = {"journeys": ("open_share", "open"), "matured": ("conversion_rate", "converted")}[
            total
        ]
        if shown[share] is not None and total in known:
            known[whole] = round(shown[share] * known[total])
        if shown[share] and whole in known:
            known[total] = round(known[whole] / shown[share])
    return known


@given(converted=counts, dropped_off=counts, still_open=counts, data=st.data())
def test_no_small_figure_is_shown_or_found_by_subtraction(
    converted: int, dropped_off: int, still_open: int, data: st.DataObject
) -> None:
    """Neither a count of one to four nor what it follows from; the sentence of the page is the only text."""
    exits = data.draw(st.integers(0, dropped_off))
    shown = mask_figures(figures(converted, dropped_off, still_open, exits))
    assert [count for count in what_follows(shown).values() if 0 < count < LEAST] == []
    if shown["main_exit_count"] is not None:
        assert not 0 < shown["main_exit_count"] < LEAST
        assert not 0 < dropped_off - shown["main_exit_count"] < LEAST


def test_large_figures_are_all_shown() -> None:
    """Suppression hides nothing else."""
    large = figures(50, 60, 70, 40)
    assert mask_figures(large) == {**large, "suppressed": []}


def transitions(*rows: tuple[str, str, int, float | None]) -> pd.DataFrame:
    """Rows of (from, to, journeys, conversion rate), each journey of another customer."""
    columns = ["from_touchpoint", "to_touchpoint", "journey_count", "conversion_rate"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(customer_count=frame["journey_count"])


def test_small_transitions_and_their_neighbours_are_left_out() -> None:
    """A single small link of a node could be found from the node's total: the next smallest goes with it."""
    frame = transitions(
        ("a", "x", 3, None),
        ("a", "y", 9, 0.5),
        ("a", "z", 50, 0.02),
        ("b", "x", 40, 0.5),
        ("b", "y", 30, 0.5),
        ("b", "z", 60, None),
    )
    shown = suppress_transitions(frame, LEAST)
    assert ("a", "x") not in set(zip(shown["from_touchpoint"], shown["to_touchpoint"], strict=True))
    for end, column in itertools.product(frame["from_touchpoint"].unique(), ["from_touchpoint"]):
        rest = (
            frame[frame[column] == end]["journey_count"].sum()
            - shown[shown[column] == end]["journey_count"].sum()
        )
        assert rest == 0 or rest >= LEAST
    assert list(shown.columns) == list(frame.columns)
    rates = {
        (row["from_touchpoint"], row["to_touchpoint"]): row["conversion_rate"]
        for row in shown.to_dict("records")
    }
    assert rates.get(("a", "z")) is None or pd.isna(rates[("a", "z")])
    assert suppress_transitions(frame.iloc[:0], LEAST).empty


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of sixty customers, three of whom take a way of their own."""
    folder = tmp_path_factory.mktemp("shop")
    lines = ["customer_id,occurred_at,touchpoint"]
    for number in range(60):
        path = (
            ["home", "secret page", "purchase"]
            if number < 3
            else ["home", "cart", "purchase"][: 2 + number % 2]
        )
        lines += [f"c{number},2026-01-01 10:{minute:02}:00,{name}" for minute, name in enumerate(path)]
    lines += [
        f"d{number},2026-01-01 10:0{minute}:00,{name}"
        for number in range(20)
        for minute, name in enumerate(("home", "blog"))
    ]
    lines += ["late,2026-03-01 10:00:00,home", "late,2026-03-01 10:01:00,cart"]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    (folder / "journey.yaml").write_text("sources:\n  log: {system: table, path: log.csv, timezone: UTC}\n")
    snapshot = run_all(folder / "journey.yaml").published
    assert snapshot is not None
    return snapshot


def test_run_json_holds_no_small_count_of_journeys(published: Path) -> None:
    """The headline is that of the page: the one open journey is hidden, and the total that would give it away."""
    document = json.loads((published / "run.json").read_text())["headline"]
    assert (document["open"], document["open_share"], document["journeys"]) == (None, None, None)
    assert document["matured"] == 80
    assert document["suppressed"] == ["journeys", "open", "open_share"]
    steps = json.loads((published / "run.json").read_text())["steps"]
    assert steps["derive journeys"]["journeys"] is None
    assert steps["derive journeys"]["sessions"] == 81


def test_run_json_holds_no_small_count_of_a_step(tmp_path: Path) -> None:
    """A run that touches one customer does not say so; what it says of files, audits and tables stays."""
    (tmp_path / "log.csv").write_text("customer_id,occurred_at,touchpoint\nanna,2026-01-01 10:00:00,home\n")
    (tmp_path / "journey.yaml").write_text("sources:\n  log: {system: table, path: log.csv, timezone: UTC}\n")
    snapshot = run_all(tmp_path / "journey.yaml").published
    assert snapshot is not None
    steps = json.loads((snapshot / "run.json").read_text())["steps"]
    assert steps["resolve identities"]["customers"] is None
    assert steps["derive journeys"]["journeys"] is None
    assert steps["read exports"]["files_read"] == 1
    assert steps["audit results"]["audits"] > 10


@pytest.mark.parametrize("name", ["graph.graphml", "graph.json", "graph.mmd", "graph.dot"])
def test_graph_files_hold_no_small_transition(published: Path, name: str) -> None:
    """What three journeys did stands in no file of the graph; what many did does."""
    text = (published / "graph" / name).read_text()
    assert "secret page" not in text
    assert "cart" in text
    assert not re.search(r'(label="|\|)[1-4]("|\|)', text)


def test_the_page_agrees_with_run_json(published: Path) -> None:
    """The tiles do not show what run.json hides."""
    text = (published / "report" / "index.html").read_text()
    tile = re.search(r"<dt>Journeys</dt><dd>([^<]*)</dd>", text)
    assert tile is not None
    assert tile[1] == "\u2013"
    assert "journey count" not in text
    assert "customer count" in text
    assert "1.2" not in re.findall(r"<dt>Still open</dt><dd>([^<]*)</dd>", text)[0]


class Shown:
    """What a section reads of a report's context: one answer, and what is hidden elsewhere."""

    min_cell = LEAST
    hidden_transitions: frozenset[tuple[str, str]] = frozenset()
    figures = {"customers": 500}  # noqa: RUF012 - read only

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)

    def answer(self, name: str) -> SimpleNamespace:
        """The rows; a total where a total is asked for."""
        rows = [{"touchpoint_count": len(self.rows)}] if name.endswith("_total") else self.rows
        return SimpleNamespace(rows=rows, sql="")

    def hue(self, channel: str) -> int:
        """Any colour."""
        return 0


def test_what_is_at_stake_does_not_tell_how_few_converted() -> None:
    """47 customers x 80.2 % without, less 35.7 at stake, would be the 2 who converted."""
    hidden = {
        "finding": "pain point", "kind": "error", "signal": "payment error", "customers": 47, "conversion_with": 2 / 47,
        "conversion_without": 0.802, "difference": 0.7594, "low": 0.6, "high": 0.85, "at_stake": 35.7, "at_stake_low": 28.2,
        "at_stake_high": 40.0,
    }  # fmt: skip
    shown = {
        **hidden,
        "signal": "slow page",
        "customers": 400,
        "conversion_with": 0.5,
        "conversion_without": 0.6,
    }
    section = build_pain_points(cast(Any, Shown(hidden, shown)))
    row, other = section["chart"].rows
    numbers = {key for key in row if key not in ("finding", "kind", "signal") and row[key] is not None}
    assert numbers == {"customers", "at_stake"}
    assert other == shown
    assert [bar["signal"] for bar in section["bars"]] == ["slow page"]
    assert section["sentence"] == "47 customers met \u201cpayment error\u201d: 35.7 conversions at stake"


@pytest.mark.parametrize(
    ("converted", "is_shown"), [(0, True), (2, False), (5, True), (43, False), (47, True)]
)
def test_a_rate_after_a_touchpoint_does_not_tell_a_few(converted: int, is_shown: bool) -> None:
    row = {
        "touchpoint": "payment error", "channel": "web", "step_count": 47, "customer_count": 47, "entries": 0, "exits": 0,
        "exit_rate": 0.0, "conversion_after": converted / 47,
    }  # fmt: skip
    found = build_touchpoints(cast(Any, Shown(row)))["chart"].rows[0]["conversion_after"]
    assert found == (converted / 47 if is_shown else None)


def test_who_skipped_a_stage_does_not_tell_the_few_who_were_there() -> None:
    row = {
        "unit": "customers", "stage": "consideration", "entered": 78, "converted": 40, "dropped_off": 38, "open": 0,
        "skipped": 75, "median_seconds": 1.0, **dict.fromkeys(RATES, 0.5),
    }  # fmt: skip
    masked = mask_funnel([row, {**row, "stage": "purchase", "skipped": 60}], LEAST)["customers"]
    assert [one["skipped"] for one in masked] == [None, 60]
