"""Worked cases of attribution, Markov chains and survey scores, each from the source that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from journey_mining.mining.attribution import (
    AttributionRules,
    Method,
    attribute,
    estimate_removal,
    shapley_values,
)
from journey_mining.mining.markov import (
    absorption_probabilities,
    build_chain,
    committor,
    expected_steps,
    fundamental_matrix,
    stationary_distribution,
)
from journey_mining.mining.statistics import Resampling, estimate_nps

pytestmark = pytest.mark.real_data

FEW = Resampling(resamples=20)


def find_case(shared_data: Path, group: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the known answers of a worked case."""
    text = (shared_data / "oracles" / f"{group}.json").read_text(encoding="utf-8")
    case = next(case for case in json.loads(text)["cases"] if case["id"] == name)
    return case["params"], case["expected"]


def read_paths(shared_data: Path) -> pd.DataFrame:
    """The 10,000 paths of ChannelAttribution."""
    rows = pd.read_csv(shared_data / "logs" / "channelattribution" / "Data.csv", sep=";")
    paths = rows["path"].str.split(" > ").map(tuple)
    return pd.DataFrame(
        {
            "path": paths,
            "conversions": rows["total_conversions"],
            "nulls": rows["total_null"],
            "value": rows["total_conversion_value"],
        }
    )


def credit(paths: pd.DataFrame, method: Method, column: str, **rules: Any) -> dict[str, float]:
    """A column of a method's answer, by channel."""
    answer = attribute(paths, method, AttributionRules(resampling=FEW, **rules))
    assert isinstance(answer, pd.DataFrame), answer
    return dict(zip(answer["channel"], answer[column], strict=True))


def test_every_case_is_tested(shared_data: Path) -> None:
    """A case that is added to these groups gets a test."""
    tested = {"AC-MK-01", "DO-MK-01", "TB-SH-01", "SNOW-ATT-01", "CA-HEUR-01", "MK-ABS-01", "MK-STAT-01"}
    tested |= {"MK-COM-02", "NPS-01", "NPS-02", "NPS-04"}
    texts = [
        (shared_data / "oracles" / f"{group}.json").read_text() for group in ("attribution", "markov", "nps")
    ]
    assert {case["id"] for text in texts for case in json.loads(text)["cases"]} == tested


@pytest.mark.parametrize("name", ["AC-MK-01"], ids=["analyzecore.com, attribution model part 1"])
def test_removal_of_three_channels(name: str, shared_data: Path) -> None:
    """Probability with and without C1, removal effects, conversions and value."""
    params, expected = find_case(shared_data, "attribution", name)
    paths = pd.DataFrame(params["paths"])
    probability, effects = estimate_removal(paths)
    assert probability == pytest.approx(expected["p_conversion"])
    assert probability * (1 - effects["C1"]) == pytest.approx(expected["p_without_C1"])
    for column in ("removal_effect", "conversions", "value"):
        assert credit(paths, "markov", column) == pytest.approx(expected[column])


@pytest.mark.parametrize("name", ["DO-MK-01"], ids=["do-attribution 0.0.2, README quick start"])
def test_removal_of_ten_journeys(name: str, shared_data: Path) -> None:
    """P = .7; Email .3912, Social .3324, Search .1913, Direct .0850."""
    params, expected = find_case(shared_data, "attribution", name)
    paths = pd.DataFrame(params["paths"])
    assert estimate_removal(paths)[0] == pytest.approx(expected["p_conversion"])
    for column in ("removal_effect", "share"):
        assert credit(paths, "markov", column) == pytest.approx(expected[column], abs=1e-9)


@pytest.mark.parametrize("name", ["TB-SH-01"], ids=["textbook game of three"])
def test_shapley_values_of_the_textbook(name: str, shared_data: Path) -> None:
    """39.2, 20.7 and 30.2 of 90."""
    params, expected = find_case(shared_data, "attribution", name)
    worths = {frozenset(players): worth for players, worth in params["v"].items()} | {frozenset(): 0}
    found = shapley_values(worths.__getitem__, "ABC")["value"].to_dict()
    assert found == pytest.approx(expected["shapley"], abs=1e-9)


@pytest.mark.parametrize("method", ["first", "last", "linear", "position_based"])
@pytest.mark.parametrize("name", ["SNOW-ATT-01"], ids=["snowplow/dbt-snowplow-attribution"])
def test_revenue_of_six_conversions(name: str, method: Method, shared_data: Path) -> None:
    """Repeats collapse; revenue by channel under each rule."""
    params, expected = find_case(shared_data, "attribution", name)
    rows = params["conversions"]
    columns = {"path": [row["path"] for row in rows], "value": [row["revenue"] for row in rows]}
    found = credit(pd.DataFrame(columns).assign(conversions=1), method, "value", repeats="collapse")
    known = dict.fromkeys(found, 0.0) | expected[method.removesuffix("_based")]
    assert found == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize("method", ["first", "last", "linear"])
@pytest.mark.parametrize("name", ["CA-HEUR-01"], ids=["ChannelAttribution 2.2.5, heuristic_models"])
def test_rules_of_ten_thousand_paths(name: str, method: Method, shared_data: Path) -> None:
    """Conversions of twelve channels; totals of conversions, losses and value."""
    _, expected = find_case(shared_data, "attribution", name)
    paths = read_paths(shared_data)
    for column, total in (("conversions", "conversions"), ("nulls", "nulls"), ("value", "value")):
        assert paths[column].sum() == pytest.approx(expected[total])
    assert len(paths) == expected["rows"]
    assert credit(paths, method, "conversions") == pytest.approx(expected[method], abs=1e-6)
    assert sum(credit(paths, method, "value").values()) == pytest.approx(expected["value"])


@pytest.mark.parametrize(
    ("channel", "effect"),
    [("alpha", 0.5584), ("iota", 0.4058), ("eta", 0.3490)],
    ids=lambda value: (
        f"ChannelAttribution 2.2.5, markov_model: {value}" if isinstance(value, str) else str(value)
    ),
)
def test_removal_of_ten_thousand_paths(channel: str, effect: float, shared_data: Path) -> None:
    """The exact effects that 11.4 million simulated paths of the peer converge to."""
    _, effects = estimate_removal(read_paths(shared_data))
    assert round(effects[channel], 4) == effect


@pytest.mark.parametrize("name", ["MK-ABS-01"], ids=["r-cran-markovchain 0.9.1, Grinstead and Snell"])
def test_drunkards_walk(name: str, shared_data: Path) -> None:
    """Fundamental matrix, steps and absorption probabilities."""
    params, expected = find_case(shared_data, "markov", name)
    chain = build_chain(params["P"], params["states"])
    assert [state for state, ends in zip(chain.states, chain.is_absorbing, strict=True) if ends] == params[
        "absorbing"
    ]
    assert fundamental_matrix(chain).to_numpy() == pytest.approx(pd.DataFrame(expected["N"]).to_numpy())
    assert expected_steps(chain).to_dict() == pytest.approx(expected["steps"])
    found = absorption_probabilities(chain)
    for state, ends in expected["absorption"].items():
        assert found.loc[state].to_dict() == pytest.approx(ends)


@pytest.mark.parametrize("name", ["MK-STAT-01"], ids=["Grinstead and Snell, chapter 11"])
def test_weather_of_the_land_of_oz(name: str, shared_data: Path) -> None:
    """Long-run shares of rain, nice weather and snow."""
    params, expected = find_case(shared_data, "markov", name)
    found = stationary_distribution(build_chain(params["P"], params["states"]))
    assert found.tolist() == pytest.approx(expected["stationary"])


@pytest.mark.parametrize("name", ["MK-COM-02"], ids=["markovchain, testBasic1.R, committorAB"])
def test_committor_of_five_states(name: str, shared_data: Path) -> None:
    """The probability to reach e before c."""
    params, expected = find_case(shared_data, "markov", name)
    found = committor(build_chain(params["P"], params["states"]), [params["reach"]], [params["before"]])
    assert found.round(3).to_dict() == pytest.approx(expected["committor"])


@pytest.mark.parametrize("name", ["NPS-01", "NPS-02", "NPS-04"])
def test_net_promoter_scores(name: str, shared_data: Path) -> None:
    """Points, promoters, detractors and answers (tests of public repositories, test_nps_calculation)."""
    params, expected = find_case(shared_data, "nps", name)
    found = estimate_nps(params["scores"])
    answer = {
        "nps": found.value,
        "promoters": found.promoter_count,
        "detractors": found.detractor_count,
        "n": found.count,
    }
    assert answer == expected
