"""The estimates that every run publishes: attribution by channel, pain points and moments of delight."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pyarrow as pa

from journey_mining import trials
from journey_mining.analysis.log import EventLog
from journey_mining.beside import Beside
from journey_mining.kept_sums import CREDIT, OCCASIONS, WAYS, Change, keep_credit, keep_occasions, keep_ways
from journey_mining.mining.crediting import answer_sums, ask_credit
from journey_mining.mining.pain_points import PainRules, find_pain_points, follow_us
from journey_mining.renewal import Renewal
from journey_mining.warehouse import Connection, Warehouse

Settings = dict[str, str | None]
TIES = ("event_ordinal",)
DRAWS = 200
ATTRIBUTION = {
    "model": ("varchar", "first, last, last_non_direct, linear, time_decay, position_based, participation, markov or shapley"),
    "channel": ("varchar", "channel, (none) for conversions that none came before, NULL where the model is unavailable"),
    "conversions": ("double", "converted journeys credited to it; sums to all of them, except of participation"),
    "value": ("double", "value credited to it"),
    "share": ("double", "share of the conversions"),
    "low": ("double", "95 % interval of the share, lower end (customers drawn again)"),
    "high": ("double", "95 % interval of the share, upper end"),
    "removal_effect": ("double", "markov: share of the conversions that is lost when the channel leads nowhere"),
    "sampling_error": ("double", "shapley: standard error of the share, 0 where exact"),
    "note": ("varchar", "what is to be known, or why there is no answer"),
}  # fmt: skip
PAIN_POINTS = {
    "finding": ("varchar", "pain point or moment of delight"),
    "kind": ("varchar", "error, incident, touchpoint, transition, loop, repeat contact, wait or low score"),
    "signal": ("varchar", "what the customers met"),
    "touchpoint": ("varchar", "the touchpoint that it is about: the last one of a transition or loop"),
    "stage": ("varchar", "stage of the touchpoint, NULL when unmapped"),
    "customers": ("bigint", "customers who met it and have comparable ones; of an incident, those who met it then"),
    "comparable_count": ("bigint", "effective number of comparable customers who did not"),
    "conversion_with": ("double", "share of the customers with the signal who reached the goal in time"),
    "conversion_without": ("double", "the same of comparable customers without it"),
    "difference": ("double", "conversion_without - conversion_with"),
    "low": ("double", "95 % interval of the difference, lower end"),
    "high": ("double", "95 % interval of the difference, upper end"),
    "at_stake": ("double", "conversions at stake: customers x difference, not below 0; of a delight mirrored"),
    "at_stake_low": ("double", "95 % interval, lower end; the table's order"),
    "at_stake_high": ("double", "95 % interval, upper end"),
    "matched_share": ("double", "share of the customers with the signal who have comparable ones"),
    "p_value": ("double", "exact test that the rates are equal; of an incident, that it was met as often as on other days"),
    "q_value": ("double", "p-value adjusted over all candidates (Benjamini-Hochberg)"),
    "first_at": ("timestamp", "first time that the signal counts, UTC; of an incident, its first day"),
    "last_at": ("timestamp", "last time that the signal counts, UTC; of an incident, its last day"),
    "judged_one_in": ("bigint", "1, or every how manieth customer was judged; counts are scaled up"),
}  # fmt: skip


PURPOSES = {
    "attribution": "Attribution of the conversions to channels, by model.",
    "pain_points": "Pain points and moments of delight, the most at stake first.",
}
"""What each table is."""


def begin_evidence(
    beside: Beside, settings: Settings, min_cell: int, cutoff_us: int, renewal: Renewal | None = None
) -> None:
    """Start both estimates from the tables that are there; with a renewal, what most customers give is kept.

    They wait until the rows are in place that a renewal replaces.
    """
    replacing = renewal.replacing if renewal is not None else None
    rules = PainRules(min_customers=max(20, min_cell))
    question = ask_credit(model="all", bootstrap=DRAWS)
    ask_trials = partial(trials.keep_trials, renews=renewal is not None)
    ask_ways = partial(keep_ways, change=_change_of(renewal, WAYS))
    ask_occasions = partial(keep_occasions, change=_change_of(renewal, OCCASIONS))

    def find(connection: Connection) -> pd.DataFrame:
        if renewal is not None:
            trials.list_retried(connection, follow_us(settings), renewal.cutoff_before_us, cutoff_us)
        log = _log(connection, settings)
        return find_pain_points(log, None, rules, ask_trials, ask_ways, ask_occasions)[0]

    beside.start("pain_points", find, after=replacing)

    def credit(connection: Connection) -> pd.DataFrame:
        sums = keep_credit(_log(connection, settings), question, _change_of(renewal, CREDIT))
        return answer_sums(sums, question)

    beside.start("attribution", credit, after=replacing)


def _change_of(renewal: Renewal | None, name: str) -> Change | None:
    """What a renewal tells of a kept query; None where everything is computed, or it was not kept."""
    if renewal is None or name not in renewal.asked:
        return None
    return Change(renewal.had[name], renewal.have[name])


def publish_evidence(beside: Beside, warehouse: Warehouse) -> dict[str, int]:
    """Create the published tables attribution and pain_points of what was started; returns their rows."""
    credited, found = beside.finish("attribution"), beside.finish("pain_points")
    claimed = found[found["is_claimed"].astype(bool)]
    return {
        "attribution": _publish(warehouse, "attribution", ATTRIBUTION, credited),
        "pain_points": _publish(warehouse, "pain_points", PAIN_POINTS, claimed),
    }


def _log(connection: Connection, settings: Settings) -> EventLog:
    return EventLog(connection, lambda table: None, TIES, is_loaded=False, settings=settings)


def _publish(
    warehouse: Warehouse,
    table: str,
    columns: dict[str, tuple[str, str]],
    frame: pd.DataFrame,
) -> int:
    """Create a published table of a frame, with its comments."""
    target = f"published.main.{table}"
    listed = ", ".join(f'"{name}" {kind}' for name, (kind, _) in columns.items())
    warehouse.execute(f"create or replace table {target} ({listed})")
    rows = frame[list(columns)].astype(object).where(frame[list(columns)].notna(), None)
    warehouse.append(target, pa.Table.from_pandas(rows, preserve_index=False))
    warehouse.comment_table(
        target, PURPOSES[table], {name: meaning for name, (_, meaning) in columns.items()}
    )
    return len(frame)
