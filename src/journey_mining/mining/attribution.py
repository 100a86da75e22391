"""Attribution: which share of the conversions each channel is credited with, by nine rules and models.

A method describes paths by totals (a credit a channel, moves of a chain, sets of channels) and turns totals into shares,
so that one bootstrap over customers serves all of them. A share is a convention about credit, never an effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse
from scipy.special import comb

from journey_mining.errors import MiningError
from journey_mining.mining.markov import MAX_ORDER
from journey_mining.mining.paths import Paths, read_paths
from journey_mining.mining.removal import MoveSpace
from journey_mining.mining.statistics import FloatArray, Resampling, bootstrap_interval, sum_by_customer

Combine = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
Worth = Callable[[frozenset[str]], float]
Method = Literal[
    "first", "last", "last_non_direct", "linear", "time_decay", "position_based", "participation", "markov", "shapley"
]  # fmt: skip
METHODS: tuple[Method, ...] = get_args(Method)
EXACT_PLAYERS = 12
PERMUTATIONS = 500
FIRST_SHARE = LAST_SHARE = 0.4


class AttributionRules(BaseModel):
    """The choices behind the methods, and the draws behind the intervals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repeats: Literal["keep", "collapse"] = "keep"
    """Whether consecutive contacts through one channel count each, or once (at the time of the last)."""
    direct: frozenset[str] = frozenset({"direct"})
    """Channels, in any case of letters, that last_non_direct passes over."""
    lookback_days: float = Field(30, gt=0)
    """How far before the conversion last_non_direct looks, days; no limit for paths without times."""
    half_life_days: float = Field(7, gt=0)
    """Days after which a contact's weight has halved in time_decay."""
    order: int = Field(1, ge=1, le=MAX_ORDER)
    """How many contacts a state of the Markov chain remembers."""
    shares_of: Literal["conversions", "value"] = "conversions"
    """What share, low and high are of; the models share value as they share conversions."""
    game: Literal["conversions", "rate"] = "conversions"
    """What a set of channels is worth in shapley, of the paths within it: conversions, or conversions a path."""
    resampling: Resampling = Resampling()
    """The bootstrap over customers."""


@dataclass(frozen=True)
class Unavailable:
    """The answer of a method that the data cannot give."""

    reason: str

    def __str__(self) -> str:
        return f"unavailable, because {self.reason}"


Answer = pd.DataFrame | Unavailable


@dataclass(frozen=True, eq=False)
class _Design:
    """What one conversion (or loss) of each path adds to the totals, and what shares follow from totals."""

    converted: Any
    lost: Any
    share: Callable[[FloatArray], FloatArray]
    extra: Callable[[FloatArray], dict[str, FloatArray]] = lambda totals: {}
    carries_value: bool = False


def attribute(paths: pd.DataFrame, method: Method, rules: AttributionRules | None = None) -> Answer:
    """One row a channel, by name: channel, conversions, value, share, low, high; or why there is no answer.

    `paths`: path (tuple of channels) and conversions; and, where known, nulls (times walked without converting), value
    (of all its conversions), customer_id, times (tuple of times or of seconds, one a contact), converted_at (default:
    the last contact). Conversions and shares sum to the conversions and 1, value to the value. Participation credits
    every channel of a path in full: its share is of conversions in which the channel took part, and sums to more.
    The models credit value as they share conversions; rules, and Shapley's game of conversions, path by path. Low and
    high are the share's interval: customers drawn with replacement, or, without customer_id, conversions and nulls.
    markov adds removal_effect; shapley adds sampling_error (standard error of the share, 0 where exact).
    Sources: Google Analytics (rules), Anderl et al. 2016 (markov), Zhao et al. 2018 (shapley). Raises MiningError.
    """
    return attribute_each(paths, [method], rules)[method]


def attribute_each(
    paths: pd.DataFrame, methods: Iterable[Method], rules: AttributionRules | None = None
) -> dict[Method, Answer]:
    """The answers of several methods, as `attribute` gives them one by one."""
    rules = rules or AttributionRules()
    return attribute_paths(read_paths(paths, rules.repeats == "collapse"), methods, rules)


def attribute_paths(read: Paths, methods: Iterable[Method], rules: AttributionRules) -> dict[Method, Answer]:
    """The answers of several methods for paths that were read."""
    return {method: _answer(read, method, rules) for method in methods}


def _answer(read: Paths, method: Method, rules: AttributionRules) -> Answer:
    if not read.conversions.sum():
        return Unavailable("no path converts")
    design = _build_design(read, method, rules)
    if isinstance(design, Unavailable):
        return design
    weights = read.value if rules.shares_of == "value" and design.carries_value else read.conversions
    if not weights.sum():
        return Unavailable("no conversion has a value")
    totals = np.asarray(weights @ design.converted + read.nulls @ design.lost)[None, :]
    share = design.share(totals)[0]
    if not np.isfinite(share).all():
        return Unavailable("no channel makes a difference to the conversions")
    if read.customers is None and weights is read.value:
        return Unavailable("an interval of value needs the customer of each path")
    low, high = _draw_again(read, design, weights, rules.resampling)
    columns = {"channel": read.channels, **_credit(read, design, share)}
    return pd.DataFrame(columns | {"share": share, "low": low, "high": high} | design.extra(totals))


def _draw_again(
    read: Paths, design: _Design, weights: FloatArray, plan: Resampling
) -> tuple[FloatArray, FloatArray]:
    """The interval of each share: customers drawn again, or where they are not known conversions and losses."""
    if read.customers is None:
        rows, counts = sparse.vstack([design.converted, design.lost]), np.r_[weights, read.nulls]
        return bootstrap_interval(rows, design.share, counts=counts, plan=plan)
    by_customer = sum_by_customer(design.converted, weights, read.customers)
    if design.lost.nnz:
        by_customer = by_customer + sum_by_customer(design.lost, read.nulls, read.customers)
    return bootstrap_interval(by_customer, design.share, plan=plan)


def _credit(read: Paths, design: _Design, share: FloatArray) -> dict[str, FloatArray]:
    """Conversions and value of each channel: path by path, or for a model as it shares the conversions."""
    if not design.carries_value:
        return {"conversions": share * read.conversions.sum(), "value": share * read.value.sum()}
    size = len(read.channels)
    totals = {"conversions": read.conversions, "value": read.value}
    return {name: np.asarray(weights @ design.converted)[:size] for name, weights in totals.items()}


def attribute_by_all(paths: pd.DataFrame, rules: AttributionRules | None = None) -> dict[Method, Answer]:
    """The answer of every method, in the order of METHODS."""
    return attribute_each(paths, METHODS, rules)


def estimate_removal(
    paths: pd.DataFrame, rules: AttributionRules | None = None
) -> tuple[float, pd.Series[float]]:
    """The conversion probability P of the chain of order `rules.order`, and each channel's removal effect (0 to 1).

    P = (I - Q)^-1 r at the start; effect(c) = 1 - P(what leads to c leads to no conversion) / P. Exact, not simulated.
    """
    rules = rules or AttributionRules()
    read = read_paths(paths, rules.repeats == "collapse")
    if not read.conversions.sum():
        raise MiningError("Nothing can be removed from paths of which none converts.")
    moves = read.count_moves(rules.order)
    space = MoveSpace.build(moves.columns, rules.order, read.channels)
    totals = np.asarray(read.conversions @ moves.converted + read.nulls @ moves.lost)
    probability, effects = space.remove(totals)
    return probability, pd.Series(effects, index=read.channels)


def shapley_values(
    worth: Worth, players: Iterable[str], permutations: int = PERMUTATIONS, seed: int = 0
) -> pd.DataFrame:
    """Each player's `value`, a share of the worth of all of them, and its `error`: one row a player, by name.

    Exact up to 12 players (error 0), above by sampled permutations (standard error). Values sum to worth(all) -
    worth(none) either way. Sources: Shapley 1953; sampling: Castro et al. 2009.

    >>> shapley_values(lambda players: float(len(players) == 2), ["a", "b"])["value"].to_dict()
    {'a': 0.5, 'b': 0.5}
    """
    names, value = sorted(set(players)), cache(worth)
    coalitions, combine = _plan_coalitions(len(names), permutations, seed)
    worths = [value(frozenset(compress(names, row))) for row in coalitions]
    values, errors = combine(np.array([worths], dtype=np.float64))
    return pd.DataFrame({"value": values[0], "error": errors[0]}, index=pd.Index(names))


def _build_design(read: Paths, method: Method, rules: AttributionRules) -> _Design | Unavailable:
    """The totals and shares of a method; raises MiningError for one that there is not."""
    if method == "markov":
        return _design_markov(read, rules)
    if method == "shapley" and rules.game == "rate":
        return _design_rate_game(read, rules)
    if method not in METHODS:
        raise MiningError("There is no such method.", found=str(method), expected=", ".join(METHODS))
    if method == "time_decay":
        of_converting = read.converting
        timeless = np.isnan(of_converting.days[of_converting.starts])
        if timeless.any():
            return Unavailable(f"{timeless.sum()} of {len(timeless)} converting paths have no times")
    return _design_credits(read, method, rules)


def _design_credits(read: Paths, method: Method, rules: AttributionRules) -> _Design:
    """Credit path by path. The last total is the conversions, of which shares are taken."""
    size, contacts = len(read.channels), read.converting
    # The contacts of a path one after the other, then its 1 for the total.
    place = np.arange(len(contacts.path)) + contacts.path
    columns = np.full(len(place) + len(contacts.lengths), size)
    columns[place] = contacts.channel
    weights = np.ones(len(columns))
    weights[place] = _weigh_contacts(contacts, method, rules)
    counts = np.zeros(len(read.conversions), dtype=np.int64)
    counts[read.conversions > 0] = contacts.lengths + 1
    shape = (len(counts), size + 1)
    converted = sparse.csr_array((weights, columns, np.r_[0, np.cumsum(counts)]), shape=shape)

    def share(totals: FloatArray) -> FloatArray:
        return totals[:, :-1] / np.where(totals[:, -1:] > 0, totals[:, -1:], np.nan)

    exact = {"sampling_error": np.zeros(size)} if method == "shapley" else {}
    return _Design(converted, sparse.csr_array(shape), share, lambda totals: exact, carries_value=True)


def _weigh_contacts(contacts: Paths, method: str, rules: AttributionRules) -> FloatArray:
    """The credit of each contact of the converting paths; sums to 1 a path (participation: to its number of channels).

    Shapley's value of the conversions of paths within a set is an equal share for each channel of a path, whatever
    their number (Zhao et al. 2018, eq. 8).
    """
    place, last = contacts.place, contacts.length - 1
    if method in ("first", "last", "last_non_direct"):
        chosen = _find_credited(contacts, method, rules)
        return np.asarray(place == chosen, dtype=np.float64)
    if method == "linear":
        weights = np.ones(len(place))
    elif method == "position_based":
        inner = (1 - FIRST_SHARE - LAST_SHARE) / np.maximum(1, contacts.length - 2)
        weights = np.where((place > 0) & (place < last), inner, 0.0)
        weights += FIRST_SHARE * (place == 0) + LAST_SHARE * (place == last)
    elif method == "time_decay":
        weights = np.exp2(-(contacts.days - contacts.lowest(contacts.days)) / rules.half_life_days)
    else:
        weights = contacts.is_first.astype(np.float64)
    return weights if method == "participation" else weights / contacts.total(weights)


def _find_credited(contacts: Paths, method: str, rules: AttributionRules) -> FloatArray:
    """The place of the contact that has it all; the last one where nothing within the lookback is not direct."""
    last = (contacts.length - 1).astype(np.float64)
    if method != "last_non_direct":
        return np.zeros(len(last)) if method == "first" else last
    direct = {channel.casefold() for channel in rules.direct}
    is_direct = np.array([channel.casefold() in direct for channel in contacts.channels])[contacts.channel]
    too_early = contacts.highest(np.where(contacts.days > rules.lookback_days, contacts.place, -1))
    found = contacts.highest(np.where(~is_direct & (contacts.place > too_early), contacts.place, -1))
    return np.where(found >= 0, found, last)


def _design_markov(read: Paths, rules: AttributionRules) -> _Design:
    """Moves as totals; shares are the removal effects, normalised."""
    moves = read.count_moves(rules.order)
    space = MoveSpace.build(moves.columns, rules.order, read.channels)

    def share(totals: FloatArray) -> FloatArray:
        effects = np.array([space.remove(row)[1] for row in totals])
        sums = effects.sum(axis=1, keepdims=True)
        return effects / np.where(sums > 0, sums, np.nan)

    return _Design(
        moves.converted, moves.lost, share, lambda totals: {"removal_effect": space.remove(totals[0])[1]}
    )


def _design_rate_game(read: Paths, rules: AttributionRules) -> _Design:
    """Sets of channels as totals, converted and lost; shares are Shapley values of the conversion rate."""
    places, sets = pd.factorize(pd.Series(read.list_sets()))
    rows, ones, shape = np.arange(len(places)), np.ones(len(places)), (len(places), 2 * len(sets))
    converted, lost = (sparse.csr_array((ones, (rows, places + n)), shape=shape) for n in (0, len(sets)))
    members = np.array([[channel in one for channel in range(len(read.channels))] for one in sets])
    coalitions, combine = _plan_coalitions(len(read.channels), PERMUTATIONS, rules.resampling.seed)
    within = (members.astype(float) @ ~coalitions.T == 0).astype(float)

    def solve(totals: FloatArray) -> tuple[FloatArray, FloatArray]:
        won, missed = totals[:, : len(sets)] @ within, totals[:, len(sets) :] @ within
        values, errors = combine(won / np.where(won + missed > 0, won + missed, np.inf))
        worth = values.sum(axis=1, keepdims=True)
        known = np.where(worth > 0, worth, np.nan)
        return values / known, errors / known

    return _Design(converted, lost, lambda t: solve(t)[0], lambda t: {"sampling_error": solve(t)[1][0]})


def _plan_coalitions(count: int, permutations: int, seed: int) -> tuple[NDArray[np.bool_], Combine]:
    """Coalitions (rows) to be valued, and what takes their worths (games x rows) to values and errors by player."""
    if count <= EXACT_PLAYERS:
        every = (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)
        others = every.sum(axis=1, keepdims=True) - every
        weights = np.where(every, 1, -1) / (count * comb(count - 1, others))
        return every, lambda worths: (worths @ weights, np.zeros((len(worths), count)))
    ranks = np.random.default_rng(seed).permuted(np.tile(np.arange(count), (permutations, 1)), axis=1)
    joined = ranks[:, None, :] < np.arange(count + 1)[None, :, None]

    def combine(worths: FloatArray) -> tuple[FloatArray, FloatArray]:
        steps = np.diff(worths.reshape(len(worths), permutations, count + 1), axis=2)
        gains = np.take_along_axis(steps, np.broadcast_to(ranks, steps.shape), axis=2)
        return gains.mean(axis=1), gains.std(axis=1, ddof=1) / np.sqrt(permutations)

    return joined.reshape(-1, count), combine
