"""Small worlds for tests: readable rows in, tables out, in memory.

`Lab.given` and `Lab.build` run one model on tables that the test writes. `Lab.live` takes a log of events
through every step from the rules to the audits.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from journey_mining.config import Config, load_config
from journey_mining.erasure import ErasureRequest
from journey_mining.models import Model, find_models, sql_folder
from journey_mining.pipeline import (
    aggregate_marts,
    audit_results,
    classify_touchpoints,
    derive_journeys,
    read_exports,
    resolve_identities,
)
from journey_mining.publication import Home
from journey_mining.runs import RunContext
from journey_mining.sources.changes import end_changes
from journey_mining.sources.keys import pads_of
from journey_mining.sources.load import register_functions
from journey_mining.warehouse import Warehouse, open_warehouse, qualified
from readable import Row, cells, grid, micros, moment, same_form

MINUTE_US = 60 * 1_000_000
DAY_US = 24 * 60 * MINUTE_US
PARAMETERS: dict[str, Any] = {
    "cutoff_us": micros("12-31 00:00"),
    "timezone": "UTC",
    "goal": "purchase",
    "inactivity_us": 30 * MINUTE_US,
    "max_session_us": DAY_US,
    "max_events": 10_000,
    "by_channel": False,
    "expiry_us": 30 * DAY_US,
    "ends_on_goal": False,
    "collapse": True,
    "max_links": 20,
    "max_user_ids": 1,
    "feedback_within_us": 3 * DAY_US,
    "flow_steps": 6,
}
"""What the models bind when a test says nothing else: the defaults of journey.yaml."""
SPECIFICITY = {"user_id": 1, "contact_id": 2, "email": 3, "phone": 4, "cookie": 5}
_NAMESPACE = uuid.UUID("8a7f2a1c-0000-4000-8000-000000000000")
_KINDS = {
    "_us": "bigint", "_at": "timestamp", "_count": "bigint", "_number": "bigint", "_no": "bigint", "_rank": "integer",
    "_ordinal": "bigint", "_seconds": "double", "_date": "date", "_rate": "double",
    "_share": "double",
}  # fmt: skip
_NUMBERS = {
    "line": "bigint", "item": "integer", "sequence": "bigint", "specificity": "integer", "value": "double",
    "score": "double", "score_min": "double", "score_max": "double", "entered": "bigint", "converted": "bigint",
    "dropped_off": "bigint", "open": "bigint", "probability": "double",
}  # fmt: skip
_STORE_TABLES = {
    "files", "staged_events", "signatures", "identifier_sets", "duplicates", "quarantine", "run_history",
    "matched_rules", "touchpoint_rules", "counted_steps", "configured_sources", "identity_components",
}  # fmt: skip


def models() -> dict[str, Model]:
    """Every model by name."""
    return {
        name: model for layer in ("staging", "core", "marts") for name, model in find_models(layer).items()
    }


def hash_of(identifier: str) -> uuid.UUID:
    """The stand-in for the keyed hash of `kind:value`, or of a bare user id."""
    return uuid.uuid5(_NAMESPACE, identifier if ":" in identifier else f"user_id:{identifier}")


def event_id(number: int) -> uuid.UUID:
    """The id of the event that results call e<number>; its order is that of the number."""
    return uuid.UUID(int=number)


def configured(**settings: Any) -> Config:
    """A configuration with one source `log`, unless `sources` names others; keys as in journey.yaml."""
    sources = settings.pop("sources", None) or ["log"]
    named = (
        sources
        if isinstance(sources, dict)
        else {name: {"system": "table", "path": "log.csv"} for name in sources}
    )
    return Config.model_validate({"sources": named, **settings})


class UncommentedWarehouse(Warehouse):
    """A warehouse that leaves the comments out: they take a third of the time."""

    def comment(self, model: Model) -> None:
        """Nothing."""


class Lab:
    """An in-memory warehouse that tests fill and ask; `reset` empties it."""

    def __init__(self, spill: Path) -> None:
        memory = Path(":memory:")
        opened = open_warehouse(memory, memory, spill, register_functions, "1GB", 1)
        self.warehouse: Warehouse = UncommentedWarehouse(opened.connection)
        self.names: dict[uuid.UUID, str] = {}
        self.renewed = 0
        """Tables that the last delivery renewed in part."""
        self._numbers = count(1)

    def reset(self) -> None:
        """Drop every table and create the empty store."""
        for catalog in ("published", "store", "scratch", "touched", "temp"):
            for row in self.warehouse.rows(
                f"select table_name from duckdb_tables() where database_name = '{catalog}'"
            ):
                self.warehouse.execute(f'drop table {catalog}.main."{row["table_name"]}"')
        self.warehouse.execute((sql_folder() / "store" / "tables.sql").read_text(encoding="utf-8"))
        self.names = {}

    # One model on tables that the test writes.

    def given(self, table: str, text: str) -> None:
        """Create `table` with the readable rows; a column's name tells its type, and ids are plain texts."""
        rows = cells(text)
        header = [cell.strip() for cell in text.strip().splitlines()[0].split("|")]
        kinds = {name: _kind(name) for name in header}
        declared = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
        self.warehouse.execute(f"create or replace table {_catalog(table)}.main.{table} ({declared})")
        places = ", ".join("?" for _ in header)
        for row in rows:
            bound = [_parsed(row[name], kinds[name]) for name in header]
            self.warehouse.connection.execute(f"insert into {table} values ({places})", bound)

    def build(self, name: str, **parameters: Any) -> list[Row]:
        """The rows of a model that was built on the tables that are there; the counts behind it are built first."""
        model = models()[name]
        for needed in sorted(model.reads & models().keys()):
            if models()[needed].renewed == "by sums":
                self.build(needed, **parameters)
        self.warehouse.build(model, {**PARAMETERS, **parameters})
        return self.rows(f"select * from {name}")

    def expect(self, query: str, text: str, order: str | None = None) -> None:
        """The query (or table) shows exactly the readable rows, in the columns of the expectation."""
        header = [cell.strip() for cell in text.strip().splitlines()[0].split("|")]
        source = query if " " in query.strip() else f"select * from {query}"
        found = self.rows(f"from ({source}) order by {order}" if order else source)
        assert grid(found, header, self.names) == same_form(text)

    def rows(self, query: str) -> list[Row]:
        """All rows of a query."""
        return self.warehouse.rows(query)

    # A whole log, from the rules to the audits.

    def live(
        self, events: str | Iterable[Mapping[str, Any]], cutoff: str | int | None = None, **settings: Any
    ) -> Lab:
        """Take a log through every step up to the audits.

        Columns: at, customer (identifiers joined by +, a bare one is a user id), event; and, as wanted: by,
        background, channel, stage, source, sequence, value, score, kind, low, high. Events are called e1, e2 … .
        """
        context = self._begin(events, cutoff, settings)
        classify_touchpoints(context)
        resolve_identities(context)
        derive_journeys(context)
        aggregate_marts(context)
        audit_results(context)
        context.beside.stop()
        return self

    def deliver(
        self, config_path: Path, cutoff: str | None = None, requests: Sequence[ErasureRequest] = ()
    ) -> Lab:
        """Read what is new of a configuration's files into the store that is there, and take it through every step.

        requests: persons who are erased on the way.
        """
        config = load_config(config_path)
        context = self._context(config)
        context.requests = requests
        context.wanted_cutoff = moment(cutoff) if cutoff else None
        end_changes(self.warehouse)
        for step in (
            read_exports,
            classify_touchpoints,
            resolve_identities,
            derive_journeys,
            aggregate_marts,
            audit_results,
        ):
            step(context)
        # What estimates are made of is handed on to the next night.
        context.beside.finish("pain_points")
        self.credited = context.beside.finish("attribution").to_csv()
        context.beside.stop()
        self.renewed = len(context.renewal.kept) if context.renewal else 0
        return self

    def classify(self, events: str | Iterable[Mapping[str, Any]], **settings: Any) -> Lab:
        """Take a log as far as its touchpoints have names and stages."""
        context = self._begin(events, None, settings)
        classify_touchpoints(context)
        self.warehouse.build(models()["touchpoint_signatures"], context.parameters)
        return self

    def _begin(
        self, events: str | Iterable[Mapping[str, Any]], cutoff: str | int | None, settings: dict[str, Any]
    ) -> RunContext:
        self.reset()
        config = configured(**settings)
        times = self._store(cells(events) if isinstance(events, str) else list(events), config)
        context = self._context(config)
        context.cutoff_us = micros(cutoff) if isinstance(cutoff, str) else cutoff or max(times, default=0)
        return context

    def _is_fresh(self) -> bool:
        return self.warehouse.value("select count(*) from run_history") == 0

    def _context(self, config: Config) -> RunContext:
        now = datetime(2027, 1, 1, tzinfo=UTC)
        nowhere = Path("nowhere")
        return RunContext(
            config,
            Home(nowhere),
            "test" if self._is_fresh() else f"test_{next(self._numbers)}",
            now,
            nowhere,
            self.warehouse,
            pads_of(b"k" * 32),
        )

    def _store(self, rows: list[Any], config: Config) -> list[int]:
        """Write the log into the store as the readers do; returns the times."""
        signatures: dict[tuple[Any, ...], int] = {}
        keys: dict[str, uuid.UUID] = {}
        staged, known, times = [], {}, []
        for number, row in enumerate(rows, 1):
            signature = _signature(row, next(iter(config.sources)))
            signatures.setdefault(signature, len(signatures) + 1)
            key = self._identity_key(row.get("customer"), keys, known)
            at = micros(row["at"]) if isinstance(row["at"], str) else int(row["at"])
            times.append(at)
            staged.append(_staged(row, number, at, key, signatures[signature]))
            self.names[event_id(number)] = f"e{number}"
        self._insert("signatures", [(number, *signature) for signature, number in signatures.items()])
        self._insert("identifier_sets", list(known.values()))
        self._insert("staged_events", staged)
        self._insert("files", [_file(len(rows), next(iter(config.sources)))])
        return times

    def _identity_key(
        self,
        text: str | None,
        keys: dict[str, uuid.UUID],
        known: dict[tuple[uuid.UUID, uuid.UUID], tuple[Any, ...]],
    ) -> uuid.UUID | None:
        if not text:
            return None
        identifiers = sorted(part.strip() for part in text.split("+"))
        name = "+".join(identifiers)
        key = keys.setdefault(
            name, hash_of(name) if len(identifiers) == 1 else uuid.uuid5(_NAMESPACE, "set " + name)
        )
        for identifier in identifiers:
            kind = identifier.split(":")[0] if ":" in identifier else "user_id"
            hashed = hash_of(identifier)
            is_poisoned = identifier.endswith(":null") or identifier == "null"
            known[key, hashed] = (key, kind, hashed, SPECIFICITY.get(kind, 6), is_poisoned)
            self.names[hashed] = identifier
        return key

    def _insert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            places = ", ".join("(" + ", ".join("?" * len(rows[0])) + ")" for _ in rows)
            self.warehouse.connection.execute(
                f"insert into store.main.{table} values {places}", [value for row in rows for value in row]
            )


def _signature(row: Mapping[str, Any], source: str) -> tuple[Any, ...]:
    """(source, event_name, initiator, is_background, channel, …) in the order of the store's table."""
    event = row["event"]
    given = row.get("named", event)
    return (
        row.get("source") or source, event, row.get("by") or "customer", row.get("background") in ("yes", True),
        row.get("channel"), None, row.get("page"), None, None, None, None, row.get("kind"), given, row.get("stage"),
    )  # fmt: skip


def _staged(
    row: Mapping[str, Any], number: int, at: int, key: uuid.UUID | None, signature: int
) -> tuple[Any, ...]:
    def numeric(name: str) -> float | None:
        return None if row.get(name) in (None, "") else float(row[name])

    sequence = int(row["sequence"]) if row.get("sequence") not in (None, "") else number
    return (
        event_id(number), 1, number, 1, at, None, sequence, key, signature, None, None, None, numeric("value"),
        row.get("currency"), numeric("score"), numeric("low"), numeric("high"), None, 0,
    )  # fmt: skip


def _file(count: int, source: str) -> tuple[Any, ...]:
    return (
        1,
        "f1",
        source,
        "table",
        "events",
        "log.csv",
        "csv",
        "",
        0,
        0,
        0,
        count,
        count,
        count,
        0,
        0,
        0,
        "read",
    )


def _catalog(table: str) -> str:
    found = models().get(table)
    if found is not None:
        return qualified(found).split(".")[0]
    return "store" if table in _STORE_TABLES else "temp" if table.startswith("read_") else "published"


def _kind(name: str) -> str:
    if name.startswith(("is_", "opens_")):
        return "boolean"
    if name in _NUMBERS:
        return _NUMBERS[name]
    return next((kind for ending, kind in _KINDS.items() if name.endswith(ending)), "varchar")


def _parsed(cell: str | None, kind: str) -> Any:
    if cell is None:
        return None
    if kind == "boolean":
        return cell == "yes"
    if kind == "bigint" and ":" in cell:
        return micros(cell)
    if kind == "timestamp":
        return moment(cell).replace(tzinfo=None)
    if kind == "date":
        return f"2026-{cell}"
    return cell
