"""Attribution: which share of the conversions each channel is credited with, by nine rules and models.

A method describes paths by totals (path_sums: a credit a channel, moves of a chain, sets of channels) and turns totals into
shares, so that one bootstrap over customers serves all of them. A share is a convention about credit, never an effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import compress

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import comb

from journey_mining.errors import MiningError
from journey_mining.mining.path_sums import (
    METHODS,
    AttributionRules,
    Method,
    PathSums,
    Tally,
    Unavailable,
    join_value,
    sum_paths,
)
from journey_mining.mining.paths import Paths, read_paths
from journey_mining.mining.removal import MoveSpace
from journey_mining.mining.statistics import FloatArray, bootstrap_interval

Combine = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
Worth = Callable[[frozenset[str]], float]
EXACT_PLAYERS = 12
PERMUTATIONS = 500
Answer = pd.DataFrame | Unavailable


@dataclass(frozen=True, eq=False)
class _Sharing:
    """What shares follow from the totals of a method's columns (draws x columns), and what else is told."""

    share: Callable[[FloatArray], FloatArray]
    extra: Callable[[FloatArray], dict[str, FloatArray]] = lambda totals: {}


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
    wanted = list(methods)
    if unknown := [method for method in wanted if method not in METHODS]:
        raise MiningError("There is no such method.", found=str(unknown[0]), expected=", ".join(METHODS))
    return attribute_sums(sum_paths(read, wanted, rules), rules)


def attribute_sums(sums: PathSums, rules: AttributionRules) -> dict[Method, Answer]:
    """The answers of the methods for which paths were summed up."""
    return {method: _answer(sums, tally, method, rules) for method, tally in sums.tallies.items()}


def _answer(sums: PathSums, tally: Tally | Unavailable, method: Method, rules: AttributionRules) -> Answer:
    if not sums.conversions:
        return Unavailable("no path converts")
    if isinstance(tally, Unavailable):
        return tally
    sharing = _build_sharing(sums, tally, method, rules)
    rows = tally.rows / tally.units
    totals = np.asarray(tally.counts @ rows)[None, :]
    share = sharing.share(totals)[0]
    if not np.isfinite(share).all():
        return Unavailable("no channel makes a difference to the conversions")
    low, high = bootstrap_interval(rows, sharing.share, counts=tally.counts, plan=rules.resampling)
    columns = {"channel": sums.channels, **_credit(sums, tally, share)}
    return pd.DataFrame(columns | {"share": share, "low": low, "high": high} | sharing.extra(totals))


def _credit(sums: PathSums, tally: Tally, share: FloatArray) -> dict[str, FloatArray]:
    """Conversions and value of each channel: path by path, or for a model as it shares the conversions."""
    if tally.conversions is None or tally.value is None:
        return {"conversions": share * sums.conversions, "value": share * join_value(sums.value)}
    return {"conversions": tally.conversions, "value": join_value(tally.value)}


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


def _build_sharing(sums: PathSums, tally: Tally, method: Method, rules: AttributionRules) -> _Sharing:
    if method == "markov":
        return _share_removal(sums, tally, rules)
    if method == "shapley" and rules.game == "rate":
        return _share_rate_game(sums, tally, rules)
    exact = {"sampling_error": np.zeros(len(sums.channels))} if method == "shapley" else {}
    return _Sharing(_share_credits, lambda totals: exact)


def _share_credits(totals: FloatArray) -> FloatArray:
    """Of the last total, the conversions."""
    return totals[:, :-1] / np.where(totals[:, -1:] > 0, totals[:, -1:], np.nan)


def _share_removal(sums: PathSums, tally: Tally, rules: AttributionRules) -> _Sharing:
    """The removal effects, normalised."""
    moves = [(column[:-1], column[-1]) for column in tally.columns]
    space = MoveSpace.build(moves, rules.order, sums.channels)

    def share(totals: FloatArray) -> FloatArray:
        effects = np.array([space.remove(row)[1] for row in totals])
        parts = effects.sum(axis=1, keepdims=True)
        return effects / np.where(parts > 0, parts, np.nan)

    return _Sharing(share, lambda totals: {"removal_effect": space.remove(totals[0])[1]})


def _share_rate_game(sums: PathSums, tally: Tally, rules: AttributionRules) -> _Sharing:
    """Shapley values of the conversion rate; the columns are sets of channels that converted, then those lost."""
    sets = [column[1:] for column in tally.columns[: len(tally.columns) // 2]]
    members = np.array([[channel in one for channel in sums.channels] for one in sets])
    coalitions, combine = _plan_coalitions(len(sums.channels), PERMUTATIONS, rules.resampling.seed)
    within = (members.astype(float) @ ~coalitions.T == 0).astype(float)

    def solve(totals: FloatArray) -> tuple[FloatArray, FloatArray]:
        won, missed = totals[:, : len(sets)] @ within, totals[:, len(sets) :] @ within
        values, errors = combine(won / np.where(won + missed > 0, won + missed, np.inf))
        worth = values.sum(axis=1, keepdims=True)
        known = np.where(worth > 0, worth, np.nan)
        return values / known, errors / known

    return _Sharing(lambda t: solve(t)[0], lambda t: {"sampling_error": solve(t)[1][0]})


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
