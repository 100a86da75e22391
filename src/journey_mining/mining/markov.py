"""Markov chains of journeys: where they end, after how many steps and how long, and what comes next.

Rows of a chain's matrix sum to 1 (from row to column). Formulas: Kemeny and Snell, Finite Markov Chains, 1960.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from journey_mining.errors import MiningError
from journey_mining.mining.graph import END, START
from journey_mining.mining.statistics import Calibration, FloatArray, score_forecasts

Context = tuple[str, ...]
Paths = Sequence[Sequence[str]]
Counts = Sequence[float] | None
Moves = Mapping[tuple[Context, str], float]
MAX_ORDER = 3
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Chain:
    """States and the sparse matrix of probabilities between them; a state that only leads to itself absorbs."""

    states: tuple[Hashable, ...]
    matrix: Any

    @cached_property
    def is_absorbing(self) -> NDArray[np.bool_]:
        """Whether each state is absorbing."""
        return np.asarray(self.matrix.diagonal() >= 1 - _TOLERANCE)

    def name(self, chosen: NDArray[Any] | None = None) -> pd.Index[Any]:
        """The chosen states (all without a choice) as an index of one level."""
        numbers = np.arange(len(self.states)) if chosen is None else np.arange(len(self.states))[chosen]
        return pd.Index([self.states[number] for number in numbers], tupleize_cols=False)

    def locate(self, names: Iterable[Hashable]) -> NDArray[np.bool_]:
        """Which states the names are; raises MiningError for a name that is none or when there is no name."""
        wanted = {names} if isinstance(names, str) else set(names)
        if not wanted or not wanted <= set(self.states):
            missing = sorted(map(str, wanted - set(self.states)))
            raise MiningError("A named state is not in the chain.", found=", ".join(missing) or "no name")
        return np.array([state in wanted for state in self.states])


def build_chain(matrix: Any, states: Sequence[Hashable]) -> Chain:
    """The chain of a square matrix (dense or sparse) of probabilities.

    Raises MiningError for an empty matrix, another shape, repeated names, or rows that are no probabilities.
    """
    rows = sparse.csr_array(matrix, dtype=np.float64)
    shape = (len(states), len(states))
    if not len(states) or rows.shape != shape or len(set(states)) != len(states):
        found = f"{rows.shape} for {len(states)} states, {len(set(states))} of them different"
        raise MiningError("A chain needs states and a square matrix.", found=found)
    sums = np.asarray(rows.sum(axis=1)).ravel()
    is_wrong = ~np.isclose(sums, 1, rtol=0, atol=_TOLERANCE)
    is_wrong |= np.asarray((rows < 0).sum(axis=1)).ravel() > 0
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        raise MiningError(
            f"The probabilities out of {states[row]!r} are not stochastic.",
            found=f"sum {sums[row]:.9g}, smallest {rows.min():.9g}",
            expected="numbers of 0 or more that sum to 1",
        )
    return Chain(tuple(states), rows)


def build_chain_from_transitions(transitions: pd.DataFrame, absorbing: Iterable[str] = ()) -> Chain:
    """The first-order chain of a `transitions` table (from_touchpoint, to_touchpoint, transition_count).

    `__end__` absorbs, and so do the touchpoints in `absorbing` (a goal; it need not occur): what they lead to is left
    out. States are sorted. Raises MiningError for no transitions, for counts that are no counts, and for a touchpoint without a way out.
    """
    final = {END, *absorbing}
    kept = transitions[~transitions["from_touchpoint"].isin(final)]
    names = zip(kept["from_touchpoint"], kept["to_touchpoint"], strict=True)
    moves: Counter[tuple[Hashable, Hashable]] = Counter()
    for pair, count in zip(names, kept["transition_count"], strict=True):
        moves[pair] += count
    return _count_chain(moves, final, required=set(absorbing))


def build_chain_from_paths(paths: Paths, order: int = 1, counts: Counts = None) -> Chain:
    """The chain of the paths, each from `__start__` to `__end__`, whose states are the last `order` touchpoints.

    At order 1 a state is a touchpoint, as in a chain of transitions; above, a tuple (near the start a shorter one that
    begins with `__start__`). Estimates are relative frequencies (maximum likelihood; Anderson and Goodman 1957).
    """
    _check_order(order, lowest=1)

    def label(context: Context) -> Hashable:
        return context[0] if order == 1 or context == (START,) else context

    moves: Counter[tuple[Hashable, Hashable]] = Counter()
    for (context, symbol), count in count_moves(paths, order, counts).items():
        moves[label(context), END if symbol == END else label((*context, symbol)[-order:])] += count
    return _count_chain(moves, {END}, required=set())


def _count_chain(
    moves: Mapping[tuple[Hashable, Hashable], float], final: set[str], required: set[str]
) -> Chain:
    """The chain of counted moves, in which the final states absorb."""
    counts = np.array(list(moves.values()), dtype=np.float64)
    if not len(counts) or not np.all(np.isfinite(counts) & (counts >= 0)) or not counts.sum():
        raise MiningError(
            "A chain needs transitions with counts of 0 or more.", found=f"{len(counts)} of them"
        )
    used = {pair: count for pair, count in moves.items() if count > 0}
    states = sorted({state for pair in used for state in pair} | required, key=lambda s: (str(s), repr(s)))
    number = {state: place for place, state in enumerate(states)}
    cells = {(number[source], number[target]): count for (source, target), count in used.items()}
    cells |= {(number[state], number[state]): 1.0 for state in states if state in final}
    places = np.array(list(cells)).T
    weights = sparse.csr_array((np.array(list(cells.values()), dtype=np.float64), (places[0], places[1])))
    weights.resize((len(states), len(states)))
    sums = np.asarray(weights.sum(axis=1)).ravel()
    if not sums.all():
        stuck = str(states[int(np.argmin(sums))])
        raise MiningError(
            "A touchpoint has no transition out of it.", found=stuck, fix="name it in `absorbing`"
        )
    return build_chain(sparse.diags_array(1 / sums) @ weights, states)


def fundamental_matrix(chain: Chain) -> pd.DataFrame:
    """N = (I - Q)^-1: expected times in each transient state (columns), by the one that a journey starts from (rows)."""
    transient = ~chain.is_absorbing
    names = chain.name(transient)
    return pd.DataFrame(_solve_transient(chain, np.eye(len(names))), index=names, columns=names)


def absorption_probabilities(chain: Chain) -> pd.DataFrame:
    """B = N R: the probability to end in each absorbing state (columns) from each transient one; rows sum to 1."""
    transient = ~chain.is_absorbing
    exits = chain.matrix[transient][:, chain.is_absorbing].toarray()
    ends = chain.name(chain.is_absorbing)
    return pd.DataFrame(_solve_transient(chain, exits), index=chain.name(transient), columns=ends)


def expected_steps(chain: Chain) -> pd.Series[float]:
    """The expected number of steps from each transient state until an absorbing one."""
    transient = ~chain.is_absorbing
    return pd.Series(_solve_transient(chain, np.ones(transient.sum())), index=chain.name(transient))


def expected_seconds(
    chain: Chain, waits: pd.DataFrame, column: str = "median_gap_seconds"
) -> pd.Series[float]:
    """The expected seconds from each transient state until an absorbing one, given the wait of every transition.

    `waits` holds from_touchpoint, to_touchpoint and `column`. With mean waits this is the mean time; with medians a sum
    of typical waits, below the mean where waits are skewed. Out of `__start__` and into `__end__` a missing wait is 0;
    elsewhere it raises MiningError.
    """
    known = {
        (source, target): seconds
        for source, target, seconds in zip(
            waits["from_touchpoint"], waits["to_touchpoint"], waits[column].astype(float), strict=True
        )
        if np.isfinite(seconds)
    }
    transient, held = ~chain.is_absorbing, np.zeros(len(chain.states))
    cells = chain.matrix.tocoo()
    for row, place, probability in zip(*cells.coords, cells.data, strict=True):
        pair = chain.states[row], chain.states[place]
        if not transient[row] or not probability:
            continue
        if pair not in known and pair[0] != START and pair[1] != END:
            raise MiningError("A transition has no waiting time.", found=f"{pair[0]} > {pair[1]}")
        held[row] += probability * known.get(pair, 0.0)
    return pd.Series(_solve_transient(chain, held[transient]), index=chain.name(transient))


def committor(chain: Chain, reach: Iterable[Hashable], before: Iterable[Hashable]) -> pd.Series[float]:
    """The probability to come to a state of `reach` before any of `before`, from every state.

    1 in `reach`, 0 in `before` and wherever neither can be reached. Raises MiningError when the two overlap.
    """
    wanted, avoided = chain.locate(reach), chain.locate(before)
    if (wanted & avoided).any():
        raise MiningError(
            "A state cannot be both reached and avoided.", found=str(chain.name(wanted & avoided)[0])
        )
    inner = _can_reach(chain, wanted | avoided) & ~wanted & ~avoided
    probabilities = wanted.astype(np.float64)
    moves_in = np.asarray(chain.matrix[inner][:, wanted].sum(axis=1)).ravel()
    probabilities[inner] = _solve(chain.matrix[inner][:, inner], moves_in)
    return pd.Series(probabilities, index=chain.name())


def stationary_distribution(chain: Chain) -> pd.Series[float]:
    """The long-run share of time in each state; shares sum to 1 and a state that is left for good has 0.

    Raises MiningError when the chain has several closed classes: it then depends on the start.
    """
    _, classes = connected_components(chain.matrix, directed=True, connection="strong")
    cells = chain.matrix.tocoo()
    sources, targets = cells.coords
    leaves = set(classes[sources[(classes[sources] != classes[targets]) & (cells.data > 0)]])
    closed = sorted(set(classes) - leaves)
    if len(closed) > 1:
        members = "; ".join(str(chain.name(classes == one)[0]) for one in closed[:5])
        raise MiningError(
            "The chain is reducible: it has no single stationary distribution.",
            found=f"{len(closed)} closed classes, with {members}",
        )
    inner = classes == closed[0]
    balance = chain.matrix[inner][:, inner].toarray().T - np.eye(inner.sum())
    balance[-1] = 1
    shares = np.zeros(len(chain.states))
    shares[inner] = np.linalg.solve(balance, np.eye(inner.sum())[-1])
    return pd.Series(shares, index=chain.name())


def _can_reach(chain: Chain, targets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which states have a way to one of the targets."""
    reached, size = targets, -1
    while size != reached.sum():
        size = reached.sum()
        reached = reached | (chain.matrix @ reached > 0)
    return reached


def _solve_transient(chain: Chain, right: FloatArray) -> FloatArray:
    """(I - Q)^-1 right over the transient states; raises MiningError unless each can be absorbed."""
    transient = ~chain.is_absorbing
    stuck = ~_can_reach(chain, chain.is_absorbing)
    if stuck.any():
        found = ", ".join(map(str, chain.name(stuck)[:3]))
        raise MiningError("Some states never reach an absorbing one.", found=found, fix="name what absorbs")
    return _solve(chain.matrix[transient][:, transient], right)


def _solve(inner: Any, right: FloatArray) -> FloatArray:
    """(I - inner)^-1 right."""
    if not inner.shape[0]:
        return right
    solved: FloatArray = splu((sparse.eye_array(inner.shape[0]) - inner).tocsc()).solve(right)
    return solved


def list_moves(path: Sequence[str], order: int, end: str = END) -> Iterator[tuple[Context, str]]:
    """Every move of a path, to `end` at last: the context (last `order` of `__start__` and the touchpoints) and the next.

    >>> list(list_moves(("a", "b"), 1))
    [(('__start__',), 'a'), (('a',), 'b'), (('b',), '__end__')]
    """
    walked = (START, *path, end)
    for place in range(1, len(walked)):
        yield walked[max(0, place - order) : place], walked[place]


def count_moves(paths: Paths, order: int, counts: Counts = None) -> Counter[tuple[Context, str]]:
    """How often each context was followed by each touchpoint or `__end__`, paths counted `counts` times."""
    moves: Counter[tuple[Context, str]] = Counter()
    for path, count in zip(paths, [1] * len(paths) if counts is None else counts, strict=True):
        for move in list_moves(path, order):
            moves[move] += count  # type: ignore[assignment]
    return moves


def _check_order(order: int, lowest: int = 0) -> None:
    """Raises MiningError for an order that is not offered."""
    if not lowest <= order <= MAX_ORDER:
        raise MiningError(
            "This order of a chain is not offered.", found=str(order), expected=f"{lowest} to {MAX_ORDER}"
        )


def compare_orders(paths: Paths, counts: Counts = None, max_order: int = MAX_ORDER) -> pd.DataFrame:
    """One row an order from 0: context_count, parameter_count, log_likelihood, bic, and the test against the order below.

    All orders predict the same moves (the first touchpoint and the end among them), so they compare. BIC: Schwarz 1978,
    for orders Katz 1981; a context has one parameter less than touchpoints ever seen after its last one. The test is the
    likelihood ratio (lr_statistic, lr_degrees, lr_p_value, chi-squared) of Anderson and Goodman 1957, degrees as in
    Billingsley 1961: moves never seen at the order below are impossible. It is optimistic where contexts are rare, and
    takes journeys as independent; the p-value is NaN where the orders cannot differ.
    """
    _check_order(max_order)
    return compare_orders_of_moves(count_moves(paths, max_order, counts), max_order)


def compare_orders_of_moves(moves: Moves, max_order: int = MAX_ORDER) -> pd.DataFrame:
    """`compare_orders` of moves that are counted already, with contexts of up to `max_order`."""
    total = sum(moves.values())
    if not total:
        raise MiningError("An order cannot be chosen without a path.")
    columns = ["order", "context_count", "parameter_count", "log_likelihood", "lr_degrees"]
    frame = pd.DataFrame([_fit_order(moves, order) for order in range(max_order + 1)], columns=columns)
    frame["bic"] = frame["parameter_count"] * np.log(total) - 2 * frame["log_likelihood"]
    frame["lr_statistic"] = 2 * frame["log_likelihood"].diff().clip(lower=0)
    frame["lr_p_value"] = stats.chi2.sf(frame["lr_statistic"], frame["lr_degrees"])
    return frame


def choose_order(comparison: pd.DataFrame) -> int:
    """The order with the smallest BIC of a `compare_orders` table, the lower one of a tie."""
    return int(comparison.sort_values(["bic", "order"])["order"].iloc[0])


def _fit_order(moves: Moves, order: int) -> tuple[int, int, int, float, float]:
    """The order, its contexts, parameters, greatest log-likelihood, and degrees of freedom over the order below."""
    followers, last = group_moves(moves, order), group_moves(moves, min(order, 1))
    parameters = sum(len(last[context[-1:]]) - 1 for context in followers)
    log_likelihood, degrees = 0.0, np.nan
    for after in followers.values():
        seen = np.array([count for count in after.values() if count > 0], dtype=np.float64)
        log_likelihood += float(seen @ np.log(seen / seen.sum()))
    if order:
        below = group_moves(moves, order - 1)
        free = {context: len(after) - 1 for context, after in below.items()}
        degrees = sum(free[_shorten(context, order - 1)] for context in followers) - sum(free.values())
    return order, len(followers), parameters, log_likelihood, degrees


def _shorten(context: Context, order: int) -> Context:
    """The last `order` of a context."""
    return context[max(0, len(context) - order) :]


def group_moves(moves: Moves, order: int) -> dict[Context, Counter[str]]:
    """What followed each context of an order, of moves counted at that order or a higher one."""
    followers: dict[Context, Counter[str]] = defaultdict(Counter)
    for (context, symbol), count in moves.items():
        followers[_shorten(context, order)][symbol] += count  # type: ignore[assignment]
    return dict(followers)


@dataclass(frozen=True, eq=False)
class Predictor:
    """What followed each context, at every order up to its own, and the touchpoints that it can name."""

    order: int
    prior: float
    symbols: tuple[str, ...]
    followers: tuple[dict[Context, Counter[str]], ...]
    _known: dict[Context, FloatArray] = field(default_factory=dict, repr=False)

    def estimate_next(self, context: Context) -> FloatArray:
        """The probability of each symbol after a context; of orders below where the context is rare or new."""
        if context not in self._known:
            after = self.followers[len(context)].get(context, Counter[str]())
            counts = np.array([after[symbol] for symbol in self.symbols], dtype=np.float64)
            below = self.estimate_next(context[1:]) if context else counts / counts.sum()
            weight = self.prior if counts.sum() else 1.0
            self._known[context] = (counts + weight * below) / (counts.sum() + weight)
        return self._known[context]


def fit_predictor(paths: Paths, order: int = 1, counts: Counts = None, prior: float = 1.0) -> Predictor:
    """A predictor of the next touchpoint, or `__end__`.

    `prior` is how many observations the order below counts for (Dirichlet smoothing: MacKay and Peto 1995); with 0 an
    observed context speaks for itself, by relative frequencies.
    """
    _check_order(order)
    return fit_predictor_of_moves(count_moves(paths, order, counts), order, prior)


def fit_predictor_of_moves(moves: Moves, order: int = 1, prior: float = 1.0) -> Predictor:
    """`fit_predictor` of moves that are counted already, with contexts of up to `order` or more."""
    if not sum(moves.values()) or prior < 0:
        raise MiningError("A prediction needs paths, and a prior of 0 or more.", found=f"{len(moves)} moves")
    followers = tuple(group_moves(moves, level) for level in range(order + 1))
    return Predictor(order, prior, tuple(sorted({symbol for _, symbol in moves})), followers)


def predict_next(predictor: Predictor, path: Sequence[str]) -> pd.Series[float]:
    """The probability of each next touchpoint (or `__end__`) after a path so far, the most probable first."""
    found = predictor.estimate_next(_shorten((START, *path), predictor.order))
    return pd.Series(found, index=list(predictor.symbols)).sort_values(ascending=False, kind="stable")


def evaluate_predictor(predictor: Predictor, held_out: Paths, counts: Counts = None) -> Calibration:
    """How far the predictor's probabilities hold on paths that it was not fitted to (`statistics.score_forecasts`)."""
    return evaluate_on_moves(predictor, count_moves(held_out, predictor.order, counts))


def evaluate_on_moves(predictor: Predictor, held_out: Moves) -> Calibration:
    """`evaluate_predictor` on moves that are counted already."""
    came = group_moves(held_out, predictor.order)
    if not came:
        raise MiningError("A calibration needs paths that were held out.")
    outcomes = np.array(
        [[after[symbol] for symbol in predictor.symbols] for after in came.values()], dtype=float
    )
    totals = np.array([sum(after.values()) for after in came.values()], dtype=float)
    forecasts = np.array([predictor.estimate_next(context) for context in came])
    return score_forecasts(forecasts, outcomes, totals, predictor.estimate_next(()))
