"""The sums behind attribution that runs hand on to one another, so that a night counts the paths of some customers only.

A night takes away what the customers whom it touched had, and adds what they have. The paths are asked for by one query;
where it is another one than before, all paths are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from journey_mining.analysis.arrow_frames import frame_of
from journey_mining.analysis.credit import are_many, write_credit
from journey_mining.analysis.log import EventLog
from journey_mining.mining.crediting import CreditQuestion, gather_paths, list_methods
from journey_mining.mining.path_sums import PathSums, read_sums, sum_paths, tabulate_sums
from journey_mining.warehouse import Connection

SUMS = "store.main.credit_sums"
PATHS = "paths"
"""The query's name among those that the next run asks."""
_KEYS = ["kind", "method", "item", "customer"]


@dataclass(frozen=True)
class PathChange:
    """The contacts of the touched customers, as the kept query gives them."""

    had: pa.Table
    have: pa.Table


def keep_sums(log: EventLog, question: CreditQuestion, change: PathChange | None) -> PathSums:
    """Make the kept sums those of this run, by what changed where that is enough, and give them."""
    connection, methods = log.connection, list_methods(question.model)
    query = write_credit(log, question.by, None, are_many(log))
    asked = (PATHS, query, repr(question))
    kept = connection.execute(
        "select * from store.main.asked_queries where name = $n", {"n": PATHS}
    ).fetchall()
    if change is not None and kept == [asked]:
        had, have = (_tabulate(contacts, question) for contacts in (change.had, change.have))
        before = frame_of(connection.sql(f"select * from {SUMS}").to_arrow_table())
        parts = [before, have, had.assign(amount=-had["amount"])]
        table = pd.concat(parts).groupby(_KEYS, as_index=False).sum()
    else:
        table = _tabulate(connection.sql(query).to_arrow_table(), question)
    table = table.loc[table["amount"] != 0]
    _write(connection, table, asked)
    return read_sums(table, methods)


def _tabulate(contacts: pa.Table, question: CreditQuestion) -> pd.DataFrame:
    paths = gather_paths(frame_of(contacts, repeated=["label"]))
    return tabulate_sums(sum_paths(paths, list_methods(question.model), question.rules()))


def _write(connection: Connection, table: pd.DataFrame, asked: tuple[str, str, str]) -> None:
    connection.register("credit_sums_now", pa.Table.from_pandas(table, preserve_index=False))
    connection.execute("begin transaction")
    connection.execute(f"create or replace table {SUMS} as select * from credit_sums_now")
    connection.execute("delete from store.main.asked_queries where name = $n", {"n": PATHS})
    connection.execute("insert into store.main.asked_queries values (?, ?, ?)", asked)
    connection.execute("commit")
    connection.unregister("credit_sums_now")
