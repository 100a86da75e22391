"""Comparisons, time to convert, what customers did instead, predictions and escalations, against plain counting."""

from __future__ import annotations

import warnings
from collections import Counter
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from test_analysis_funnel import log

import journey_mining as jm
from depth import examples
from journey_mining.errors import MiningError, QueryError
from journey_mining.mining.comparison import rank_features
from journey_mining.mining.statistics import newcombe_difference
from journey_mining.mining.survival import estimate_conversion


def load(rows: list[tuple[Any, ...]], *columns: str, **options: Any) -> Any:
    """Events in memory: customer, seconds, touchpoint, and further columns."""
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", *columns])
    return jm.from_events(frame, **{"goal": None, **options})


def test_a_comparison_counts_customers_who_show_a_feature() -> None:
    """Rates, difference with Newcombe's interval, and both sizes."""
    rows = [(n, 0, "a", "m") for n in range(10)] + [(n, 0, "a", "d") for n in range(10, 30)]
    rows += [(n, 1, "b", "m") for n in range(8)] + [(n, 1, "b", "d") for n in range(10, 14)]
    found = load(rows, "device").compare("device = 'm'")
    first = found[(found["kind"] == "touchpoint") & (found["feature"] == "b")].iloc[0]
    assert first[["shown_a", "n_a", "shown_b", "n_b"]].tolist() == [8, 10, 4, 20]
    expected = newcombe_difference(8, 10, 4, 20)
    assert first[["difference", "low", "high"]].tolist() == pytest.approx(
        [expected.value, expected.low, expected.high]
    )
    assert first["is_distinguishing"]
    assert found.attrs == {"a_count": 10, "b_count": 20, "both_count": 0}
    assert len(found.figure().data[0].x) > 0
    assert not load(rows, "device").compare("device = 'm'", minimum_effect=0.7)["is_distinguishing"].any()


def test_customers_of_both_segments_are_in_neither() -> None:
    """They would be compared with themselves."""
    rows = [(1, 0, "a"), (1, 1, "b"), (2, 0, "a"), (3, 0, "b")]
    found = load(rows).compare({"touchpoint": "a"}, {"touchpoint": "b"}, minimum_count=1)
    assert found.attrs["both_count"] == 1
    assert set(found["n_a"]) == set(found["n_b"]) == {1}


@pytest.mark.parametrize(
    ("segment", "size"),
    [
        ("device = 'm'", 2),
        ({"device": "m"}, 2),
        ({"device": None}, 1),
        ({"touchpoint": "b"}, 1),
        ({"journeys": "step_count > 1"}, 1),
        ({"journeys": "step_count > 1", "events": "device = 'm'"}, 1),
        ("event_count = 1", 2),
    ],
)
def test_a_segment_is_a_predicate_a_mapping_or_a_step(segment: Any, size: int) -> None:
    """Over columns of customers, journeys or events, whichever table has them."""
    rows = [(1, 0, "a", "m"), (1, 1, "b", "d"), (2, 0, "a", "m"), (3, 0, "a", None)]
    assert load(rows, "device").compare(segment, minimum_count=1).attrs["a_count"] == size


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        ("devise = 'm'", "did you mean 'device'"),
        ({"journeys": "stat = 'open'"}, "did you mean 'state'"),
        ({"journeys": "is_converted"}, "did you mean state = 'converted'"),
        ({"is_dropped_off": True}, "did you mean state = 'dropped_off'"),
        ("device = 'x'", "segment_a has no customers"),
        ("device in (select 1)", "may not use"),
        ("device = ", "no SQL predicate"),
        ({"touchpoint": "aa"}, "did you mean"),
        ("1 = 1", "no customers|No table"),
    ],
)
def test_a_segment_that_is_none_is_told(segment: Any, message: str) -> None:
    """Unknown columns with the nearest, empty segments, statements."""
    snapshot = load([(1, 0, "aaa", "m"), (2, 0, "aaa", "d")], "device")
    with pytest.raises(QueryError, match=message):
        snapshot.compare(segment)


def test_features_of_equal_segments_are_no_discoveries() -> None:
    """In 100 splits by chance, hardly one names any of 60 features: 5 % of false claims are allowed."""
    rng, claims = np.random.default_rng(1), 0
    for _ in range(100):
        rates = rng.random(60)
        counts = {
            "a_shown": rng.binomial(200, rates),
            "b_shown": rng.binomial(300, rates),
            "a_count": 200,
            "b_count": 300,
        }
        frame = pd.DataFrame({"kind": "touchpoint", "feature": [str(n) for n in range(60)], **counts})
        claims += bool(rank_features(frame, 0.0, 5, 0.05)["is_distinguishing"].any())
    assert claims <= 11


waits = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=30)


def kaplan_meier(units: list[tuple[int, bool]]) -> dict[float, float]:
    """The share converted by each time, by the definition: who leaves at a time is at risk until then."""
    survived, shares = 1.0, {}
    for moment in sorted({seconds for seconds, done in units if done}):
        at_risk = sum(seconds >= moment for seconds, _ in units)
        survived *= 1 - sum(done and seconds == moment for seconds, done in units) / at_risk
        shares[float(moment)] = 1 - survived
    return shares


@given(waits)
def test_conversion_with_censoring_is_kaplan_and_meiers(units: list[tuple[int, bool]]) -> None:
    """Times of zero, ties, everybody censored, everybody converted."""
    counted = Counter(units)
    frame = pd.DataFrame(
        [(seconds, done, count) for (seconds, done), count in counted.items()],
        columns=["seconds", "is_converted", "unit_count"],
    )
    found = estimate_conversion(frame)
    assert dict(zip(found["seconds"], found["conversion"], strict=True)) == pytest.approx(kaplan_meier(units))
    assert found.attrs["unit_count"] == len(units)
    inner = found[(found["conversion"] > 0) & (found["conversion"] < 1)]
    low, high = scipy_interval(units)
    assert inner["low"].tolist() == pytest.approx([low[seconds] for seconds in inner["seconds"]], abs=1e-9)
    assert inner["high"].tolist() == pytest.approx([high[seconds] for seconds in inner["seconds"]], abs=1e-9)
    assert found.drop(index=inner.index)["low"].isna().all()


def scipy_interval(units: list[tuple[int, bool]]) -> tuple[dict[float, float], dict[float, float]]:
    """The ends of the interval of the share converted by each time, as scipy gives them of single units."""
    done = [seconds for seconds, is_done in units if is_done]
    if not done:
        return {}, {}
    censored = [seconds for seconds, is_done in units if not is_done]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of times at which nobody or everybody is left
        fitted = stats.ecdf(stats.CensoredData(uncensored=done, right=censored)).sf
        found = fitted.confidence_interval(method="log-log")
    ends = [dict(zip(one.quantiles.tolist(), (1 - one.probabilities).tolist(), strict=True)) for one in found]
    return ends[1], ends[0]


def test_the_interval_of_a_known_trial() -> None:
    """Remission under 6-MP (Freireich 1963): the median's and the last step's interval, as survival programs print them."""
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    watched = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    frame = pd.DataFrame(
        {
            "seconds": ended + watched,
            "is_converted": [True] * len(ended) + [False] * len(watched),
            "unit_count": 1,
        }
    )
    found = estimate_conversion(frame)
    last = found.iloc[-1]
    assert [1 - last["high"], 1 - last["conversion"], 1 - last["low"]] == pytest.approx(
        [0.1881, 0.4482, 0.6801], abs=5e-5
    )
    assert (found.attrs["median_seconds"], found.attrs["median_low"]) == (23, 13)


def test_units_that_have_not_converted_are_watched_until_the_cutoff() -> None:
    """Two of three convert after 1 and 3 seconds; the third began 2 seconds before the end, and is no loss."""
    found = log("ab", "a  b", "   a c").time_to_convert(["a", "b"], censored=True)
    assert found["seconds"].tolist() == [1, 3]
    assert found["conversion"].tolist() == pytest.approx([1 / 3, 1])
    assert found.attrs["median_seconds"] == 3
    assert found.units["is_converted"].tolist() == [True, False, True]
    windowed = log("ab", "a", "     c").time_to_convert(["a", "b"], censored=True, window=2)
    assert windowed.units["seconds"].tolist() == [1, 2]
    assert len(found.figure().data) == 3


def test_what_those_who_left_did_instead_of_going_on() -> None:
    """The next other touchpoint, silence, another channel; with the lift over those who went on."""
    rows = [
        (1, 0, "a", "w"),
        (1, 1, "x", "w"),
        (1, 2, "b", "w"),
        (2, 0, "a", "w"),
        (2, 1, "x", "p"),
        (3, 0, "a", "w"),
    ]
    rows += [(4, 0, "a", "w"), (4, 1, "a", "w"), (4, 2, "y", "w")]
    found = load(rows, "channel").instead(["a", "b"]).set_index(["kind", "instead"])
    assert found["dropped_off"].to_dict() == {
        ("touchpoint", "x"): 1,
        ("silence", "silence"): 1,
        ("touchpoint", "y"): 1,
        ("another channel", "another channel"): 1,
    }
    assert found.loc[
        ("touchpoint", "x"), ["dropped_off_share", "converted_share", "lift"]
    ].tolist() == pytest.approx([1 / 3, 1, 1 / 3])
    assert np.isnan(found.loc[("silence", "silence"), "lift"])
    with pytest.raises(QueryError, match="ordered steps"):
        load(rows, "channel").instead(["a", "b"], order="any")


def test_a_prediction_is_the_share_of_what_followed_and_is_judged_later() -> None:
    """Chances sum to 1; weeks held out tell how well they hold; the order is the data's own."""
    week = 7 * 86_400
    rows = [
        row
        for n in range(60)
        for row in ((n, n * week / 10, "a"), (n, n * week / 10 + 1, "b" if n % 4 else "c"))
    ]
    found = load(rows).predict_next(["a"], order=1)
    assert found["probability"].sum() == pytest.approx(1)
    assert found["touchpoint"].iloc[0] == "b"
    assert found["probability"].iloc[0] == pytest.approx(0.75, abs=0.05)
    assert found.attrs["skill"] > 0.2
    assert found.attrs["held_out_moves"] > 0
    assert {"mean_forecast", "observed_rate"} <= set(found.attrs["reliability"].columns)
    short = load(rows[:4]).predict_next("a")
    assert short.attrs["calibration"].startswith("unavailable, because all journeys began")
    with pytest.raises(QueryError, match="did you mean"):
        load([(1, 0, "checkout")]).predict_next(["chekout"])
    with pytest.raises(QueryError, match="order"):
        load(rows).predict_next(["a"], order=9)
    with pytest.raises(MiningError, match="no journey"):
        load([]).predict_next([])


def test_the_order_that_the_data_support_is_chosen() -> None:
    """After a and b comes what came before them: memory of two. A coin has none (but no walk is empty)."""
    rng = np.random.default_rng(2)
    second = ["xaby" if rng.random() < 0.5 else "zabw" for _ in range(300)]
    chosen = log(*second).markov_orders().set_index("order")["is_chosen"]
    assert chosen.idxmax() >= 2
    plain = ["".join(rng.choice(["a", "b"], rng.geometric(0.2))) for _ in range(300)]
    assert log(*plain).markov_orders().set_index("order")["is_chosen"].idxmax() <= 1


HOUR = 3_600
TASKS = [
    (1, 0, "form", "web"), (1, 1 * HOUR, "call", "phone"),
    (2, 0, "form", "web"), (2, 30 * HOUR, "call", "phone"),
    (3, 0, "form", "web"), (3, 1 * HOUR, "done", "web"), (3, 2 * HOUR, "call", "phone"),
    (4, 0, "form", "web"), (4, 1 * HOUR, "page", "web"), (4, 2 * HOUR, "call", "phone"),
    (5, 99 * HOUR, "page", "web"),
]  # fmt: skip


def test_a_call_escalates_the_last_unresolved_task_on_the_web() -> None:
    """Soon after, with nothing resolved between; a task that began too late to be followed does not count."""
    found = load(TASKS, "channel", goal="done").escalations("24 hours").set_index("touchpoint")
    assert found["customer_count"].to_dict() == {"form": 4, "page": 1}
    assert found["escalated_count"].to_dict() == {"page": 1, "form": 1}
    assert found.loc["form", ["to_touchpoint", "median_seconds"]].tolist() == ["call", HOUR]
    wide = load(TASKS, "channel", goal="done").escalations("2 days", resolved="page")
    assert wide.set_index("touchpoint")["escalated_count"].to_dict() == {"form": 2, "done": 1}


def test_escalations_without_a_phone_are_unavailable() -> None:
    """One row says why, and what to name."""
    found = load([(1, 0, "form", "web")], "channel").escalations()
    assert found["note"].tolist() == [
        "unavailable, because the log has no contact with a person: name its touchpoint or condition in to=…"
    ]


@examples(10)
@given(st.lists(st.text("abc", max_size=6), max_size=6))
def test_every_question_is_answered_or_refused_clearly(customers: list[str]) -> None:
    """Whatever the log: a frame, or an error of the project's own."""
    snapshot = log(*customers, touchpoints=["a", "b", "c"])
    questions = [
        lambda: snapshot.attribution("all", by="touchpoint", bootstrap=3),
        lambda: snapshot.compare({"touchpoint": "a"}),
        lambda: snapshot.pain_points(candidates=True, min_customers=2),
        lambda: snapshot.instead(["a", "b", "c"]),
        lambda: snapshot.time_to_convert(["a", "b"], censored=True),
        lambda: snapshot.predict_next(["a"]),
        snapshot.markov_orders,
        lambda: snapshot.escalations(from_="a", to="b", resolved="c"),
    ]
    for ask in questions:
        with suppress(QueryError, MiningError):
            assert isinstance(ask(), pd.DataFrame)
