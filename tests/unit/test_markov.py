"""Markov chains: exact answers against simulation, clear refusals, and which memory the paths support."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth import examples
from journey_mining.errors import MiningError
from journey_mining.mining.markov import (
    Chain,
    absorption_probabilities,
    build_chain,
    build_chain_from_paths,
    build_chain_from_transitions,
    choose_order,
    committor,
    compare_orders,
    count_moves,
    evaluate_predictor,
    expected_seconds,
    expected_steps,
    fit_predictor,
    fundamental_matrix,
    predict_next,
    stationary_distribution,
)

paths_of_touchpoints = st.lists(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(tuple), min_size=1, max_size=12
)


def transitions(*rows: tuple[str, str, int], **waits: list[float]) -> pd.DataFrame:
    """A transitions table of (from, to, count) rows, with waits by column."""
    columns = ["from_touchpoint", "to_touchpoint", "transition_count"]
    return pd.DataFrame(rows, columns=columns).assign(**waits)


def shop() -> pd.DataFrame:
    """Search leads to the product or away; the product to the basket, back or away."""
    return transitions(
        ("__start__", "search", 100),
        ("search", "product", 60),
        ("search", "__end__", 60),
        ("product", "search", 20),
        ("product", "basket", 30),
        ("product", "__end__", 10),
        ("basket", "__end__", 30),
        gap=[np.nan, 10.0, np.nan, 20.0, 30.0, np.nan, np.nan],
    )


def walk(chain: Chain, start: str, count: int) -> tuple[pd.Series[float], float]:
    """The shares of ends and the mean steps of simulated walks."""
    generator, matrix = np.random.default_rng(3), chain.matrix.toarray()
    ends, steps = [], 0
    for _ in range(count):
        place = chain.states.index(start)
        while not chain.is_absorbing[place]:
            place, steps = generator.choice(len(matrix), p=matrix[place]), steps + 1
        ends.append(chain.states[place])
    return pd.Series(ends).value_counts(normalize=True), steps / count


def remembering_paths(count: int, seed: int) -> list[tuple[str, ...]]:
    """Paths of a second-order chain: b is followed by what was not before it."""
    generator, paths = np.random.default_rng(seed), []
    for _ in range(count):
        path: list[str] = []
        while len(path) < 3 or generator.random() > 0.2:
            weights = {"ab": [0.1, 0.1, 0.8], "cb": [0.8, 0.1, 0.1]}.get("".join(path[-2:]), [1 / 3] * 3)
            path.append(str(generator.choice(list("abc"), p=weights)))
        paths.append(tuple(path))
    return paths


def forgetful_paths(count: int, seed: int) -> list[tuple[str, ...]]:
    """Paths whose touchpoints, and whose end after any of them, are drawn without any memory."""
    generator = np.random.default_rng(seed)
    lengths = generator.geometric(0.25, size=count)
    return [tuple(map(str, generator.choice(["a", "b"], size=length))) for length in lengths]


def test_absorption_equals_simulation_within_its_error() -> None:
    """20,000 walks end at the goal, and take as many steps, as linear algebra says (4 standard errors)."""
    chain = build_chain_from_transitions(shop(), absorbing=["basket"])
    shares, steps = walk(chain, "__start__", 20_000)
    exact = absorption_probabilities(chain).loc["__start__"]
    assert exact.sum() == pytest.approx(1)
    assert shares["basket"] == pytest.approx(exact["basket"], abs=4 * np.sqrt(0.25 / 20_000))
    assert steps == pytest.approx(expected_steps(chain)["__start__"], abs=0.05)


def test_absorption_by_hand() -> None:
    """From the product half go to the basket and a third back to search, of which half return: b = 1/2 + b/6."""
    exact = absorption_probabilities(build_chain_from_transitions(shop(), absorbing=["basket"]))
    assert exact.loc["product", "basket"] == pytest.approx(0.6)
    assert exact.loc["search", "basket"] == pytest.approx(0.3)


def test_steps_are_the_row_sums_of_the_fundamental_matrix() -> None:
    """t = N 1."""
    chain = build_chain_from_transitions(shop())
    assert np.allclose(fundamental_matrix(chain).sum(axis=1), expected_steps(chain))


def test_expected_seconds_weigh_each_wait_by_its_probability() -> None:
    """Search waits 10 s half the time; the product 20 s a third and 30 s half the time: s = 5 + p/2, p = 65/3 + s/3."""
    seconds = expected_seconds(build_chain_from_transitions(shop()), shop(), column="gap")
    s = (5 + 65 / 6) / (1 - 1 / 6)
    assert seconds["search"] == pytest.approx(s)
    assert seconds["product"] == pytest.approx(65 / 3 + s / 3)
    assert seconds["basket"] == 0


def test_a_missing_wait_is_refused() -> None:
    """A wait that nobody measured is not taken for none; the message names the transition."""
    waits = shop().assign(gap=np.nan)
    with pytest.raises(MiningError, match=r"product > basket|product > search|search > product"):
        expected_seconds(build_chain_from_transitions(shop()), waits, column="gap")


def test_committor_is_the_absorption_probability_of_two_ends() -> None:
    """Basket before the end, and names may be given as one text."""
    chain = build_chain_from_transitions(shop())
    found = committor(chain, "basket", "__end__")
    assert found["search"] == pytest.approx(0.3)
    assert (found["basket"], found["__end__"]) == (1, 0)


def test_committor_is_zero_where_neither_end_can_be_reached() -> None:
    """A trap that leads to neither is no singular matrix."""
    chain = build_chain([[0, 0.5, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], list("sgbt"))
    assert committor(chain, ["g"], ["b"]).to_dict() == {"s": 0.5, "g": 1, "b": 0, "t": 0}


def test_stationary_shares_stay_as_they_are() -> None:
    """pi P = pi, also when a transient state leads in."""
    matrix = np.array([[0.2, 0.4, 0.4], [0, 0.5, 0.5], [0, 0.25, 0.75]])
    found = stationary_distribution(build_chain(matrix, list("xyz")))
    assert np.allclose(found.to_numpy() @ matrix, found)
    assert found["x"] == 0
    assert found["y"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([], "square"),
        ([[1, 0]], "square"),
        ([[0.5, 0.4], [0, 1]], "not stochastic"),
        ([[1.5, -0.5], [0, 1]], "not stochastic"),
        ([[float("nan"), 1], [0, 1]], "not stochastic"),
    ],
)
def test_a_matrix_that_is_none_is_refused(matrix: list[list[float]], message: str) -> None:
    """Empty, of another shape, rows that do not sum to 1, negative or missing numbers."""
    with pytest.raises(MiningError, match=message):
        build_chain(np.array(matrix, ndmin=2), ["x", "y"][: len(matrix)])


def test_a_reducible_chain_is_refused() -> None:
    """Two closed classes have no single stationary distribution; a loop without a way out is never absorbed."""
    with pytest.raises(MiningError, match="reducible"):
        stationary_distribution(build_chain(np.eye(2), ["x", "y"]))
    looped = build_chain([[0, 1, 0], [1, 0, 0], [0, 0, 1]], ["x", "y", "end"])
    with pytest.raises(MiningError, match="never reach"):
        absorption_probabilities(looped)


def test_transitions_that_make_no_chain_are_refused() -> None:
    """None at all, a negative count, a touchpoint that nobody leaves."""
    for rows in ([], [("a", "__end__", -1)], [("__start__", "a", 1)]):
        with pytest.raises(MiningError):
            build_chain_from_transitions(transitions(*rows))


@given(paths_of_touchpoints)
def test_a_chain_of_order_1_is_the_chain_of_the_transitions(paths: list[tuple[str, ...]]) -> None:
    """Paths and their transitions table give one and the same chain."""
    rows = [(source[0], target, int(n)) for (source, target), n in count_moves(paths, 1).items()]
    table, walked = build_chain_from_transitions(transitions(*rows)), build_chain_from_paths(paths, order=1)
    assert table.states == walked.states
    assert np.allclose(table.matrix.toarray(), walked.matrix.toarray())


@given(paths_of_touchpoints, st.integers(1, 3))
@examples(50)
def test_expected_steps_are_the_mean_length_at_every_order(paths: list[tuple[str, ...]], order: int) -> None:
    """A fitted chain of any order takes as many steps from start to end as the paths did on average."""
    steps = expected_steps(build_chain_from_paths(paths, order))
    assert steps["__start__"] == pytest.approx(np.mean([len(path) + 1 for path in paths]))


def test_counts_stand_for_repeated_paths() -> None:
    """A path counted thrice is the path written thrice."""
    once = build_chain_from_paths([("a", "b"), ("a",)], counts=[3, 1])
    written = build_chain_from_paths([("a", "b")] * 3 + [("a",)])
    assert np.allclose(once.matrix.toarray(), written.matrix.toarray())


def test_the_order_that_made_the_paths_is_chosen() -> None:
    """Second-order memory is found in 2,000 paths, with strong evidence against order 1; none where there is none."""
    compared = compare_orders(remembering_paths(2000, seed=1), max_order=2)
    assert choose_order(compared) == 2
    assert compared["lr_p_value"].iloc[2] < 1e-9
    assert choose_order(compare_orders(forgetful_paths(500, seed=5), max_order=2)) < 2


def test_likelihood_ratio_of_a_small_table_by_hand() -> None:
    """a is followed by a 4 and the end 2 times, b by the end 3 times, the start by a 2 and b 3 times."""
    paths = [("a", "a", "a")] * 2 + [("b",)] * 3
    row = compare_orders(paths, max_order=1).iloc[1]
    expected = 4 * np.log(4 / 6) + 2 * np.log(2 / 6) + 2 * np.log(2 / 5) + 3 * np.log(3 / 5)
    assert row["log_likelihood"] == pytest.approx(expected)
    assert row["lr_degrees"] == (3 - 1) * (3 - 1)
    assert row["parameter_count"] == 2


def test_p_values_of_the_order_test_are_calibrated() -> None:
    """Of 200 first-order worlds about one in twenty looks like second order at 5 %."""
    rejected = 0
    for seed in range(200):
        compared = compare_orders(forgetful_paths(200, seed), max_order=2)
        rejected += compared["lr_p_value"].iloc[2] < 0.05
    assert 2 <= rejected <= 24


def test_prediction_without_a_prior_is_the_relative_frequency() -> None:
    """After a: b thrice, the end once."""
    predictor = fit_predictor([("a", "b")] * 3 + [("a",)], prior=0)
    assert predict_next(predictor, ("a",)).to_dict() == {"b": 0.75, "__end__": 0.25, "a": 0}


def test_an_unknown_context_is_answered_by_a_shorter_one() -> None:
    """Of b after b nothing is known, of b it is."""
    predictor = fit_predictor([("a", "b", "c")], order=2, prior=0)
    assert predict_next(predictor, ("b", "b"))["c"] == 1


def test_more_memory_predicts_held_out_paths_better() -> None:
    """Order 2 beats order 1 on new paths of its own kind, and its probabilities come true in every tenth."""
    paths, held_out = remembering_paths(2000, seed=1), remembering_paths(1000, seed=2)
    first, second = (evaluate_predictor(fit_predictor(paths, order), held_out) for order in (1, 2))
    assert second.skill > first.skill
    assert second.brier < first.brier < second.baseline_brier + 1e-12
    gaps = (second.reliability["mean_forecast"] - second.reliability["observed_rate"]).abs()
    assert (gaps[second.reliability["forecast_count"] > 1000] < 0.05).all()


def test_brier_score_by_hand() -> None:
    """Always 3/4 and 1/4 after a; the end came: (3/4)^2 + (3/4)^2. An unseen touchpoint counts as a full miss."""
    predictor = fit_predictor([("a", "b")] * 3 + [("a",)], prior=0)
    start = 0.0
    assert evaluate_predictor(predictor, [("a",)]).brier == pytest.approx((start + 2 * 0.75**2) / 2)
    unseen = evaluate_predictor(predictor, [("z",)])
    assert unseen.outcome_count == 2
    assert unseen.brier > 1


def test_an_order_out_of_range_is_refused() -> None:
    """Orders are 1 to 3."""
    with pytest.raises(MiningError, match="not offered"):
        build_chain_from_paths([("a",)], order=4)
