"""Attribution of a log: every model over paths that SQL has counted, in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError
from scipy import sparse

from journey_mining.analysis import credit
from journey_mining.analysis.credit import CreditQueries, write_credit
from journey_mining.analysis.expressions import span_us
from journey_mining.analysis.log import EventLog, nearest
from journey_mining.config import Parameters
from journey_mining.errors import QueryError
from journey_mining.mining.attribution import (
    METHODS,
    Answer,
    AttributionRules,
    Method,
    Unavailable,
    attribute_each,
)
from journey_mining.mining.markov import MAX_ORDER
from journey_mining.mining.removal import CONVERTED, LOST, MoveSpace
from journey_mining.mining.statistics import Resampling, bootstrap_interval

TIMED: tuple[Method, ...] = ("last_non_direct", "time_decay")
SETS: tuple[Method, ...] = ("participation", "shapley")
COLUMNS = ["conversions", "value", "share", "low", "high", "removal_effect", "sampling_error"]
_ENDS = {credit.CONVERTED: CONVERTED, credit.LOST: LOST}


class CreditQuestion(Parameters):
    """What is credited, by which models."""

    model: Any = "markov"
    """A model's name, several, or 'all'."""
    by: str = "channel"
    """Column of the events: channel, campaign, touchpoint, stage, device …"""
    value: bool = False
    """Whether shares and intervals are of the value instead of the conversions."""
    order: int = Field(1, ge=1, le=MAX_ORDER)
    """Contacts that a state of the Markov chain remembers."""
    lookback: Any = None
    """Contacts longer before the goal (or before a lost journey's end) do not count; None: all of the journey."""
    bootstrap: int = Field(500, ge=0)
    """Draws of customers behind the intervals; 0 leaves them out."""
    half_life_days: float = Field(7, gt=0)
    """Days after which a contact's weight has halved in time_decay."""
    game: Literal["conversions", "rate"] = "conversions"
    """What a set of channels is worth in shapley."""
    direct: tuple[str, ...] = ("direct",)
    """Channels that last_non_direct passes over."""
    seed: int = 0
    """Seed of the draws."""

    def rules(self) -> AttributionRules:
        """The same choices for mining.attribution."""
        return AttributionRules(
            direct=frozenset(self.direct),
            half_life_days=self.half_life_days,
            order=self.order,
            game=self.game,
            shares_of="value" if self.value else "conversions",
            resampling=Resampling(resamples=self.bootstrap, seed=self.seed),
        )


def ask_credit(**asked: Any) -> CreditQuestion:
    """The checked question; raises QueryError."""
    try:
        return CreditQuestion.model_validate(asked)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise QueryError(f"attribution: {where}: {problem['msg']}.", fix="correct the value") from error


def credit_log(log: EventLog, question: CreditQuestion) -> tuple[pd.DataFrame, str]:
    """One row a model and channel, and the query of the paths (of the moves, where markov alone is asked).

    Columns: model, the column that `by` names, conversions, value, share, low, high, removal_effect (markov),
    sampling_error (shapley), note. A model that the data cannot answer has one row without channel, whose note says
    "unavailable, because …". Raises QueryError for unknown models and columns.
    """
    methods = list_methods(question.model)
    lookback = None if question.lookback is None else span_us(question.lookback, "lookback")
    queries = write_credit(log, question.by, lookback, question.order)
    moves = queries.moves[question.order - 1]
    read = _reader(log, queries, shares=len(methods) > 1)
    parts = []
    answers: dict[Method, Answer] = {}
    for query in dict.fromkeys(_query_of(queries, method) for method in methods if method != "markov"):
        asked = [m for m in methods if m != "markov" and _query_of(queries, m) == query]
        answers |= attribute_each(_as_paths(read(query)), asked, question.rules())
    for method in methods:
        if method == "markov":
            answer = credit_moves(read(moves), read(queries.paths), question.rules())
        else:
            answer = answers[method]
        people = read(moves if method == "markov" else _query_of(queries, method))["customer_id"].nunique()
        parts.append(_describe(answer, method, question.by, has_interval=people > 1))
    log.connection.execute("drop table if exists temp.main.credited_paths")
    found = pd.concat(parts, ignore_index=True)
    return found, moves if methods == ["markov"] else _query_of(queries, methods[0])


def _reader(log: EventLog, queries: CreditQueries, shares: bool) -> Callable[[str], pd.DataFrame]:
    """Reads each query once; several models share the paths, in a temporary table."""
    frames: dict[str, pd.DataFrame] = {}
    if shares:
        log.read(f"create or replace temporary table credited_paths as {queries.shared} select * from paths")

    def read(query: str) -> pd.DataFrame:
        if query not in frames:
            asked = queries.briefly(query, "credited_paths") if shares else query
            frames[query] = log.read(f"select * from ({asked}) order by all")
        return frames[query]

    return read


def list_methods(model: str | Sequence[str]) -> list[Method]:
    """The models that are asked, each once; raises QueryError naming the nearest ones."""
    names = [model] if isinstance(model, str) else list(model)
    wanted: list[Method] = []
    for name in METHODS if names == ["all"] else names:
        if name not in METHODS:
            near = nearest(str(name), METHODS, 0.5)
            fix = f"did you mean {' or '.join(map(repr, near))}?" if near else "name one of these, or 'all'"
            raise QueryError(f"There is no model {name!r}.", expected=", ".join(METHODS), fix=fix)
        if name not in wanted:
            wanted.append(name)
    if not wanted:
        raise QueryError("No model is asked.", expected=", ".join(METHODS))
    return wanted


def _query_of(queries: CreditQueries, method: Method) -> str:
    if method == "markov":
        return queries.moves[0]
    return queries.timed if method in TIMED else queries.sets if method in SETS else queries.paths


def _as_paths(frame: pd.DataFrame) -> pd.DataFrame:
    """Lists as tuples, in the form that mining.attribution reads."""
    lists = {name: [tuple(one) for one in frame[name]] for name in ("path", "times") if name in frame}
    return frame.assign(**{name: pd.Series(one, dtype=object) for name, one in lists.items()})


def credit_moves(moves: pd.DataFrame, converting: pd.DataFrame, rules: AttributionRules) -> Answer:
    """The Markov answer of counted moves (customer_id, context, next, move_count), as `attribute` gives it of paths.

    `converting` has the conversions and their value. Equal to `attribute(paths, "markov")` on the same paths.
    """
    conversions, value = float(converting["conversions"].sum()), float(converting["value"].sum())
    if not conversions:
        return Unavailable("no path converts")
    steps = [
        (tuple(context), _ENDS.get(to, to))
        for context, to in zip(moves["context"], moves["next"], strict=True)
    ]
    columns = sorted(set(steps))
    number = {step: place for place, step in enumerate(columns)}
    channels = sorted({to for _, to in columns} - set(_ENDS.values()))
    space = MoveSpace.build(columns, rules.order, channels)
    codes, names = pd.factorize(moves["customer_id"], sort=True)
    counts = moves["move_count"].to_numpy(np.float64)
    cells = sparse.coo_array(
        (counts, (codes, [number[step] for step in steps])), shape=(len(names), len(columns))
    )
    totals = np.asarray(cells.sum(axis=0)).ravel()

    def share(drawn: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        effects = np.array([space.remove(row)[1] for row in drawn])
        sums = effects.sum(axis=1, keepdims=True)
        return effects / np.where(sums > 0, sums, np.nan)

    shares = share(totals[None, :])[0]
    if not np.isfinite(shares).all():
        return Unavailable("no channel makes a difference to the conversions")
    plan = rules.resampling
    low, high = bootstrap_interval(cells.tocsr(), share, customers=list(names), plan=plan)
    found = {
        "channel": channels,
        "conversions": shares * conversions,
        "value": shares * value,
        "share": shares,
        "low": low,
        "high": high,
        "removal_effect": space.remove(totals)[1],
    }
    return pd.DataFrame(found)


def _describe(answer: Answer, method: Method, by: str, has_interval: bool) -> pd.DataFrame:
    """The rows of one model, the largest share first; one customer tells nothing of others, hence no interval."""
    if isinstance(answer, Unavailable):
        row = {"model": method, by: None, **dict.fromkeys(COLUMNS, np.nan), "note": str(answer)}
        return pd.DataFrame([row]).astype({by: object})
    rows = answer.rename(columns={"channel": by}).reindex(columns=[by, *COLUMNS])
    rows.insert(0, "model", method)
    if not has_interval:
        rows[["low", "high"]] = np.nan
    note = f"conversions that no contact with a {by} came before"
    rows["note"] = pd.Series([note if name == credit.NONE else None for name in rows[by]], dtype=object)
    return rows.sort_values(["share", by], ascending=[False, True], ignore_index=True)
