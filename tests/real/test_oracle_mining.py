"""Worked cases of attribution and Markov chains, each from the source that its id names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.mining.attribution import shapley_values
from journey_mining.mining.markov import (
    absorption_probabilities,
    build_chain,
    committor,
    expected_steps,
    fundamental_matrix,
    stationary_distribution,
)
from journey_mining.snapshot import Snapshot
from worked_cases import Case, asks, named, of_kind

pytestmark = pytest.mark.real_data

RULES = {"position": "position_based"}
"""Names of models in the cases, where the API's are others."""


def open_paths(paths: Iterable[dict[str, Any]], **options: Any) -> Snapshot:
    """Each conversion and each loss of a path as a journey of its own; a path's value is that of its first."""
    rows: list[tuple[int, int, str, float | None]] = []
    number = 0
    for path in paths:
        conversions = path.get("conversions", 0)
        for count in range(conversions + path.get("nulls", 0)):
            number += 1
            rows += [(number, place, name, None) for place, name in enumerate(path["path"])]
            if count < conversions:
                rows.append((number, len(path["path"]), "purchase", 0 if count else path.get("value", 0)))
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "value"])
    return jm.from_events(frame, **options)


def credit(snapshot: Snapshot, model: str, column: str, **options: Any) -> dict[str, float]:
    """A column of a model's answer, by touchpoint."""
    found = snapshot.attribution(model, by="touchpoint", bootstrap=0, **options)
    assert found["note"].isna().all()
    return dict(zip(found["touchpoint"], found[column], strict=True))


@asks("attribution", of_kind("attribution_markov"))
def test_removal_effects(case: Case) -> None:
    """Share of conversions, with and without a channel, removal effects, conversions, value and shares."""
    expected = dict(case["expected"])
    snapshot = open_paths(case["params"]["paths"])
    probability = (snapshot.journeys()["state"] == "converted").mean()
    assert probability == pytest.approx(expected.pop("p_conversion"))
    effects = credit(snapshot, "markov", "removal_effect")
    for part in [part for part in expected if part.startswith("p_without_")]:
        name = part.removeprefix("p_without_")
        assert probability * (1 - effects[name]) == pytest.approx(expected.pop(part))
    for column, known in expected.items():
        assert credit(snapshot, "markov", column) == pytest.approx(known, abs=1e-9)


@asks("attribution", of_kind("attribution_shapley"))
def test_shapley_values_of_a_game(case: Case) -> None:
    """The value of each player of a game whose every coalition is known."""
    worths = {frozenset(players): worth for players, worth in case["params"]["v"].items()} | {frozenset(): 0}
    players = max(case["params"]["v"], key=len)
    found = shapley_values(worths.__getitem__, players)["value"].to_dict()
    assert found == pytest.approx(case["expected"]["shapley"], abs=1e-9)
    assert {name: round(value, 1) for name, value in found.items()} == case["expected"]["rounded"]


@asks("attribution", named("SNOW-ATT-01"))
def test_revenue_of_conversions(case: Case) -> None:
    """Repeats collapse; revenue by channel under each rule."""
    rows = case["params"]["conversions"]
    paths = [{"path": row["path"], "conversions": 1, "value": row["revenue"]} for row in rows]
    snapshot = open_paths(paths, repeats="collapse")
    for rule, known in case["expected"].items():
        found = credit(snapshot, RULES.get(rule, rule), "value", value=True)
        assert found == pytest.approx(dict.fromkeys(found, 0.0) | known, abs=1e-6), rule


@pytest.fixture(scope="module")
def ten_thousand_paths(shared_data: Path) -> pd.DataFrame:
    """The paths of ChannelAttribution with their conversions, losses and value."""
    rows = pd.read_csv(shared_data / "logs" / "channelattribution" / "Data.csv", sep=";")
    rows["path"] = rows["path"].str.split(" > ")
    columns = {"total_conversions": "conversions", "total_null": "nulls", "total_conversion_value": "value"}
    return rows.rename(columns=columns)


@pytest.fixture(scope="module")
def many_journeys(ten_thousand_paths: pd.DataFrame) -> Snapshot:
    """Their 88,387 journeys."""
    return open_paths(ten_thousand_paths.to_dict("records"))


@asks("attribution", named("CA-HEUR-01"))
def test_rules_of_ten_thousand_paths(
    case: Case, ten_thousand_paths: pd.DataFrame, many_journeys: Snapshot
) -> None:
    """Conversions of twelve channels under three rules; totals of conversions, losses and value."""
    expected = dict(case["expected"])
    journeys = many_journeys.journeys()
    won = journeys["state"] == "converted"
    assert len(ten_thousand_paths) == expected.pop("rows")
    assert won.sum() == expected.pop("conversions")
    assert (~won).sum() == expected.pop("nulls")
    value = expected.pop("value")
    for model, known in expected.items():
        assert credit(many_journeys, model, "conversions") == pytest.approx(known, abs=1e-6), model
        assert sum(credit(many_journeys, model, "value").values()) == pytest.approx(
            value, abs=0.01
        )  # to 4 decimals an event


def test_removal_of_ten_thousand_paths(many_journeys: Snapshot) -> None:
    """The exact effects that 11.4 million simulated paths of the peer converge to."""
    effects = credit(many_journeys, "markov", "removal_effect")
    known = {"alpha": 0.5584, "iota": 0.4058, "eta": 0.3490}
    assert {name: round(effects[name], 4) for name in known} == known


@asks("markov")
def test_markov_chains(case: Case) -> None:
    """Fundamental matrix, steps, absorption, long-run shares, and the probability to reach one state before another."""
    params, expected = case["params"], case["expected"]
    chain = build_chain(params["P"], params["states"])
    if "absorbing" in params:
        ends = [state for state, is_end in zip(chain.states, chain.is_absorbing, strict=True) if is_end]
        assert ends == params["absorbing"]
    if "N" in expected:
        assert fundamental_matrix(chain).to_numpy() == pytest.approx(pd.DataFrame(expected["N"]).to_numpy())
    if "steps" in expected:
        assert expected_steps(chain).to_dict() == pytest.approx(expected["steps"])
    for state, ends_of in expected.get("absorption", {}).items():
        assert absorption_probabilities(chain).loc[state].to_dict() == pytest.approx(ends_of)
    if "stationary" in expected:
        assert stationary_distribution(chain).tolist() == pytest.approx(expected["stationary"])
    if "committor" in expected:
        found = committor(chain, [params["reach"]], [params["before"]])
        assert found.round(3).to_dict() == pytest.approx(expected["committor"])
    assert set(expected) <= {"N", "steps", "absorption", "stationary", "committor"}
