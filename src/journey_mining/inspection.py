"""What is published, and the evidence behind one customer or journey."""

from __future__ import annotations

import difflib
import uuid
from pathlib import Path
from typing import Any

from journey_mining.config import load_config
from journey_mining.errors import JourneyMiningError, QueryError
from journey_mining.notification import read_last_run
from journey_mining.publication import DATABASE, Home, locked
from journey_mining.sources.keys import add_key, load_pads, read_keys
from journey_mining.warehouse import Connection, clear_errors, quoted, reading

_SHOWN_EVENTS = 200


def published_home(config_path: Path) -> Home:
    """The home folder of a configuration; raises an error when nothing is published there."""
    home = Home(load_config(config_path).home_dir)
    if not (home.current / DATABASE).is_file():
        raise JourneyMiningError(
            f"Nothing is published in {home.root} yet.", fix=f"journey-mining run --config {config_path}"
        )
    return home


def describe_status(config_path: Path) -> dict[str, Any]:
    """Figures of the published snapshot, its audits, and how the last run ended, published or not."""
    home = published_home(config_path)
    name = home.current_name()
    run_id = (name or "").rsplit("_", 1)[-1]  # of several runs the clock may tell another order
    with reading(home.current / DATABASE) as connection:
        last = _rows(
            connection, "select * from runs order by run_id = $1 desc, started_at desc limit 1", run_id
        )[0]
        files = _rows(
            connection,
            "select count(*) as files, cast(sum(record_count) as bigint) as records, cast(sum(event_count) as bigint) as events, "
            "cast(sum(duplicate_count) as bigint) as duplicates, cast(sum(quarantined_count) as bigint) as quarantined, "
            "cast(sum(refused_count) as bigint) as refused "
            "from source_files",
        )[0]
        audits = _rows(
            connection,
            "select audit, severity, status, offending_count, detail from audits order by status <> 'failed', status <> 'warned', audit",
        )
    figures = {"snapshot": name, "database": str(home.current / DATABASE), **last, **files}
    return {"figures": figures, "audits": audits, "last_run": read_last_run(home)}


def require_source(config_path: Path, source: str | None) -> None:
    """Raise QueryError, naming the sources, when the configuration has no such source; None stands for all."""
    known = list(load_config(config_path).sources)
    if source is not None and source not in known:
        near = difflib.get_close_matches(source, known, 1)
        raise QueryError(
            f"There is no source '{source}'.",
            expected="one of " + ", ".join(known),
            fix=f"did you mean '{near[0]}'?" if near else "name one of them, or leave out --source",
        )


def summarise_quarantine(config_path: Path, source: str | None) -> list[dict[str, Any]]:
    """Quarantined records of the published run by source and reason, with their number and the first file and line."""
    with reading(published_home(config_path).current / DATABASE) as connection:
        return _rows(
            connection,
            "select * from quarantine_summary where $1 is null or source = $1 order by record_count desc, source, reason",
            source,
        )


def list_quarantine(
    config_path: Path, source: str | None, limit: int, with_raw: bool
) -> list[dict[str, Any]]:
    """Quarantined records of the published run: source, path, line, item, reason, bytes, and what was read when asked.

    What was read may hold personal data; it lies in the private store and is shown to its owner only. Raises QueryError
    for a `source` that the configuration does not have.
    """
    require_source(config_path, source)
    home = published_home(config_path)
    raw = ", coalesce(try(decode(q.raw[:500])), q.raw[:500]::varchar) as content" if with_raw else ""
    with reading(home.store_of(home.current_name() or "")) as connection:
        return _rows(
            connection,
            f"select f.source, f.path, q.line, q.item, q.reason, q.byte_count{raw} "
            "from quarantine as q inner join files as f using (file_no) "
            "where $1 is null or f.source = $1 order by f.source, f.path, q.line, q.item limit $2",
            source,
            limit or None,
        )


def list_keys(config_path: Path, with_new: bool) -> list[dict[str, Any]]:
    """The known keys by id, oldest first: whether a run uses the key, and whether the published snapshot did.

    `with_new` adds a key first; none is made otherwise.
    """
    config = load_config(config_path)
    home = Home(config.home_dir)
    if with_new:
        with locked(home, "a new key"), clear_errors("making a key"):
            add_key(home.private)
    with clear_errors("reading the keys"):
        known = read_keys(home.private)
        active = load_pads(home.private, config.identity.key_id).key_id if known else None
    store = home.store_of(home.current_name() or "")
    used: list[str] = []
    if store.is_file():
        with reading(store) as connection:
            used = [row["key_id"] for row in _rows(connection, "select key_id from store_key")]
    return [{"key_id": name, "is_active": name == active, "is_published": name in used} for name in known]


def explain_subject(config_path: Path, subject: str) -> dict[str, list[dict[str, Any]]]:
    """Evidence by title: for a customer identifiers, links, journeys; for a journey its steps and events with file and line."""
    home = published_home(config_path)
    key = _parse_id(subject)
    with reading(home.current / DATABASE) as connection:
        store = home.store_of(home.current_name() or "")
        connection.execute(f"attach {quoted(str(store))} as store (read_only)")
        if connection.execute("select 1 from customers where customer_id = $1", [key]).fetchall():
            return _explain_customer(connection, key)
        if connection.execute("select 1 from journeys where journey_id = $1", [key]).fetchall():
            return _explain_journey(connection, key)
    raise QueryError(
        f"No customer and no journey has the id {subject}.",
        fix='find one with: journey-mining sql "from journeys limit 5"',
    )


def _parse_id(subject: str) -> uuid.UUID:
    try:
        return uuid.UUID(subject.strip())
    except ValueError as error:
        raise QueryError(
            f"'{subject}' is no id.",
            expected="a customer_id or journey_id such as 0b9e2f6c-…",
            fix="copy one from the database",
        ) from error


def _explain_customer(connection: Connection, key: uuid.UUID) -> dict[str, list[dict[str, Any]]]:
    members = "select identifier_hash from store.identities where customer_id = $1"
    return {
        "customer": _rows(connection, "select * from customers where customer_id = $1", key),
        "identifiers (keyed hashes)": _rows(
            connection,
            "select i.identifier_type, i.identifier_hash, i.is_shared, make_timestamp(d.first_seen_us) as first_seen_at, "
            "d.event_count from store.identities as i inner join store.identifiers as d using (identifier_hash) "
            "where i.customer_id = $1 order by d.first_seen_us, i.identifier_hash",
            key,
        ),
        "links, each with the first event that shows it": _rows(
            connection,
            f"""select l.left_hash, l.right_hash, make_timestamp(e.occurred_us) as seen_at, f.path, e.line
            from store.identity_links as l
            left join store.staged_events as e on l.identity_key = e.identity_key
            left join store.files as f on e.file_no = f.file_no
            where l.left_hash in ({members})
            qualify row_number() over (partition by l.left_hash, l.right_hash order by e.occurred_us, e.event_id) = 1
            order by seen_at, l.left_hash, l.right_hash""",
            key,
        ),
        "journeys": _rows(
            connection,
            "select journey_id, started_at, ended_at, state, step_count, entry_touchpoint, last_touchpoint "
            "from journeys where customer_id = $1 order by started_at",
            key,
        ),
    }


def _explain_journey(connection: Connection, key: uuid.UUID) -> dict[str, list[dict[str, Any]]]:
    return {
        "journey": _rows(connection, "select * from journeys where journey_id = $1", key),
        "steps": _rows(
            connection,
            "select step_number, touchpoint, channel, stage, started_at, ended_at, repeat_count, gap_seconds "
            "from journey_steps where journey_id = $1 order by step_number",
            key,
        ),
        "events": _rows(
            connection,
            "select e.occurred_at, e.touchpoint, e.event_name, e.initiator, e.is_background, e.source, f.path, e.line "
            "from events as e inner join source_files as f using (file_id) where e.journey_id = $1 "
            f"order by e.occurred_us, e.event_id limit {_SHOWN_EVENTS}",
            key,
        ),
    }


def _rows(connection: Connection, query: str, *bound: Any) -> list[dict[str, Any]]:
    result = connection.execute(query, list(bound))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
