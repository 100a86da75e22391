"""Trials behind pain points that runs hand on to one another, so that a night makes only those of some customers.

They are those of the customers whom the run touched, and of those whose trials have become old enough to be judged
since the last run. The rest depends on the settings of the run, the sample and the way to the goal alone: where these
are others than before, all trials are made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from journey_mining.analysis.expressions import BY_CUSTOMER, is_sampled
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.moments import LADDER
from journey_mining.analysis.passages import write_cells, write_customer_trials
from journey_mining.warehouse import TOUCHED, Connection

TRIALS = "store.main.trials"
LABELS = "store.main.trial_labels"
BASIS = "store.main.trial_basis"
RETRIED = "scratch.main.retried_customers"
_NAMES = """select touchpoint as label from store.main.touchpoint_signatures
    union
    select touchpoint || ' (' || score_kind || ')' from store.main.touchpoint_signatures where score_kind is not null"""
_CREATE_LABELS = f"""create or replace table {LABELS} as
    select label, row_number() over (order by label) as number from ({_NAMES})"""
_ADD_LABELS = f"""insert into {LABELS}
    select label, (select count(*) from {LABELS}) + row_number() over (order by label)
    from ({_NAMES}) where label not in (select label from {LABELS})"""


def list_retried(connection: Connection, within_us: int, before_us: int, now_us: int) -> None:
    """Note the customers whose trials may be others than at the cutoff `before_us`, once they are renewed.

    A trial is judged when the time within which the goal counts has passed since an event, or since a wait that the
    event, of a customer about something, began.
    """
    waits = {
        within_us + seconds * 1_000_000: f" and object_id is not null and {BY_CUSTOMER}"
        for seconds in LADDER.values()
    }
    old_enough = "\n".join(
        f"union select customer_id from published.main.events "
        f"where occurred_us > {before_us - ago} and occurred_us <= {now_us - ago}{condition}"
        for ago, condition in ({within_us: ""} | waits).items()
    )
    connection.execute(
        f"create or replace table {RETRIED} as select customer_id from {TOUCHED}.touched_customers\n{old_enough}"
    )


def keep_trials(log: EventLog, within_us: int, way: Sequence[str], one_in: int, renews: bool) -> str:
    """Make the kept trials those of this run, and give the query that counts them by cell.

    With `renews`, the customers of `list_retried` are made again, the others' stay.
    """
    connection, sampled = log.connection, is_sampled(one_in)
    every = write_customer_trials(log, within_us, way, sampled, LABELS)
    basis = _describe_basis(every, log.cutoff_us)
    retried = f"customer_id in (select customer_id from {RETRIED})"
    again = write_customer_trials(log, within_us, way, f"{sampled} and {retried}", LABELS)
    is_kept = renews and _is_kept(connection, basis)
    connection.execute("begin transaction")
    if is_kept:
        connection.execute(_ADD_LABELS)
        connection.execute(f"delete from {TRIALS} where {retried}")
        connection.execute(f"insert into {TRIALS} by name {again}")
    else:
        connection.execute(_CREATE_LABELS)
        # In order, since DuckDB then fills whole row groups: the next night's deletions would have it merge others.
        connection.execute(f"create or replace table {TRIALS} as {every} order by customer_id")
        connection.execute(f"create or replace table {BASIS} as select $basis as basis", {"basis": basis})
    connection.execute("commit")
    return write_cells(way, TRIALS, LABELS)


def _is_kept(connection: Connection, basis: str) -> bool:
    """Whether the kept trials have this basis, and no name that is gone: it may have gone with an erased person."""
    connection.execute(f"create table if not exists {BASIS} (basis varchar)")
    if connection.execute(f"select basis from {BASIS}").fetchall() != [(basis,)]:
        return False
    gone = f"select label from {LABELS} where label not in (select label from ({_NAMES}))"
    return not connection.execute(gone).fetchall()


def _describe_basis(query: str, cutoff_us: int) -> str:
    """Hash of a query of trials apart from the cutoff."""
    return hashlib.sha256(query.replace(str(cutoff_us), "").encode()).hexdigest()[:16]
