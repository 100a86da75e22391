"""Attribution of a log: every model over paths that SQL has counted, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from journey_mining.analysis import credit
from journey_mining.analysis.credit import write_credit
from journey_mining.analysis.expressions import span_us
from journey_mining.analysis.log import EventLog, nearest
from journey_mining.errors import QueryError
from journey_mining.mining.attribution import Answer, attribute_sums
from journey_mining.mining.markov import MAX_ORDER
from journey_mining.mining.path_sums import (
    METHODS,
    AttributionRules,
    Method,
    PathSums,
    Unavailable,
    sum_paths,
)
from journey_mining.mining.paths import Paths
from journey_mining.mining.statistics import Resampling
from journey_mining.parameters import Parameters, check_asked

COLUMNS = ["conversions", "value", "share", "low", "high", "removal_effect", "sampling_error"]


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
    return check_asked(CreditQuestion, "attribution", asked)


def credit_log(log: EventLog, question: CreditQuestion) -> tuple[pd.DataFrame, str]:
    """One row a model and channel, and the query of the paths (of the moves, where markov alone is asked).

    Columns: model, the column that `by` names, conversions, value, share, low, high, removal_effect (markov),
    sampling_error (shapley), note. A model that the data cannot answer has one row without channel, whose note says
    "unavailable, because …". Raises QueryError for unknown models and columns.
    """
    methods = list_methods(question.model)
    lookback = None if question.lookback is None else span_us(question.lookback, "lookback")
    query = write_credit(log, question.by, lookback)
    sums = sum_paths(gather_paths(log.read(query, repeated=["label"])), methods, question.rules())
    return answer_sums(sums, question), query


def answer_sums(sums: PathSums, question: CreditQuestion) -> pd.DataFrame:
    """The answer of `credit_log` from the sums of the paths."""
    answers = attribute_sums(sums, question.rules())
    has_interval = sums.customers is not None and len(sums.customers) > 1
    parts = [_describe(answer, method, question.by, has_interval) for method, answer in answers.items()]
    return pd.concat(parts, ignore_index=True)


def gather_paths(contacts: pd.DataFrame) -> Paths:
    """The paths of analysis.credit's contacts, of columns as `EventLog.read` gives them: each journey one, converted or lost."""
    number = contacts["journey_number"].to_numpy(dtype=np.int64)
    journeys = contacts[np.diff(number, prepend=0) > 0]
    channel, channels = pd.factorize(contacts["label"], sort=True)
    is_converted = journeys["is_converted"].to_numpy(dtype=np.float64)
    ahead_us = (contacts["goal_us"] - contacts["contact_us"]).to_numpy(dtype=np.float64, na_value=np.nan)
    return Paths(
        channels=list(channels),
        path=number - 1,
        channel=channel.astype(np.int64),
        days=ahead_us / 86_400e6,
        conversions=is_converted,
        nulls=1 - is_converted,
        value=journeys["worth"].to_numpy(dtype=np.float64),
        customers=journeys["customer_id"].to_numpy(),
    )


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
