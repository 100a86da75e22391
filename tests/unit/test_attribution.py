"""Attribution: rules by hand, models by their axioms, and sums that are kept whatever the paths."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth import examples
from journey_mining.errors import MiningError
from journey_mining.mining.attribution import (
    METHODS,
    AttributionRules,
    Unavailable,
    attribute,
    attribute_by_all,
    estimate_removal,
    shapley_values,
)
from journey_mining.mining.markov import absorption_probabilities, build_chain_from_transitions
from journey_mining.mining.statistics import Resampling

QUICK = Resampling(resamples=20)
DAY = 86_400.0

# A path with its conversions, losses and value.
WALKED = st.tuples(
    st.lists(st.sampled_from(["Ads", "Direct", "Email", "Social"]), min_size=1, max_size=5).map(tuple),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 1000),
)
worlds = st.lists(WALKED, min_size=1, max_size=8).filter(lambda rows: any(row[1] for row in rows))


def frame(rows: list[tuple[tuple[str, ...], int, int, int]]) -> pd.DataFrame:
    """The paths of a world, with times one day apart; what never converts has no value."""
    columns = pd.DataFrame(rows, columns=["path", "conversions", "nulls", "value"])
    columns["value"] = columns["value"].where(columns["conversions"] > 0, 0)
    return columns.assign(times=[tuple(DAY * day for day in range(len(row[0]))) for row in rows])


def one_path(*path: str, **columns: Any) -> pd.DataFrame:
    """One converting path, worth 100, and another that is lost."""
    return pd.DataFrame([{"path": path, "conversions": 1, "nulls": 1, "value": 100.0, **columns}])


def shares(paths: pd.DataFrame, method: Any, **rules: Any) -> dict[str, float]:
    """The share of each channel."""
    answer = attribute(paths, method, AttributionRules(resampling=QUICK, **rules))
    assert isinstance(answer, pd.DataFrame), answer
    return dict(zip(answer["channel"], answer["share"], strict=True))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("first", {"a": 1, "b": 0, "c": 0, "Direct": 0}),
        ("last", {"a": 0, "b": 0, "c": 0, "Direct": 1}),
        ("last_non_direct", {"a": 0, "b": 0, "c": 1, "Direct": 0}),
        ("linear", {"a": 0.4, "b": 0.2, "c": 0.2, "Direct": 0.2}),
        ("position_based", {"a": 0.4 + 0.2 / 3, "b": 0.2 / 3, "c": 0.2 / 3, "Direct": 0.4}),
        ("participation", {"a": 1, "b": 1, "c": 1, "Direct": 1}),
        ("shapley", {"a": 0.25, "b": 0.25, "c": 0.25, "Direct": 0.25}),
    ],
)
def test_rules_by_hand(method: str, expected: dict[str, float]) -> None:
    """The path a > b > a > c > Direct, which converts."""
    assert shares(one_path("a", "b", "a", "c", "Direct"), method) == pytest.approx(expected)


def test_position_of_short_paths() -> None:
    """Two contacts share equally; one has it all."""
    assert shares(one_path("a", "b"), "position_based") == pytest.approx({"a": 0.5, "b": 0.5})
    assert shares(one_path("a"), "position_based") == {"a": 1}


def test_time_decay_halves_in_seven_days() -> None:
    """Contacts 14, 7 and 0 days before the conversion weigh 1, 2 and 4 of 7, whether as seconds or as times."""
    expected = {"a": 1 / 7, "b": 2 / 7, "c": 4 / 7}
    assert shares(one_path("a", "b", "c", times=(0, 7 * DAY, 14 * DAY)), "time_decay") == pytest.approx(
        expected
    )
    stamps = tuple(pd.to_datetime(["2026-01-01", "2026-01-08", "2026-01-15"]))
    assert shares(one_path("a", "b", "c", times=stamps), "time_decay") == pytest.approx(expected)


def test_time_decay_depends_on_the_spans_between_contacts_only() -> None:
    """A later conversion weakens all contacts alike, also when it comes years later."""
    times, late = (0, 7 * DAY), 9000 * DAY
    soon = shares(one_path("a", "b", times=times), "time_decay")
    assert shares(one_path("a", "b", times=times, converted_at=late), "time_decay") == pytest.approx(soon)


def test_time_decay_without_times_is_unavailable() -> None:
    """No share is made up; the answer says why."""
    answer = attribute(one_path("a"), "time_decay")
    assert str(answer) == "unavailable, because 1 of 1 converting paths have no times"


def test_last_non_direct_looks_back_thirty_days() -> None:
    """A contact exactly 30 days before counts, one a second earlier does not; then direct has it."""
    for seconds, channel in [(30 * DAY, "Email"), (30 * DAY + 1, "direct")]:
        found = shares(one_path("Email", "direct", times=(0, 1), converted_at=seconds), "last_non_direct")
        assert found[channel] == 1
    assert shares(one_path("Email", "DIRECT"), "last_non_direct")["Email"] == 1
    assert shares(one_path("Direct", "Direct"), "last_non_direct") == {"Direct": 1}


def test_repeats_may_collapse() -> None:
    """Three calls in a row are one contact, at the time of the last."""
    paths = one_path("a", "b", "b", "b", times=(0, 0, 0, 7 * DAY))
    assert shares(paths, "linear")["b"] == 0.75
    assert shares(paths, "linear", repeats="collapse")["b"] == 0.5
    assert shares(paths, "time_decay", repeats="collapse")["b"] == pytest.approx(2 / 3)


@given(worlds, st.integers(1, 3))
@examples(40)
def test_sums_are_kept(rows: list[Any], order: int) -> None:
    """Every method but participation hands out the conversions and the value, no more and no less."""
    paths = frame(rows)
    answers = attribute_by_all(paths, AttributionRules(order=order, resampling=QUICK))
    assert tuple(answers) == METHODS
    for method, answer in answers.items():
        assert isinstance(answer, pd.DataFrame)
        if method != "participation":
            sums = answer[["conversions", "value", "share"]].sum().tolist()
            assert sums == pytest.approx([paths["conversions"].sum(), paths["value"].sum(), 1])
        known = answer.dropna(subset=["low", "high"])
        assert (known["low"] <= known["high"]).all()


@given(worlds, st.randoms(use_true_random=False))
@examples(30)
def test_the_order_of_rows_decides_nothing(rows: list[Any], random: Any) -> None:
    """Shares and their intervals are the same for the same paths in another order, with and without customers."""
    paths = frame(rows).assign(customer_id=[f"c{n % 3}" for n in range(len(rows))])
    mixed = paths.sample(frac=1, random_state=random.randrange(1000))
    rules = AttributionRules(resampling=QUICK)
    for method in ("last", "time_decay", "markov", "shapley"):
        for columns in (list(paths), [name for name in paths if name != "customer_id"]):
            first, second = (attribute(one[columns], method, rules) for one in (paths, mixed))  # type: ignore[arg-type]
            pd.testing.assert_frame_equal(first, second)


@given(worlds)
@examples(30)
def test_renamed_channels_are_credited_alike(rows: list[Any]) -> None:
    """No name is special but direct."""
    names = {"Ads": "z", "Direct": "y", "Email": "x", "Social": "w"}
    renamed = [(tuple(names[channel] for channel in row[0]), *row[1:]) for row in rows]
    for method in ("linear", "markov", "shapley"):
        found = shares(frame(renamed), method)
        expected = {names[channel]: share for channel, share in shares(frame(rows), method).items()}
        assert found == pytest.approx(expected)


def removal_by_chain(paths: pd.DataFrame, channel: str | None) -> float:
    """The conversion probability of a first-order chain in which a channel leads away, by `markov`."""
    rows = []
    for row in paths.itertuples():
        for end, count in (("won", row.conversions), ("__end__", row.nulls)):
            walked = ["__start__", *row.path, end]
            rows += [(a, "__end__" if b == channel else b, count) for a, b in pairwise(walked)]
    table = pd.DataFrame(rows, columns=["from_touchpoint", "to_touchpoint", "transition_count"])
    table = table[(table["from_touchpoint"] != channel) & (table["transition_count"] > 0)]
    return float(
        absorption_probabilities(build_chain_from_transitions(table, ["won"])).loc["__start__", "won"]
    )


@given(worlds)
@examples(40)
def test_removal_is_the_chain_without_the_channel(rows: list[Any]) -> None:
    """The removal effect of order 1 equals the absorption probabilities of a chain rebuilt without the channel."""
    paths = frame(rows)
    probability, effects = estimate_removal(paths)
    whole = removal_by_chain(paths, None)
    assert probability == pytest.approx(whole)
    assert probability == pytest.approx(
        paths["conversions"].sum() / paths[["conversions", "nulls"]].sum().sum()
    )
    for channel, effect in effects.items():
        assert effect == pytest.approx(1 - removal_by_chain(paths, str(channel)) / whole, abs=1e-9)


@given(worlds, st.integers(1, 3))
@examples(30)
def test_a_channel_that_never_leads_to_a_conversion_has_no_effect(rows: list[Any], order: int) -> None:
    """A channel seen only alone and lost is credited with nothing by every model and rule."""
    paths = frame([*rows, (("Unused",), 0, 5, 0)])
    _, effects = estimate_removal(paths, AttributionRules(order=order))
    assert effects["Unused"] == pytest.approx(0, abs=1e-12)
    for method in METHODS:
        assert shares(paths, method, order=order)["Unused"] == pytest.approx(0, abs=1e-12)


def test_higher_orders_of_short_paths_are_their_own_world() -> None:
    """At order 3 a path of up to three contacts is remembered whole: removal takes the paths that hold the channel."""
    paths = frame([(("a", "b"), 3, 1, 0), (("b",), 1, 1, 0), (("a", "c"), 2, 2, 0)])
    _, effects = estimate_removal(paths, AttributionRules(order=3))
    assert effects.to_dict() == pytest.approx({"a": 5 / 6, "b": 4 / 6, "c": 2 / 6})


def test_large_and_small_chains_are_solved_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sparse solution of many states equals the dense one of few."""
    paths = frame([(("a", "b", "a"), 3, 1, 0), (("b", "c"), 1, 4, 0), (("c", "a", "c"), 2, 2, 0)])
    dense = estimate_removal(paths, AttributionRules(order=2))[1]
    monkeypatch.setattr("journey_mining.mining.removal._DENSE_STATES", 0)
    pd.testing.assert_series_equal(estimate_removal(paths, AttributionRules(order=2))[1], dense)


def shapley_by_orders(worth: Any, players: str) -> dict[str, float]:
    """The mean gain of each player over every order of joining: the definition."""
    gains = dict.fromkeys(players, 0.0)
    orders = list(permutations(players))
    for order in orders:
        for place, player in enumerate(order):
            gains[player] += worth(frozenset(order[: place + 1])) - worth(frozenset(order[:place]))
    return {player: gain / len(orders) for player, gain in gains.items()}


@given(st.lists(st.floats(-10, 10), min_size=16, max_size=16))
def test_exact_shapley_values_are_the_mean_over_all_orders(worths: list[float]) -> None:
    """Of any game of four, and they sum to what all are worth more than none (efficiency)."""

    def worth(players: frozenset[str]) -> float:
        return worths[sum(1 << "abcd".index(player) for player in players)]

    found = shapley_values(worth, "abcd")
    assert found["value"].to_dict() == pytest.approx(shapley_by_orders(worth, "abcd"), abs=1e-9)
    assert found["value"].sum() == pytest.approx(worths[15] - worths[0], abs=1e-9)


def test_shapley_treats_equals_alike_and_dummies_as_nothing() -> None:
    """a and b add the same to every set; d adds nothing."""
    found = shapley_values(lambda players: len(players & {"a", "b"}) ** 2 + 3.0 * ("c" in players), "abcd")[
        "value"
    ]
    assert found.to_dict() == pytest.approx({"a": 2, "b": 2, "c": 3, "d": 0})


def test_sampled_shapley_values_lie_within_their_error() -> None:
    """Above twelve players: additive parts exactly, a common bonus within four standard errors, the sum kept."""
    players = [f"p{number:02}" for number in range(15)]

    def worth(chosen: frozenset[str]) -> float:
        return sum(int(player[1:]) for player in chosen) + 100.0 * (len(chosen) >= 8)

    found = shapley_values(worth, players, permutations=2000, seed=1)
    expected = np.arange(15) + 100 / 15
    assert found["value"].sum() == pytest.approx(worth(frozenset(players)))
    assert (found["error"] > 0).all()
    assert ((found["value"] - expected).abs() < 4 * found["error"]).all()


@given(worlds)
@examples(30)
def test_shapley_of_conversions_is_the_value_of_its_game(rows: list[Any]) -> None:
    """Equal shares path by path are the Shapley values of "conversions of the paths within the set"."""
    paths = frame(rows)

    def worth(channels: frozenset[str]) -> float:
        return float(sum(row[1] for row in rows if set(row[0]) <= channels))

    names = {channel for row in rows for channel in row[0]}
    expected = shapley_values(worth, names)["value"] / paths["conversions"].sum()
    assert shares(paths, "shapley") == pytest.approx(expected.to_dict())


def test_shapley_of_rates_is_the_value_of_its_game() -> None:
    """Worth: conversions over paths within the set; the shares are of the overall rate."""
    rows = [(("a",), 1, 3, 0), (("a", "b"), 4, 1, 0), (("b",), 2, 6, 0), (("c", "b"), 1, 1, 0)]

    def worth(channels: frozenset[str]) -> float:
        won = sum(row[1] for row in rows if set(row[0]) <= channels)
        lost = sum(row[2] for row in rows if set(row[0]) <= channels)
        return won / (won + lost) if won + lost else 0.0

    expected = shapley_values(worth, "abc")["value"] / worth(frozenset("abc"))
    assert shares(frame(rows), "shapley", game="rate") == pytest.approx(expected.to_dict())


def test_many_channels_are_sampled_with_their_error_only_where_they_must() -> None:
    """Fourteen channels: the game of conversions stays exact, that of rates states its error and still sums to 1."""
    channels = [f"c{number:02}" for number in range(14)]
    rows = [((a, b), 1 + n % 3, n % 5, 0) for n, (a, b) in enumerate(permutations(channels, 2))]
    exact = attribute(frame(rows), "shapley", AttributionRules(resampling=QUICK))
    sampled = attribute(frame(rows), "shapley", AttributionRules(resampling=QUICK, game="rate"))
    assert isinstance(exact, pd.DataFrame)
    assert isinstance(sampled, pd.DataFrame)
    assert (exact["sampling_error"] == 0).all()
    assert (sampled["sampling_error"] > 0).all()
    assert sampled["share"].sum() == pytest.approx(1)


def test_intervals_are_as_wide_as_the_customers_are_few() -> None:
    """Of 400 conversions 100 began with a: about 25 % +- 4.2 points; of 4 customers with 100 each, anything."""
    rows = pd.DataFrame({"path": [("a",), ("b",)], "conversions": [100, 300]})
    alone = attribute(rows, "first")
    assert isinstance(alone, pd.DataFrame)
    assert (alone["low"][0], alone["high"][0]) == pytest.approx((0.2075, 0.2925), abs=0.01)
    four = pd.DataFrame({"path": [("a",), *[("b",)] * 3], "conversions": 100, "customer_id": list("wxyz")})
    shared = attribute(four, "first")
    assert isinstance(shared, pd.DataFrame)
    assert (shared["low"][0], shared["high"][0]) == (0, 0.75)


def test_losses_belong_to_their_customers_too() -> None:
    """When each customer both converts and is lost by the same path, no draw of customers changes the chain."""
    rows = pd.DataFrame({"path": [("a", "b"), ("a",)] * 3, "conversions": [1, 0] * 3, "nulls": [0, 1] * 3})
    answer = attribute(rows.assign(customer_id=list("xxyyzz")), "markov")
    assert isinstance(answer, pd.DataFrame)
    assert answer["low"].tolist() == pytest.approx(answer["share"].tolist())
    assert answer["high"].tolist() == pytest.approx(answer["share"].tolist())


def test_paths_alike_but_for_their_times_are_ordered_too() -> None:
    """Without customers as well, the order of such rows moves no interval."""
    times = [(0.0, DAY * day) for day in range(12)]
    rows = pd.DataFrame({"path": [("a", "b")] * 12, "conversions": 1, "times": times})
    first, second = (attribute(one, "time_decay") for one in (rows, rows[::-1]))
    assert isinstance(first, pd.DataFrame)
    pd.testing.assert_frame_equal(first, second)


def test_what_does_not_convert_is_not_attributed() -> None:
    """No conversions, no paths: every method says so."""
    lost = pd.DataFrame({"path": [("a",)], "conversions": [0], "nulls": [3]})
    for paths in (lost, lost.iloc[:0], lost.iloc[:0].assign(times=[])):
        assert set(attribute_by_all(paths).values()) == {Unavailable("no path converts")}


@pytest.mark.parametrize(
    "paths",
    [
        pd.DataFrame({"path": [("a",)]}),
        pd.DataFrame({"path": [()], "conversions": [1]}),
        pd.DataFrame({"path": ["a > b"], "conversions": [1]}),
        pd.DataFrame({"path": [("a", None)], "conversions": [1]}),
        pd.DataFrame({"path": [("__start__", "a")], "conversions": [1]}),
        pd.DataFrame({"path": [("a",)], "conversions": [-1]}),
        pd.DataFrame({"path": [("a",)], "conversions": [0.5]}),
        pd.DataFrame({"path": [("a",)], "conversions": [0], "value": [5.0]}),
        pd.DataFrame({"path": [("a",)], "conversions": [1], "customer_id": [None]}),
        pd.DataFrame({"path": [("a",)], "conversions": [1], "times": [(1.0, 2.0)]}),
        pd.DataFrame({"path": [("a",)], "conversions": [1], "times": [(5.0,)], "converted_at": [4.0]}),
    ],
)
def test_paths_that_are_none_are_refused(paths: pd.DataFrame) -> None:
    """Missing columns, empty or unsplit paths, wrong counts, unknown customers, times that do not fit."""
    with pytest.raises(MiningError):
        attribute(paths, "linear")


def test_removal_needs_a_conversion() -> None:
    """There is nothing to take away where nothing converts."""
    with pytest.raises(MiningError, match="none converts"):
        estimate_removal(pd.DataFrame({"path": [("a",)], "conversions": [0], "nulls": [3]}))


def test_lists_and_arrays_are_paths_too() -> None:
    """As they come out of a database."""
    for path in (["a", "b"], np.array(["a", "b"], dtype=object)):
        assert shares(pd.DataFrame({"path": [path], "conversions": [1]}), "linear") == {"a": 0.5, "b": 0.5}


def test_an_unknown_method_is_refused() -> None:
    """The message names those that there are."""
    with pytest.raises(MiningError, match="last_non_direct"):
        attribute(one_path("a"), "guess")  # type: ignore[arg-type]
