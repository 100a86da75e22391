"""Pain points: found where they are planted, not claimed where nothing is, whatever else customers differ in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.analysis.passages import OTHER, write_trials
from journey_mining.errors import QueryError
from journey_mining.mining.pain_points import COLUMNS, PainRules, estimate_pain_points, list_way
from journey_mining.mining.statistics import difference_intervals, exact_p_values

HOUR = 3_600
CELL = ["kind", "place", "entry_channel", "under_way", "is_known"]
WAYS = pd.DataFrame(
    {"touchpoint": ["goal"], "stage": [None], "is_goal": [True], "is_after_goal": [False], "journey_count": [1], "way_share": [0.0]}
)  # fmt: skip


def draw_trials(seed: int, effect: float = 0.0, customers: int = 3000, signals: int = 12) -> pd.DataFrame:
    """Trials of a world in which place, channel and time under way decide both conversion and what customers meet.

    Customers differ in how readily they convert, too. Given the cell, a signal changes nothing but, by `effect`, the
    conversion of those who meet signal 0.
    """
    rng = np.random.default_rng(seed)
    count = customers * 3
    customer = rng.integers(0, customers, count)
    eagerness = rng.normal(0, 0.7, customers)[customer]
    cell = rng.integers(0, (4, 3, 3), (count, 3))
    base = rng.normal(0, 1.0, (4, 3, 3))[tuple(cell.T)]
    odds = rng.normal(0, 1.0, (4, 3, 3, signals + 1))[tuple(cell.T)]
    signal = (odds + rng.gumbel(size=odds.shape)).argmax(axis=1)
    chance = 1 / (1 + np.exp(1.0 - base - eagerness))
    chance = np.where(signal == 0, np.maximum(chance - effect, 0), chance)
    frame = pd.DataFrame(cell, columns=["place", "entry_channel", "under_way"]).assign(
        kind="touchpoint",
        is_known=False,
        customer=customer,
        signal=np.where(signal == signals, OTHER, "signal " + signal.astype(str).astype(object)),
        converted=rng.random(count) < chance,
    )
    return weigh(frame)


def weigh(trials: pd.DataFrame) -> pd.DataFrame:
    """The cells of single trials, as the query gives them."""
    met = 1 / trials.groupby(["kind", "customer", "signal"])["signal"].transform("size")
    there = 1 / trials.groupby(["kind", "customer", "place"])["place"].transform("size")
    weighted = trials.assign(
        met_count=met,
        met_converted=met * trials["converted"],
        there_count=there,
        there_converted=there * trials["converted"],
        first_us=0,
        last_us=0,
    )
    sums = dict.fromkeys(("met_count", "met_converted", "there_count", "there_converted"), "sum")
    return weighted.groupby([*CELL, "signal"], as_index=False).agg(
        {**sums, "first_us": "min", "last_us": "max"}
    )


def count_false_worlds(seeds: range) -> tuple[int, int]:
    """In how many worlds without an effect something is claimed; and would be without matching."""
    claimed = naive = 0
    for seed in seeds:
        trials = draw_trials(seed)
        claimed += bool(estimate_pain_points(trials, WAYS)["is_claimed"].any())
        flat = trials.groupby("signal")[["met_count", "met_converted"]].sum()
        whole = flat.sum()
        rest = whole - flat
        p = exact_p_values(
            flat["met_converted"] / flat["met_count"], flat["met_count"],
            rest["met_converted"] / rest["met_count"], rest["met_count"],
        )  # fmt: skip
        naive += bool((p < 0.05 / len(p)).any())
    return claimed, naive


def test_a_world_without_effects_claims_nothing() -> None:
    """With no true effect every claim is false, so claims come in no more than 5 % of the worlds; unmatched, in most."""
    claimed, naive = count_false_worlds(range(30))
    assert claimed <= 4  # 1.5 expected at most; more than 4 of 30 would have a chance under 2 %
    assert naive > 15


@pytest.mark.slow
def test_many_worlds_without_effects_claim_nothing() -> None:
    """The same over 600 worlds, in which 5 % are 30."""
    claimed, _ = count_false_worlds(range(1000, 1600))
    assert claimed <= 40


def test_a_planted_effect_ranks_first() -> None:
    """In every one of twenty worlds, with an interval that mostly covers the planted size."""
    covered = 0
    for seed in range(20):
        found = estimate_pain_points(draw_trials(seed, effect=0.15), WAYS)
        worst = found.iloc[0]
        assert (worst["signal"], worst["finding"], worst["is_claimed"]) == ("signal 0", "pain point", True)
        covered += bool(worst["low"] <= 0.15 <= worst["high"])
    assert covered >= 16


def test_a_delight_is_the_mirror_image() -> None:
    """A signal after which more convert: the difference is negative, what is at stake is not."""
    trials = draw_trials(3, effect=-0.2)
    best = estimate_pain_points(trials, WAYS).query("finding == 'moment of delight'").iloc[0]
    assert best["signal"] == "signal 0"
    assert best["difference"] < 0 < best["at_stake_low"] <= best["at_stake"] <= best["at_stake_high"]


def test_at_stake_is_customers_times_the_matched_difference() -> None:
    """Two cells by hand: 30 of 40 without against 10 of 40 with, and 8 of 20 against 4 of 20."""
    rows = []
    for place, met, met_won, others, others_won in (("a", 40, 10, 40, 30), ("b", 20, 4, 20, 8)):
        for signal, count, won in (("x", met, met_won), (OTHER, others, others_won)):
            cell = dict(zip(CELL, ("touchpoint", place, "web", 0, False), strict=True))
            counts = {"met_count": count, "met_converted": won, "there_count": count, "there_converted": won}
            rows.append({**cell, "signal": signal, **counts, "first_us": 0, "last_us": 0})
    found = estimate_pain_points(pd.DataFrame(rows), WAYS).iloc[0]
    without = (40 * 0.75 + 20 * 0.4) / 60
    compared = 60**2 / (40**2 / 40 + 20**2 / 20)
    assert found["customers"] == 60
    assert found["conversion_with"] == pytest.approx(14 / 60)
    assert found["conversion_without"] == pytest.approx(without)
    assert found["at_stake"] == pytest.approx(60 * (without - 14 / 60))
    low, _ = difference_intervals([without], [compared], [14 / 60], [60])
    assert found["at_stake_low"] == pytest.approx(60 * low[0])


def load(rows: list[tuple[Any, ...]], **options: Any) -> Any:
    """Events (customer, hour, touchpoint) in memory."""
    frame = pd.DataFrame(rows, columns=["customer_id", "hour", "touchpoint"])
    frame["occurred_at"] = frame["hour"] * HOUR
    return jm.from_events(frame.drop(columns="hour"), goal="buy", **{"repeats": "collapse", **options})


def test_trials_weigh_each_customer_once() -> None:
    """A customer who met a signal twice counts once, half for each time; so does one who was at a place twice."""
    rows = [
        (1, 0, "cart"),
        (1, 0.1, "error"),
        (1, 0.2, "cart"),
        (1, 0.3, "error"),
        (1, 0.4, "buy"),
        (2, 0, "cart"),
        (2, 900, "end"),
    ]
    snapshot = load(rows)
    trials = snapshot.sql(write_trials(snapshot._log, 24 * HOUR * 1_000_000, []))
    met = trials[(trials["kind"] == "touchpoint") & (trials["signal"] == "error")]
    assert met[["met_count", "met_converted"]].sum().tolist() == [1, 1]
    at_cart = trials[(trials["kind"] == "touchpoint") & (trials["place"] == "cart; ")]
    assert at_cart["there_count"].sum() == 2
    loop = trials[(trials["kind"] == "loop") & (trials["signal"] == "cart → error → cart")]
    assert loop["met_count"].sum() == 1


def test_only_what_came_directly_after_in_the_same_sitting_is_met() -> None:
    """A return the next day is no step that the customer was led to."""
    snapshot = load([(1, 0, "cart"), (1, 24, "help"), (2, 0, "cart"), (2, 0.2, "help"), (3, 900, "end")])
    trials = snapshot.sql(write_trials(snapshot._log, HOUR * 1_000_000, []))
    at_cart = trials[(trials["kind"] == "touchpoint") & (trials["place"] == "cart; ")]
    assert at_cart.set_index("signal")["there_count"].to_dict() == {OTHER: 1, "help": 1}


def plant(failing: bool, customers: int = 400) -> list[tuple[Any, ...]]:
    """Carts of which a third meet an error; when it is failing few of them buy."""
    rows: list[tuple[Any, ...]] = []
    rng = np.random.default_rng(5)
    for customer in range(customers):
        start = float(rng.integers(0, 500))
        meets = rng.random() < 0.35
        rows += [(customer, start, "shop"), (customer, start + 0.1, "cart")]
        rows += [(customer, start + 0.2, "card error")] if meets else []
        if rng.random() < (0.15 if meets and failing else 0.6):
            rows.append((customer, start + 0.3, "buy"))
    return [*rows, (0, 2000, "shop")]


def test_an_error_is_found_in_events() -> None:
    """From events to the claim; the way to the goal, which all take, is none."""
    found = load(plant(failing=True)).pain_points()
    assert found[["kind", "signal"]].values.tolist() == [["error", "card error"]]
    assert found["conversion_with"].item() < 0.3 < found["conversion_without"].item()
    assert found.sql
    assert len(found.figure().data[0].y) == 1


def test_an_error_that_costs_nothing_is_no_pain_point() -> None:
    """The same events, with no fewer purchases after it: a candidate, not a claim."""
    snapshot = load(plant(failing=False))
    assert snapshot.pain_points().empty
    assert snapshot.moments_of_delight().empty
    both = [snapshot.pain_points(candidates=True), snapshot.moments_of_delight(candidates=True)]
    assert "card error" in set(pd.concat(both)["signal"])


def choose(seed: int, obstacle: str | None = None, customers: int = 1500) -> list[tuple[Any, ...]]:
    """Shops from which customers go on to the cart, look at the help, or leave; what they buy hangs on the cart alone.

    A third look at the help, and half of these then leave. An obstacle meets a third of those with a cart, of whom few buy.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    for customer in range(customers):
        at = float(rng.integers(0, 500))
        walk = ["shop"]
        walk += ["help"] if rng.random() < 1 / 3 else []
        if rng.random() < (0.5 if "help" in walk else 0.6):
            walk.append("cart")
            meets = obstacle is not None and rng.random() < 1 / 3
            walk += [obstacle] if obstacle and meets else []
            walk += ["buy"] if rng.random() < (0.15 if meets else 0.7) else []
        rows += [(customer, at + 0.1 * place, name) for place, name in enumerate(walk)]
    return [*rows, (0, 2000, "shop")]


def test_what_customers_choose_is_no_pain_for_not_being_the_next_step() -> None:
    """Whoever looks at the help buys less than those who go to the cart, and not less than those who do not."""
    claims = [load(choose(seed)) for seed in range(6)]
    assert sum(not one.pain_points().empty for one in claims) <= 1
    assert sum(not one.moments_of_delight().empty for one in claims) <= 1


def test_what_customers_choose_is_no_delight_for_not_leaving() -> None:
    """Whoever looks at the help buys more than those who leave at once, which says nothing of the help."""
    rows = [row for row in choose(7) if row[2] != "buy" or row[0] % 2]
    snapshot = load([row for row in rows if row[2] != "cart" or row[0] % 3])
    assert snapshot.moments_of_delight().empty


def test_an_obstacle_with_a_name_of_its_own_can_be_named() -> None:
    """What happens to customers is compared with everybody else there, also with those who went on and bought."""
    snapshot = load(choose(3, obstacle="puzzle"))
    assert snapshot.pain_points().empty
    found = snapshot.pain_points(obstacles=("puzzle",))
    assert found["signal"].tolist() == ["puzzle"]
    assert found["difference"].item() > 0.4


def test_repeats_count_where_they_are_no_part_of_the_way_nor_of_another_errand() -> None:
    """Of a page that most customers come by, or of a stage after the goal's, a repeat is no candidate; of a request it is."""
    cell = dict(zip(CELL, ("repeat contact", "", "web", 0, False), strict=True))
    rows = []
    for name in ("shop", "account", "request"):
        for signal, count, won in ((name, 40, 4), (OTHER, 400, 200)):
            counts = {"met_count": count, "met_converted": won, "there_count": count, "there_converted": won}
            rows.append(
                {**cell, "place": f"{name}; ", "signal": signal, **counts, "first_us": 0, "last_us": 0}
            )
    counts = {
        "met_count": 9,
        "met_converted": 9,
        "there_count": 9,
        "there_converted": 9,
        "first_us": 0,
        "last_us": 0,
    }
    rows.append({**cell, "kind": "wait", "place": "request, 1 day", "signal": OTHER, **counts})
    ways = pd.DataFrame(
        {"touchpoint": ["goal", "shop", "account", "request"], "stage": None, "is_goal": [True, False, False, False],
         "is_after_goal": [False, False, True, True], "journey_count": 1, "way_share": [0, 0.9, 0.1, 0.1]}
    )  # fmt: skip
    found = estimate_pain_points(pd.DataFrame(rows), ways)
    assert found[["kind", "signal"]].to_numpy().tolist() == [["repeat contact", "request"]]


@pytest.mark.parametrize("rows", [[], [(1, 0, "shop")], [(1, 0, "buy")], [(1, 0, None), (None, 0, "shop")]])
def test_too_little_is_no_pain_point(rows: list[tuple[Any, ...]]) -> None:
    """Nothing, one customer, no cart, no names: an empty answer with its columns."""
    found = load(rows).pain_points(candidates=True)
    assert found.empty
    assert list(found.columns) == COLUMNS
    with pytest.raises(QueryError, match="nothing to draw"):
        found.figure()


@pytest.mark.parametrize("search", [799, 800, 801])
def test_the_way_is_the_same_whichever_of_two_equals_is_ahead_today(search: int) -> None:
    """What most came by is first; a journey more or less does not turn the way round, and with it every place."""
    counts = {"home": 1000, "sign in": 800, "search": search, "cart": 500, "rare": 900, "purchase": 300}
    ways = pd.DataFrame(
        {
            "touchpoint": list(counts),
            "journey_count": list(counts.values()),
            "way_share": [0.9, 0.8, 0.8, 1.0, 0.1, 0.0],
            "is_goal": [False, False, False, False, False, True],
        }
    )
    assert list_way(ways, PainRules()) == ["home", "search", "sign in", "cart"]
    assert list_way(ways.iloc[:0], PainRules()) == []


def test_rules_are_checked() -> None:
    """Unknown rules and shares beyond 1 are told."""
    with pytest.raises(QueryError, match="minimum_efect"):
        load([(1, 0, "shop")]).pain_points(minimum_efect=0.1)
    with pytest.raises(QueryError, match="way_share"):
        load([(1, 0, "shop")]).pain_points(way_share=2)


def test_a_large_log_is_judged_by_a_part_of_it() -> None:
    """Counts are scaled up, rates are not."""
    rows = plant(failing=True, customers=4000)
    whole = load(rows).pain_points()
    part = load(rows).pain_points(max_customers=1000)
    assert (whole["judged_one_in"].item(), part["judged_one_in"].item()) == (1, 4)
    assert part["customers"].item() == pytest.approx(whole["customers"].item(), rel=0.25)
    assert part["conversion_with"].item() == pytest.approx(whole["conversion_with"].item(), abs=0.08)
