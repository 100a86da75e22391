"""What a run changes in the store: deliveries that leave it, and the events that are other than they were.

An event that several files deliver is told by one of them, the smallest by the macro delivery_order; the others are
its duplicates, kept whole. When the file that tells it leaves, the next smallest tells it from then on.
"""

from __future__ import annotations

from collections.abc import Iterable

from journey_mining.derivation import discard_derivation
from journey_mining.warehouse import Warehouse

CONTENT = (
    "occurred_us", "sequence", "identity_key", "signature_id", "campaign_name", "object_id", "actor", "value", "currency",
    "score", "score_min", "score_max", "session_hint",
)  # fmt: skip
"""Columns of staged_events that derived tables depend on."""


def begin_changes(warehouse: Warehouse) -> None:
    """Create the empty temporary tables that note what leaves the store in this run, unless they are there.

    A step that is tried again goes on with what it had noted.
    """
    warehouse.execute(
        "create temporary table if not exists withdrawn_events as "
        "select *, cast(null as varchar) as file_id from store.main.staged_events where false"
    )
    warehouse.execute(
        "create temporary table if not exists withdrawn_sets as "
        "select identity_key, identifier_hash from store.main.identifier_sets where false"
    )
    warehouse.execute(
        "create temporary table if not exists first_delivery as "
        "select coalesce(max(file_no), 0) + 1 as file_no from store.main.files"
    )


def end_changes(warehouse: Warehouse) -> None:
    """Drop these tables."""
    for name in ("withdrawn_events", "withdrawn_sets", "first_delivery"):
        warehouse.execute(f"drop table if exists temp.main.{name}")


def list_deliveries(warehouse: Warehouse, files: Iterable[tuple[int, str]] = ()) -> None:
    """Create temp.delivered_files(file_no, path): the files of the ledger, and those that are being read."""
    warehouse.execute(
        "create or replace temporary table delivered_files as select file_no, path from store.main.files"
    )
    for file_no, path in files:
        warehouse.execute("insert into temp.main.delivered_files values ($n, $p)", {"n": file_no, "p": path})


def withdraw_files(warehouse: Warehouse, file_nos: Iterable[int]) -> None:
    """Take the rows of files out of the store; an event that another file delivers too is from then on that file's."""
    list_deliveries(warehouse)
    warehouse.execute(
        "create or replace temporary table leaving_files as select unnest($f::integer[]) as file_no",
        {"f": list(file_nos)},
    )
    for table in ("duplicates", "quarantine"):
        warehouse.execute(
            f"delete from store.main.{table} where file_no in (select file_no from leaving_files)"
        )
    warehouse.execute(
        """create or replace temporary table leaving_events as
        select * from store.main.staged_events where file_no in (select file_no from leaving_files)"""
    )
    _take_out(warehouse, "leaving_events")
    _let_heirs_tell(warehouse, "leaving_events")
    warehouse.execute("delete from store.main.files where file_no in (select file_no from leaving_files)")
    for name in ("leaving_events", "leaving_files"):
        warehouse.execute(f"drop table temp.main.{name}")


def demote_events(warehouse: Warehouse) -> None:
    """Make the store's events that the batch tells better duplicates of the batch's."""
    warehouse.execute("insert into store.main.duplicates by name select * from temp.main.demoted_events")
    _take_out(warehouse, "demoted_events")


def _take_out(warehouse: Warehouse, leaving: str) -> None:
    """Delete the events of a temporary table, noting what they were."""
    _note_withdrawn(warehouse, leaving)
    warehouse.execute(
        f"delete from store.main.staged_events where event_id in (select event_id from temp.main.{leaving})"
    )


def _let_heirs_tell(warehouse: Warehouse, leaving: str) -> None:
    """Of each event that has left, and that a duplicate tells too, make the smallest duplicate the event.

    Reads temp.delivered_files.
    """
    warehouse.execute(
        f"""create or replace temporary table heirs as
        select d.* from store.main.duplicates as d
        inner join temp.main.delivered_files as n on d.file_no = n.file_no
        where d.event_id in (select event_id from temp.main.{leaving})
        qualify row_number() over (partition by d.event_id order by delivery_order(d, n.path)) = 1"""
    )
    warehouse.execute("insert into store.main.staged_events by name from temp.main.heirs")
    warehouse.execute(
        """delete from store.main.duplicates as d using heirs as h
        where d.event_id = h.event_id and d.file_no = h.file_no and d.line = h.line and d.item = h.item"""
    )
    warehouse.execute("drop table temp.main.heirs")


def _note_withdrawn(warehouse: Warehouse, leaving: str) -> None:
    """Note what events were in the last run."""
    warehouse.execute(
        f"""insert into temp.main.withdrawn_events by name
        select e.*, f.file_id from temp.main.{leaving} as e
        inner join store.main.files as f on e.file_no = f.file_no
        where e.event_id not in (select event_id from temp.main.withdrawn_events)
            and e.file_no < (select file_no from temp.main.first_delivery)"""
    )


def delete_events(warehouse: Warehouse, condition: str) -> dict[str, int]:
    """Delete events and duplicates for good, and the identifiers and kinds that no other has; returns the numbers.

    The ledger counts them as refused. An event of which another duplicate stays is from then on what that one tells.
    """
    counts = {}
    for table in ("staged_events", "duplicates"):
        warehouse.execute(
            f"create or replace temporary table leaving_{table} as select * from store.main.{table} where {condition}"
        )
        counts[table] = int(warehouse.value(f"select count(*) from leaving_{table}"))
        warehouse.execute(f"delete from store.main.{table} where {condition}")
        warehouse.execute(
            f"""update store.main.files as f set refused_count = f.refused_count + n.item_count
            from (select file_no, count(*) as item_count from leaving_{table} group by file_no) as n
            where f.file_no = n.file_no"""
        )
    _note_withdrawn(warehouse, "leaving_staged_events")
    list_deliveries(warehouse)
    _let_heirs_tell(warehouse, "leaving_staged_events")
    _delete_unused(warehouse)
    for table in counts:
        warehouse.execute(f"drop table temp.main.leaving_{table}")
    return {"events": counts["staged_events"], "duplicates": counts["duplicates"]}


def _delete_unused(warehouse: Warehouse) -> None:
    """Delete the identifiers and kinds that no event has, also those that a correction has left behind.

    Names and pages may tell of one person, and a hash is one person's.
    """
    used = "(select {0} from store.main.staged_events union all select {0} from store.main.duplicates)"
    warehouse.execute(
        f"""create or replace temporary table unused_sets as
        select identity_key, identifier_hash from store.main.identifier_sets
        anti join {used.format("identity_key")} using (identity_key)"""
    )
    warehouse.execute("insert into temp.main.withdrawn_sets from temp.main.unused_sets")
    warehouse.execute(
        "delete from store.main.identifier_sets where identity_key in (select identity_key from unused_sets)"
    )
    warehouse.execute("drop table temp.main.unused_sets")
    warehouse.execute(
        f"""delete from store.main.signatures where signature_id in (
            select signature_id from store.main.signatures anti join {used.format("signature_id")} using (signature_id))"""
    )


def settle_changes(warehouse: Warehouse) -> None:
    """Write temp.changed_events(event_id, identity_key, occurred_us), temp.relocated_events(event_id) and temp.orphaned_identifiers.

    Orphaned: the identifiers of combinations that no event has any more. Changed: new, gone, or other than before, with the combinations of identifiers and the times of then and of now.
    Relocated: as it was, but told by another file or line.
    """
    before, now = (", ".join(f'{alias}."{name}"' for name in CONTENT) for alias in ("b", "n"))
    warehouse.execute(
        "create or replace temporary table orphaned_identifiers as select distinct identifier_hash from withdrawn_sets"
    )
    warehouse.execute(
        f"""create or replace temporary table compared_events as
        with concerned as (
            select * from store.main.staged_events where file_no >= $first
            union all
            select * from store.main.staged_events
            where file_no < $first and event_id in (select event_id from withdrawn_events)
        ),
        told as (
            select s.*, f.file_id from concerned as s inner join store.main.files as f on s.file_no = f.file_no
        )
        select
            coalesce(b.event_id, n.event_id) as event_id,
            b.identity_key as key_before,
            n.identity_key as key_now,
            b.occurred_us as us_before,
            n.occurred_us as us_now,
            b.event_id is not null as was_there,
            n.event_id is not null as is_there,
            b.event_id is null or n.event_id is null or row({before}) is distinct from row({now}) as is_changed,
            row(b.file_id, b.line) is distinct from row(n.file_id, n.line) as is_relocated
        from withdrawn_events as b
        full outer join told as n on b.event_id = n.event_id""",
        {"first": warehouse.value("select file_no from first_delivery")},
    )
    warehouse.execute(
        """create or replace temporary table changed_events as
        select event_id, key_before as identity_key, us_before as occurred_us
        from compared_events where is_changed and was_there
        union
        select event_id, key_now as identity_key, us_now as occurred_us
        from compared_events where is_changed and is_there"""
    )
    warehouse.execute(
        """create or replace temporary table relocated_events as
        select event_id from compared_events where is_relocated and not is_changed"""
    )
    warehouse.execute("drop table temp.main.compared_events")


def set_descriptions_aside(warehouse: Warehouse) -> None:
    """Take what is known of identifiers and kinds of event out of the store, for a run that reads every source again.

    How they are described depends on settings and macros, not on their keys alone. All tables derive from them.
    """
    for table in ("identifier_sets", "signatures"):
        warehouse.execute(
            f"create temporary table if not exists former_{table} as select * from store.main.{table}"
        )
        warehouse.execute(f"delete from store.main.{table}")
    discard_derivation(warehouse)


def bring_descriptions_back(warehouse: Warehouse) -> None:
    """Bring back those that only events of vanished files have; an identifier that was read again is as it was read."""
    told = "(select {0} from store.main.staged_events union select {0} from store.main.duplicates)"
    warehouse.execute(
        f"""insert into store.main.identifier_sets by name
        with known as (
            select identifier_hash, bool_or(is_poisoned) as is_poisoned from store.main.identifier_sets
            group by identifier_hash
        )
        select f.* replace (coalesce(k.is_poisoned, f.is_poisoned) as is_poisoned)
        from temp.main.former_identifier_sets as f left join known as k on f.identifier_hash = k.identifier_hash
        where f.identity_key in {told.format("identity_key")}
            and f.identity_key not in (select identity_key from store.main.identifier_sets)"""
    )
    warehouse.execute(
        f"""insert into store.main.signatures by name
        select * from temp.main.former_signatures
        where signature_id in {told.format("signature_id")}
            and signature_id not in (select signature_id from store.main.signatures)"""
    )
    for table in ("identifier_sets", "signatures"):
        warehouse.execute(f"drop table temp.main.former_{table}")


def recount_files(warehouse: Warehouse) -> None:
    """Write into the ledger how many events each file tells, and how many deliveries of it are duplicates."""
    warehouse.execute(
        """update store.main.files as f
        set event_count = coalesce(n.event_count, 0), duplicate_count = coalesce(n.duplicate_count, 0)
        from (
            select k.file_no, e.event_count, d.duplicate_count from store.main.files as k
            left join (select file_no, count(*) as event_count from store.main.staged_events group by file_no) as e
                on k.file_no = e.file_no
            left join (select file_no, count(*) as duplicate_count from store.main.duplicates group by file_no) as d
                on k.file_no = d.file_no
        ) as n
        where f.file_no = n.file_no
            and (f.event_count, f.duplicate_count)
                is distinct from (coalesce(n.event_count, 0), coalesce(n.duplicate_count, 0))"""
    )
