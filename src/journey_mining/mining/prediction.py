"""What comes next: Markov predictions whose order the data choose, judged on weeks that they were not fitted to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from journey_mining.analysis.log import EventLog
from journey_mining.analysis.moves import write_moves
from journey_mining.errors import MiningError, QueryError
from journey_mining.mining.markov import (
    MAX_ORDER,
    Context,
    choose_order,
    compare_orders_of_moves,
    evaluate_on_moves,
    fit_predictor_of_moves,
    predict_next,
)

Moves = Counter[tuple[Context, str]]


def compare_log_orders(log: EventLog, max_order: int = MAX_ORDER) -> tuple[pd.DataFrame, str]:
    """`markov.compare_orders` of a log's journeys, with is_chosen (the smallest BIC), and the query of the moves."""
    _check_order(max_order, 0)
    query = write_moves(log, max(max_order, 1), 0)
    fitted, _ = _split(log.read(query))
    found = compare_orders_of_moves(fitted, max_order)
    return found.assign(is_chosen=found["order"] == choose_order(found)), query


def predict_after(
    log: EventLog, path: Sequence[str], order: int | None = None, held_out_weeks: int = 2
) -> tuple[pd.DataFrame, str]:
    """One row a touchpoint (or `__end__`) that may come next after `path`, the most probable first, and the query.

    attrs: order (as asked, else that of the smallest BIC on the weeks fitted to), context_count (how often the context
    was seen), and of the weeks held out: held_out_moves, brier, baseline_brier, skill, accuracy and reliability (a
    frame), or calibration: "unavailable, because …". Raises QueryError for an unknown touchpoint or order.
    """
    for name in path:
        if name != "__start__":
            log.check_touchpoint(name)
    if order is not None:
        _check_order(order, 0)
    if held_out_weeks < 0:
        raise QueryError("held_out_weeks: fewer than none.", found=str(held_out_weeks), expected="0 or more")
    query = write_moves(log, MAX_ORDER, held_out_weeks)
    fitted, held_out = _split(log.read(query))
    reason = "no journey began in the weeks held out"
    if not fitted:
        fitted, held_out, reason = held_out, Counter(), "all journeys began in the weeks held out"
    if not fitted:
        raise MiningError("There is no journey to learn from.", fix="load events with customers and times")
    chosen = choose_order(compare_orders_of_moves(fitted)) if order is None else order
    predictor = fit_predictor_of_moves(fitted, chosen)
    steps = [name for name in path if name != "__start__"]
    chances = predict_next(predictor, steps)
    context = ("__start__", *steps)[len(steps) + 1 - min(chosen, len(steps) + 1) :]
    seen = sum(predictor.followers[len(context)].get(context, Counter()).values())
    found = pd.DataFrame({"touchpoint": chances.index, "probability": chances.to_numpy()})
    found.attrs = {"order": chosen, "context_count": int(seen)}
    if not held_out:
        found.attrs["calibration"] = f"unavailable, because {reason}"
        return found, query
    judged = evaluate_on_moves(predictor, held_out)
    names = ("brier", "baseline_brier", "skill", "accuracy", "reliability")
    found.attrs |= {name: getattr(judged, name) for name in names}
    found.attrs["held_out_moves"] = int(judged.outcome_count)
    return found, query


def _split(frame: pd.DataFrame) -> tuple[Moves, Moves]:
    """The moves that are fitted to, and those held out."""
    parts: tuple[Moves, Moves] = (Counter(), Counter())
    columns = (frame["context"], frame["next"], frame["is_held_out"], frame["move_count"])
    for context, to, is_held_out, count in zip(*columns, strict=True):
        parts[bool(is_held_out)][tuple(context), to] += int(count)
    return parts


def _check_order(order: Any, lowest: int) -> None:
    if isinstance(order, bool) or not isinstance(order, int) or not lowest <= order <= MAX_ORDER:
        raise QueryError(
            f"order: {order!r} is not offered.", expected=f"a whole number from {lowest} to {MAX_ORDER}"
        )
