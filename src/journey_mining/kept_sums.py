"""Sums behind estimates that runs hand on to one another, so that a night counts what some customers give only.

The query whose answer is summed up is kept beside the sums. A night asks it of what the customers whom it touched had, and
of what they have, takes the sums of the former away and adds those of the latter. Where the query is another one than
before, everybody is counted. Sums are whole numbers, so that both ways give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from journey_mining.analysis.arrow_frames import frame_of
from journey_mining.analysis.credit import are_many, write_credit
from journey_mining.analysis.log import EventLog
from journey_mining.mining.crediting import CreditQuestion, gather_paths, list_methods
from journey_mining.mining.path_sums import PathSums, read_sums, sum_paths, tabulate_sums
from journey_mining.sums import write_addition, write_sums
from journey_mining.warehouse import Connection

CREDIT = "credit_sums"
OCCASIONS = "occasion_sums"
WAYS = "way_sums"


@dataclass(frozen=True)
class Change:
    """What the kept query answers about the touched customers, as they were and as they are."""

    had: pa.Table
    have: pa.Table


def keep_credit(log: EventLog, question: CreditQuestion, change: Change | None) -> PathSums:
    """The sums of the paths behind attribution, which are kept."""
    methods = list_methods(question.model)

    def tabulate(contacts: pd.DataFrame) -> pd.DataFrame:
        return tabulate_sums(sum_paths(gather_paths(contacts), methods, question.rules()))

    query = write_credit(log, question.by, None, are_many(log))
    # Sparse matrices are made of them, which have an order of their own.
    table = _keep(log.connection, CREDIT, query, repr(question), change, tabulate, "amount", in_order=False)
    return read_sums(table, methods)


def keep_ways(log: EventLog, query: str, change: Change | None) -> pd.DataFrame:
    """The answer to a query of the touchpoints that journeys came by, which is kept."""
    counts = ("step_count", "journey_count", "way_count", "goal_count", "customer_count")
    return _keep(log.connection, WAYS, query, "", change, lambda answer: answer, *counts)


def keep_occasions(log: EventLog, query: str | None, change: Change | None) -> pd.DataFrame | None:
    """The answer to a query of occasions behind incidents, which is kept; None, and nothing kept, where none is asked."""
    if query is None:
        _forget(log.connection, OCCASIONS)
        return None
    counts = ("occasion_count", "met_count")
    return _keep(log.connection, OCCASIONS, query, "", change, lambda answer: answer, *counts)


def _keep(
    connection: Connection,
    name: str,
    query: str,
    basis: str,
    change: Change | None,
    summarise: Callable[[pd.DataFrame], pd.DataFrame],
    *amounts: str,
    in_order: bool = True,
) -> pd.DataFrame:
    """Make the table store.main.<name> the sums of this run, by what changed where that is enough, and give its rows.

    `summarise` turns an answer into rows whose `amounts` may be added up where all else is equal. Without `in_order` the
    rows may come in any order, as they lie in the table.
    """
    asked, table = (name, query, basis), f"store.main.{name}"
    kept = connection.execute(
        "select * from store.main.asked_queries where name = $n", {"n": name}
    ).fetchall()
    if change is None or kept != [asked]:
        change = None
        rows = summarise(_read(connection.sql(query).to_arrow_table()))
    else:
        had, have = (summarise(_read(answer)) for answer in (change.had, change.have))
        rows = pd.concat([have, had.assign(**{amount: -had[amount] for amount in amounts})])
    keys = [column for column in rows.columns if column not in amounts]
    kinds = dict.fromkeys(amounts, "bigint")
    connection.register("sums_now", _table_of(rows))
    now = write_sums("from sums_now", keys, kinds)
    statements: Sequence[str] = (f"create or replace table {table} as {now}",)
    if change is not None:
        changes, changed = (f"scratch.main.{part}_{name}" for part in ("changes", "changed"))
        connection.execute(f"create or replace table {changes} as {now}")
        first, *statements = write_addition(table, changes, changed, keys, kinds)
        connection.execute(first)
    connection.execute("begin transaction")
    for statement in statements:
        connection.execute(statement)
    connection.execute("delete from store.main.asked_queries where name = $n", {"n": name})
    connection.execute("insert into store.main.asked_queries values (?, ?, ?)", asked)
    connection.execute("commit")
    connection.unregister("sums_now")
    ordered = "order by all" if in_order else ""
    return _read(connection.sql(f"select * from {table} {ordered}").to_arrow_table())


def _read(answer: pa.Table) -> pd.DataFrame:
    return frame_of(answer, repeated=["label"])


def _table_of(rows: pd.DataFrame) -> pa.Table:
    """The rows as a table in which texts are texts, also where there are none, so that later ones can be added."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    fields = [one.with_type(pa.string()) if pa.types.is_null(one.type) else one for one in table.schema]
    return table.cast(pa.schema(fields))


def _forget(connection: Connection, name: str) -> None:
    connection.execute("delete from store.main.asked_queries where name = $n", {"n": name})
    connection.execute(f"drop table if exists store.main.{name}")
