"""Pain points and moments of delight: what customers met who then converted less, or more, than comparable ones.

At stake = customers who met the signal x max(0, conversion of comparable customers without it - with it). Comparable
customers were at the same place (hence in the same stage; `_match` says which of them count), had entered through the same channel, were under way for as
long, and had or had not reached the goal before; both are followed for the same time. It is a difference between
groups, no proof of a cause. A touchpoint that names an error is also an incident when customers met it in one span of
days far more often than on other days (mining.incidents); what it cost is then estimated in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from journey_mining.analysis.expressions import Span, span_us
from journey_mining.analysis.incidents import write_occasions
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.passages import OTHER, write_trials, write_ways
from journey_mining.mining.incidents import estimate_incidents
from journey_mining.mining.statistics import difference_intervals, exact_p_values, find_discoveries
from journey_mining.parameters import Parameters, check_asked

FlagArray = NDArray[np.bool_]
PAIN, DELIGHT, INCIDENT = "pain point", "moment of delight", "incident"
COLUMNS = [
    "finding", "kind", "signal", "touchpoint", "stage", "customers", "comparable_count", "conversion_with", "conversion_without", "difference",
    "low", "high", "at_stake", "at_stake_low", "at_stake_high", "matched_share", "p_value", "q_value", "is_claimed", "first_at", "last_at",
    "judged_one_in",
]  # fmt: skip
WAYS = ["touchpoint", "stage", "is_goal", "is_after_goal", "journey_count", "way_share"]
_WAY_PARTS = 20
"""Parts of the most frequent touchpoint's journeys in which the others of the way are counted."""
_ERROR = re.compile(
    r"error|fail|bug\b|crash|declin|reject|timeout|exception|not found|unavailable|_bug", re.I
)


class PainRules(Parameters):
    """What it takes to be claimed."""

    min_customers: int = Field(20, ge=2)
    """Customers who met the signal and have comparable ones, at least."""
    minimum_effect: float = Field(0.03, ge=0, le=1)
    """Smallest difference of conversion rates that matters, of 1."""
    false_discovery_rate: float = Field(0.05, gt=0, lt=1)
    """Share of claims that may be false (Benjamini and Hochberg 1995), over pain points and delights together."""
    minimum_burst: float = Field(3, ge=1)
    """How many times as often as on other days an error must be met to be an incident."""
    obstacles: tuple[str, ...] = ()
    """Touchpoints that happen to customers, who do not choose them, beside those that name an error."""
    way_share: float = Field(0.5, gt=0, le=1)
    """A touchpoint that so many of the converted journeys came by is on the way to the goal: neither pain nor delight."""
    max_customers: int = Field(40_000, ge=1_000)
    """Of a log of more customers a part is judged, and what is counted is scaled up (`judged_one_in`)."""


def estimate_pain_points(
    trials: pd.DataFrame,
    ways: pd.DataFrame,
    rules: PainRules | None = None,
    one_in: int = 1,
    incidents: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row a candidate, claimed ones first, by the lower bound of what is at stake.

    `trials` and `ways` are the answers to analysis.passages. `customers` met the signal and have comparable ones
    (`matched_share` of all who met it); the conversion without it is that of the comparable ones, weighted to the same
    places, channels and times under way (direct standardisation), with Kish's effective number of them
    (`comparable_count`; Kish 1965). Loops, waits, repeats and low scores can be pain points only. low and high: Newcombe's interval of the difference (without - with). The p-value is
    exact (Fisher), on the effective numbers; q_value adjusts it over all candidates. For a moment of delight the
    difference is negative, and at stake are the conversions that it may have brought. `incidents` is the answer of
    mining.incidents: an incident's customers, times and p-value are those of its span of days, and its other numbers
    those of the error at any time; it is claimed for being so frequent, whatever it cost.
    """
    rules = rules or PainRules()
    if trials.empty:
        return pd.DataFrame(columns=COLUMNS)
    found = _add_incidents(_match(trials, ways, rules), incidents)
    found = found[found["customers"] >= rules.min_customers].reset_index(drop=True)
    if found.empty:
        return pd.DataFrame(columns=COLUMNS)
    found = _judge(found, rules)
    found = _put_at_stake(found.assign(customers=found["customers"] * one_in, judged_one_in=one_in))
    found["kind"] = [
        "error" if kind == "touchpoint" and _ERROR.search(signal) else kind
        for kind, signal in zip(found["kind"], found["signal"], strict=True)
    ]
    found["touchpoint"] = found["signal"].str.split(" → ").str[-1].str.split(": no answer| [(]").str[0]
    found["stage"] = found["touchpoint"].map(ways.set_index("touchpoint")["stage"])
    order = ["is_claimed", "at_stake_low", "at_stake", "kind", "signal"]
    found = found.sort_values(order, ascending=[False, False, False, True, True], ignore_index=True)
    return _drop_doubles(found)[COLUMNS]


def _add_incidents(found: pd.DataFrame, incidents: pd.DataFrame | None) -> pd.DataFrame:
    """The candidates with a row more for each incident, beside the comparison of those who met the error at any time."""
    found = found.assign(rate_ratio=np.nan)
    if incidents is None or incidents.empty:
        return found
    costs = found[found["kind"] == "touchpoint"].drop(columns=["kind", "customers", "p_value", "rate_ratio"])
    costs = costs.drop(columns=["first_at", "last_at"])
    days = {f"{end}_at": pd.to_datetime(incidents[f"{end}_day"], unit="D") for end in ("first", "last")}
    rows = (
        incidents[["signal", "customers", "rate_ratio", "p_value"]].assign(**days).merge(costs, on="signal")
    )
    return pd.concat([found, rows.assign(kind=INCIDENT)[found.columns]], ignore_index=True)


def _judge(found: pd.DataFrame, rules: PainRules) -> pd.DataFrame:
    """The candidates with finding, q_value and is_claimed, all of them tested together."""
    is_incident = found["kind"] == INCIDENT
    is_large = (found["difference"].abs() >= rules.minimum_effect) & ~is_incident
    is_large |= is_incident & (found["rate_ratio"] >= rules.minimum_burst)
    judged = find_discoveries(found["p_value"], false_discovery_rate=rules.false_discovery_rate)
    is_clear = (found["low"] > 0) | (found["high"] < 0) | is_incident
    is_pain = (found["difference"] >= 0) | is_incident
    can_delight = found["kind"].isin(["touchpoint", "transition"])
    return found.assign(
        q_value=judged["adjusted_p_value"],
        finding=np.where(is_pain, PAIN, DELIGHT),
        is_claimed=judged["is_discovery"] & is_large & is_clear & (can_delight | is_pain),
    )


def tabulate_ways(sums: pd.DataFrame) -> pd.DataFrame:
    """One row a touchpoint of the answer to analysis.passages.write_ways.

    touchpoint, stage, is_goal, is_after_goal (of a stage after the goal's), journey_count, and way_share, the share of
    converted journeys that came by it before the goal.
    """
    kinds = sums[sums["step_count"] > 0]
    numbers = kinds["stage_number"].where(kinds["stage_number"] > 0)
    kinds = kinds.assign(stage_number=numbers).sort_values(["touchpoint", "stage"])
    named = kinds.groupby("touchpoint", as_index=False).agg(
        stage=("stage", "first"), is_goal=("is_goal", "any"), stage_number=("stage_number", "min")
    )
    counted = sums.groupby("touchpoint", as_index=False)[["journey_count", "way_count"]].sum()
    found = named.merge(counted, on="touchpoint").sort_values("touchpoint", ignore_index=True)
    goal_number = numbers[kinds["is_goal"]].max()
    goals = int(sums["goal_count"].sum())
    return found.assign(
        is_after_goal=found["stage_number"] > goal_number,
        way_share=found["way_count"] / goals if goals else np.nan,
    )[WAYS]


def list_way(ways: pd.DataFrame, rules: PainRules) -> list[str]:
    """The touchpoints on the way to the goal, those of most journeys first: how far customers get.

    Those that about as many came by are in order of their names: which of them is ahead would change from day to day,
    and with it how far everybody came.
    """
    on_way = ways[(ways["way_share"] >= rules.way_share) & ~ways["is_goal"]]
    part = (_WAY_PARTS * on_way["journey_count"] / on_way["journey_count"].max()).round()
    ranked = on_way.assign(part=part).sort_values(["part", "touchpoint"], ascending=[False, True])
    return [str(name) for name in ranked["touchpoint"]]


def read_ways(log: EventLog, query: str) -> pd.DataFrame:
    """The answer to a query of the touchpoints that journeys came by."""
    return log.read(query)


def read_occasions(log: EventLog, query: str | None) -> pd.DataFrame | None:
    """The answer to a query of occasions; None where no touchpoint names an error."""
    return None if query is None else log.read(query)


def find_pain_points(
    log: EventLog,
    within: Span | None = None,
    rules: PainRules | None = None,
    ask_trials: Callable[[EventLog, int, Sequence[str], int], str] = write_trials,
    ask_ways: Callable[[EventLog, str], pd.DataFrame] = read_ways,
    ask_occasions: Callable[[EventLog, str | None], pd.DataFrame | None] = read_occasions,
) -> tuple[pd.DataFrame, str]:
    """The candidates of a log (as `estimate_pain_points`), and the query of their trials.

    within: how long customers are followed for the goal; None: as `follow_us` says. ask_trials: what gives the query
    of the trials by cell; whoever keeps trials gives one over these. ask_ways, ask_occasions: what answers these queries.
    """
    rules = rules or PainRules()
    within_us = follow_us(log.settings) if within is None else span_us(within, "within")
    sums = ask_ways(log, write_ways(log))
    ways = tabulate_ways(sums)
    one_in = max(1, -(-int(sums["customer_count"].sum()) // rules.max_customers))
    query = ask_trials(log, within_us, list_way(ways, rules), one_in)
    errors = [str(name) for name in ways.loc[~ways["is_goal"], "touchpoint"] if _ERROR.search(str(name))]
    occasions = ask_occasions(log, write_occasions(log, errors, one_in) if errors else None)
    incidents = None if occasions is None else estimate_incidents(occasions)
    return estimate_pain_points(log.read(query), ways, rules, one_in, incidents), query


def follow_us(settings: Mapping[str, str | None]) -> int:
    """How long customers are followed, microseconds: the journeys' expiry, or 7 days where they never expire."""
    expiry = settings.get("expiry_seconds")
    return span_us(float(expiry) if expiry is not None else 7 * 86_400.0, "within")


def _match(trials: pd.DataFrame, ways: pd.DataFrame, rules: PainRules) -> pd.DataFrame:
    """One row a candidate: the customers who met it beside comparable ones without it, with p-value.

    What happens to customers is compared with everybody else at the place. What they choose is a pain when they convert
    less than those who did not go on towards the goal there either, and a delight when they convert more than those who
    went on at all: whoever chose it had neither left nor taken the next step of the way. Who turned to a contact of a
    stage after the goal's was on another errand, and is not compared.
    """
    goals = set(ways.loc[ways["is_goal"], "touchpoint"])
    common = goals | set(ways.loc[ways["way_share"] >= rules.way_share, "touchpoint"])
    after = set(ways.loc[ways["is_after_goal"], "touchpoint"])
    waits = trials.loc[trials["kind"] == "wait", "place"].unique()
    asked = {str(place).rsplit(", ", maxsplit=1)[0] for place in waits}
    # Few signals have many trials, so that each is looked at once.
    number = trials.groupby(["kind", "signal"], sort=False).ngroup().to_numpy()
    named = trials[["kind", "signal"]].drop_duplicates(ignore_index=True)
    lasts = named["signal"].str.split(" → ").str[-1]
    last = pd.Series(lasts.to_numpy()[number], index=trials.index)
    is_choice = trials["kind"].isin(["touchpoint", "transition"])
    names_error = lasts.map(lambda name: bool(_ERROR.search(name))).to_numpy(dtype=bool)
    happens = last.isin(rules.obstacles) | names_error[number]
    is_no_candidate = _is_no_candidate(named, common, goals, after, asked)[number]
    is_candidate = (trials["signal"] != OTHER) & ~is_no_candidate
    chosen = is_candidate & is_choice & ~happens
    everybody = _compare(trials[is_candidate & ~chosen], trials)
    same_errand = is_choice & ~last.isin(after)
    stayed = _compare(trials[chosen], trials[same_errand & ~last.isin(common)])
    moved = _compare(trials[chosen], trials[same_errand & (trials["signal"] != OTHER)])
    stayed = stayed[stayed["difference"] >= 0]
    moved = moved[~_names(moved).isin(_names(stayed))]
    moved["p_value"] = moved["p_value"].where(moved["difference"] < 0, 1.0)
    return pd.concat([everybody, stayed, moved], ignore_index=True)


def _names(found: pd.DataFrame) -> pd.Index[Any]:
    return pd.MultiIndex.from_frame(found[["kind", "signal"]])


def _is_no_candidate(
    signals: pd.DataFrame, common: set[str], goals: set[str], after: set[str], asked: set[str]
) -> FlagArray:
    """Whether a signal is a part of the way (a goal, or what most converted journeys came by) or of another errand.

    A contact of a stage after the goal's, such as a look at an order, says what customers came for, not what they met;
    repeated it is a candidate only where customers ask the company something.
    """
    answers = []
    for kind, signal in zip(signals["kind"], signals["signal"], strict=True):
        names = str(signal).split(" → ")
        if kind in ("touchpoint", "transition"):
            answers.append(names[-1] in common | after)
        elif kind == "loop":
            answers.append(set(names) <= common or bool(set(names) & goals))
        else:
            answers.append(kind == "repeat contact" and signal in common | (after - asked))
    return np.array(answers, dtype=np.bool_)


def _compare(met: pd.DataFrame, there: pd.DataFrame) -> pd.DataFrame:
    """One row a signal: rates with and without, difference with its interval, and the p-value.

    `there` are the trials that count as comparable, those of `met` among them.
    """
    cell = ["kind", "place", "entry_channel", "under_way", "is_known"]
    sums = there.groupby(cell, as_index=False)[["there_count", "there_converted"]].sum()
    cells = met.merge(sums, on=cell, suffixes=("", "_all"))
    cells["other_count"] = cells["there_count_all"] - cells["there_count"]
    cells["other_converted"] = (cells["there_converted_all"] - cells["there_converted"]).clip(lower=0)
    return _standardise(cells)


def _standardise(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a signal, of cells with the customers who met it and those who did not."""
    has_comparable = cells["other_count"] > 1e-6
    total = cells.groupby(["kind", "signal"])["met_count"].sum()
    kept = cells[has_comparable].copy()
    kept["expected"] = kept["met_count"] * kept["other_converted"] / kept["other_count"]
    kept["spread"] = kept["met_count"] ** 2 / kept["other_count"]
    by_signal = kept.groupby(["kind", "signal"])
    sums = by_signal[["met_count", "met_converted", "expected", "spread"]].sum()
    met = sums["met_count"].to_numpy()
    without = np.minimum(sums["expected"].to_numpy() / met, 1)
    compared = met**2 / sums["spread"].to_numpy()
    with_signal = np.minimum(sums["met_converted"].to_numpy() / met, 1)
    low, high = difference_intervals(without, compared, with_signal, met)
    return sums.reset_index()[["kind", "signal"]].assign(
        customers=np.round(met).astype(int),
        comparable_count=np.round(compared).astype(int),
        conversion_with=with_signal,
        conversion_without=without,
        difference=without - with_signal,
        low=low,
        high=high,
        matched_share=met / total.loc[sums.index].to_numpy(),
        p_value=exact_p_values(without, compared, with_signal, met),
        first_at=pd.to_datetime(by_signal["first_us"].min().to_numpy(), unit="us"),
        last_at=pd.to_datetime(by_signal["last_us"].max().to_numpy(), unit="us"),
    )


def _put_at_stake(found: pd.DataFrame) -> pd.DataFrame:
    """Customers x difference, never below zero; of a delight mirrored."""
    mirror = np.where(found["finding"] == PAIN, 1, -1)
    ends = np.sort(np.stack([mirror * found["low"], mirror * found["high"]]), axis=0)
    count = found["customers"]
    return found.assign(
        at_stake=count * np.maximum(mirror * found["difference"], 0),
        at_stake_low=count * np.maximum(ends[0], 0),
        at_stake_high=count * np.maximum(ends[1], 0),
    )


def _drop_doubles(found: pd.DataFrame) -> pd.DataFrame:
    """Without what says no more than another: a transition than its touchpoint, a wait than another wait, an incident
    than the error that was claimed for what it cost."""
    claimed = found[found["is_claimed"]]
    touchpoints = set(claimed.loc[claimed["kind"].isin(["touchpoint", "error"]), "signal"])
    is_double = (found["kind"] == "transition") & found["signal"].str.split(" → ").str[-1].isin(touchpoints)
    is_double |= (found["kind"] == INCIDENT) & found["signal"].isin(touchpoints)
    waits = (found["kind"] == "wait") & found["is_claimed"]
    asked = found["signal"].str.split(": no answer").str[0]
    is_double |= waits & asked.where(waits).duplicated()
    return found[~is_double].reset_index(drop=True)


def ask_rules(asked: Mapping[str, Any]) -> PainRules:
    """The checked rules; raises QueryError."""
    return check_asked(PainRules, "pain points", asked)
