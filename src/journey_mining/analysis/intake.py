"""Events of an analyst's own, loaded into memory: the models of sql/ then derive sessions and journeys from them.

Nothing is written but what DuckDB spills into a temporary folder. Customer ids stay as given; events of equal
time keep the order of the input. Tables are derived when a question first needs them.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from journey_mining.analysis.expressions import Span, check_choice, span_us
from journey_mining.analysis.log import MISSING, EventLog, warn_caller
from journey_mining.errors import QueryError, SourceError
from journey_mining.models import NEVER_US, Model, bind_rules, find_models
from journey_mining.parameters import DEFAULT_STAGES
from journey_mining.warehouse import Warehouse, first_line, open_warehouse, quoted, quoted_name

KEYS = ("customer_id", "occurred_at", "touchpoint")
RESERVED = {
    "session_id": "session_hint", "event_id": "given_event_id", "journey_id": "given_journey_id",
    "occurred_us": "given_occurred_us", "event_ordinal": "given_event_ordinal", "local_date": "given_local_date",
}  # fmt: skip
"""Given columns that carry the name of a derived one are kept under another name."""
LATEST_SECONDS = 32_503_680_000
"""The year 3000: numbers beyond are milliseconds or the like."""
TRAITS = {
    "stage": "varchar", "channel": "varchar", "initiator": "varchar", "is_background": "boolean", "event_name": "varchar",
    "device": "varchar", "page_path": "varchar", "object_type": "varchar", "status": "varchar",
    "campaign_source": "varchar", "campaign_medium": "varchar", "score_kind": "varchar",
}  # fmt: skip
"""Given columns that the models read from the touchpoint dictionary."""
MEASURES = {
    "campaign_name": "varchar", "object_id": "varchar", "actor": "varchar", "value": "double", "currency": "varchar",
    "score": "double", "score_min": "double", "score_max": "double",
}  # fmt: skip
"""Given columns that the models read event by event."""


ENRICHMENT = {
    "event_id": "g.event_ordinal", "session_id": "p.session_id", "journey_id": "p.journey_id", "stage": "t.stage",
    "is_background": "coalesce(t.is_background, false)", "local_date": "cast(g.occurred_at as date)",
    **{name: f"t.{name}" for name in (
        "channel", "source", "system", "event_name", "initiator", "device", "page_path", "object_type", "status",
        "campaign_source", "campaign_medium", "score_kind")},
    **{name: f"e.{quoted_name(name)}" for name in MEASURES},
    "session_hint": "cast(null as varchar)", "file_id": "cast(null as varchar)", "line": "g.event_ordinal",
}  # fmt: skip
"""What a published `events` has and loaded events may lack, in SQL."""


@dataclass(frozen=True)
class Rules:
    """How loaded events become sessions and journeys."""

    stages: Sequence[str] | Mapping[str, Sequence[str]] | None = None
    """Stages in order; a mapping also says which touchpoints each has."""
    goal: str | None = None
    """Touchpoint, or else stage, that converts a journey."""
    inactivity: Span = "30 minutes"
    """A longer gap opens a new session."""
    expiry: Span = "never"
    """A journey ends after more than this without an event; never: one journey a customer."""
    repeats: str = "keep"
    """Consecutive repeats of a touchpoint: collapse into one step, or keep a step each."""
    ends_on: str = "expiry"
    """goal: the journey also ends at the goal."""

    def settings(self) -> dict[str, str | None]:
        """What questions depend on, as a published snapshot's settings have it."""
        expires = self.expiry != "never"
        return {
            "goal": self.goal,
            "repeats": self.repeats,
            "inactivity_seconds": str(span_us(self.inactivity, "inactivity") / 1e6),
            "expiry_seconds": str(span_us(self.expiry, "expiry") / 1e6) if expires else None,
        }

    def parameters(self, cutoff_us: int) -> dict[str, Any]:
        """What the models bind; events given by hand are never taken for a machine's."""
        check_choice("repeats", self.repeats, ("keep", "collapse"))
        check_choice("ends_on", self.ends_on, ("expiry", "goal"))
        return bind_rules(
            cutoff_us,
            goal=self.goal,
            inactivity_us=span_us(self.inactivity, "inactivity"),
            expiry_us=NEVER_US if self.expiry == "never" else span_us(self.expiry, "expiry"),
            ends_on_goal=self.ends_on == "goal",
            collapse=self.repeats == "collapse",
        )


@dataclass
class LoadedEvents:
    """Events in memory, and the tables derived from them so far."""

    warehouse: Warehouse
    rules: Rules
    columns: dict[str, str]
    """Columns of the loaded events with their types."""
    spill: tempfile.TemporaryDirectory[str]
    has_sessions: bool
    """Whether session_hint names the sessions that count."""
    built: set[str] = field(default_factory=set)

    def derive(self, table: str) -> None:
        """Build a table, and what it reads, unless it is there."""
        if table in self.built:
            return
        models: dict[str, Model] = {**find_models("core"), **find_models("marts")}
        if table == "events":
            self._enrich_events()
        elif table in _BASE:
            self._build_base()
        elif table in models:
            self._build_model(models[table])
        self.built.add(table)

    def _build_model(self, model: Model) -> None:
        for needed in sorted(model.reads):
            if needed != model.name:
                self.derive(needed)
        cutoff = self.warehouse.value("select coalesce(max(occurred_us), 0) from given_events")
        self.warehouse.build(model, self.rules.parameters(int(cutoff)))

    def _build_base(self) -> None:
        """The tables that a run reads from files and from journey.yaml, made from the loaded events."""
        build_stages(self)
        build_signatures(self)
        build_customers(self)
        self.built |= _BASE

    def _enrich_events(self) -> None:
        """Give `events` the columns that a published snapshot has; what the events carry themselves stays."""
        for table in ("positions", "touchpoint_signatures"):
            self.derive(table)
        kept = [name for name in self.columns if name.lower() not in {"stage", "is_background"}]
        present = {name.lower() for name in kept}
        added = [f"{sql} as {quoted_name(name)}" for name, sql in ENRICHMENT.items() if name not in present]
        listed = ", ".join([*(f"g.{quoted_name(name)}" for name in kept), *added])
        self.warehouse.execute("drop view if exists published.main.events")
        self.warehouse.execute(
            f"create or replace table published.main.events as select {listed} from given_events as g "
            "left join staged_events as e on g.event_ordinal = e.event_id "
            "left join touchpoint_signatures as t on e.signature_id = t.signature_id "
            "left join positions as p on g.event_ordinal = p.event_id"
        )


_BASE = frozenset({
    "staged_events", "signatures", "stages", "configured_sources", "matched_rules", "touchpoint_rules",
    "counted_steps", "identity_customers", "identities", "channel_sessions",
})  # fmt: skip


def load_events(
    given: Any,
    names: Mapping[str, str],
    rules: Rules,
    declared: Sequence[str] = (),
    session: str | None = None,
) -> EventLog:
    """The log of the given events: a frame, an Arrow table, a DuckDB relation, rows, or a Parquet or CSV file.

    `names` maps customer_id, occurred_at and touchpoint to the given column names. Raises SourceError, QueryError.
    """
    from journey_mining.sources.load import register_functions

    rules.parameters(0)
    spill = tempfile.TemporaryDirectory(prefix="journey-mining-")
    memory = Path(":memory:")
    warehouse = open_warehouse(memory, memory, Path(spill.name) / "spill", register_functions, "80%")
    try:
        columns = _take_events(warehouse, given, {**names, **({"session_id": session} if session else {})})
    except duckdb.Error as error:
        raise SourceError(f"The events cannot be read: {first_line(error)}.") from error
    finally:
        warehouse.connection.unregister("given_input")
    warehouse.execute("set enable_external_access = false")
    loaded = LoadedEvents(warehouse, rules, columns, spill, session is not None)
    log = EventLog(
        warehouse.connection,
        loaded.derive,
        ("event_ordinal",),
        is_loaded=True,
        declared=(*declared, *([rules.goal] if rules.goal else ())),
        settings=rules.settings(),
        enriched=frozenset(ENRICHMENT),
    )
    log.keep = loaded
    return log


def _take_events(warehouse: Warehouse, given: Any, names: Mapping[str, str]) -> dict[str, str]:
    """Create given_events, and `events` over it; returns the columns with their types."""
    relation = _relation_of(warehouse, given)
    found = {
        str(row["column_name"]): str(row["column_type"])
        for row in warehouse.rows(f"describe select * from {relation}")
    }
    by_name = {name.lower(): name for name in found}
    picked = {key: by_name.get(names.get(key, key).lower(), "") for key in KEYS}
    if absent := [names.get(key, key) for key, name in picked.items() if not name]:
        raise SourceError(
            f"The events lack the column '{absent[0]}'.",
            found=", ".join(found),
            fix=f"name the columns: from_events(…, {KEYS[[*picked.values()].index('')]}='…')",
        )
    session = names.get("session_id")
    if session and session.lower() not in by_name:
        near = difflib.get_close_matches(session.lower(), by_name, 1)
        raise QueryError(
            f"The events lack the column '{session}', which session names.",
            found=", ".join(found),
            fix=f"did you mean '{by_name[near[0]]}'?" if near else "name one of these, or leave session out",
        )
    if relation.startswith("read_csv"):  # an id such as 007 is a text, whatever it looks like
        texts = {picked[key]: "VARCHAR" for key in ("customer_id", "touchpoint")}
        found = {**found, **texts}
        relation = f"{relation[:-1]}, types = {{{', '.join(f'{quoted(n)}: {quoted(t)}' for n, t in texts.items())}}})"
    selected = _selected_columns(found, picked, by_name[session.lower()] if session else None)
    warehouse.execute(
        f"create or replace table store.main.given_events as select row_number() over () as event_ordinal, "
        f"{', '.join(f'{sql} as {quoted_name(name)}' for name, sql in selected.items())} from {relation}"
    )
    _check_times(warehouse, relation, picked["occurred_at"], found[picked["occurred_at"]])
    if lost := warehouse.value("select count(*) from given_events where customer_id is null"):
        told = f"{lost} event{' has' if lost == 1 else 's have'} no '{picked['customer_id']}': no journey has them."
        warn_caller(told)
    warehouse.execute("create or replace view published.main.events as select * from store.main.given_events")
    rows = warehouse.rows("describe store.main.given_events")
    return {str(row["column_name"]): str(row["column_type"]) for row in rows}


def _selected_columns(
    found: Mapping[str, str], picked: Mapping[str, str], session: str | None
) -> dict[str, str]:
    moment = _time_sql(quoted_name(picked["occurred_at"]), found[picked["occurred_at"]])
    selected = {
        "customer_id": quoted_name(picked["customer_id"]),
        "occurred_at": f"make_timestamp({moment})",
        "occurred_us": moment,
        "touchpoint": f"touchpoint_of(cast({quoted_name(picked['touchpoint'])} as varchar))",
    }
    if session:
        selected["session_hint"] = quoted_name(session)
    for name in found:
        if name in picked.values() and name.lower() not in KEYS:
            continue
        kept = RESERVED.get(name.lower(), name)
        if kept.lower() not in selected:
            selected[kept] = quoted_name(name)
    return selected


def _relation_of(warehouse: Warehouse, given: Any) -> str:
    """What stands after `from` for the given events."""
    if isinstance(given, str | Path):
        return _file_relation(Path(given))
    if isinstance(given, duckdb.DuckDBPyRelation):
        given = given.to_arrow_table()
    elif isinstance(given, list | tuple):
        given = pd.DataFrame(list(given))
    elif not isinstance(given, pd.DataFrame) and hasattr(given, "__arrow_c_stream__"):
        import pyarrow as pa

        given = pa.table(given)
    try:
        warehouse.connection.register("given_input", given)
    except (duckdb.Error, TypeError) as error:
        raise SourceError(
            f"Events cannot be read from a {type(given).__name__}.",
            expected="a pandas frame, an Arrow table, a DuckDB relation, rows, or the path of a Parquet or CSV file",
        ) from error
    return "given_input"


def _file_relation(path: Path) -> str:
    name = path.name.lower()
    if not path.is_file():
        raise SourceError(f"{path} is no file.", fix="name a Parquet or CSV file")
    if name.endswith((".parquet", ".pq")):
        return f"read_parquet({quoted(str(path))})"
    if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")):
        return f"read_csv({quoted(str(path))}, header = true)"
    raise SourceError(f"{path} is neither Parquet nor CSV.", fix="read it into a frame and give that")


def _time_sql(column: str, kind: str) -> str:
    """Microseconds UTC of a column: times without a zone are UTC, numbers are seconds since 1970.

    Numbers far beyond what is refused later are cut, since they would not fit.
    """
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({column})"
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return f"epoch_us(cast({column} as timestamp))"
    if kind == "VARCHAR":
        return f"time_us({column}, 'UTC')"
    near = f"greatest(least({column}, {2 * LATEST_SECONDS}), {-2 * LATEST_SECONDS})"
    return f"case when {column} is not null then cast(round(cast({near} as decimal(28, 6)) * 1000000) as bigint) end"


def _check_times(warehouse: Warehouse, relation: str, column: str, kind: str) -> None:
    row = warehouse.rows(
        "select count(*) as n, min(event_ordinal) as line from given_events where occurred_us is null"
    )[0]
    if row["n"]:
        raise SourceError(
            f"{row['n']} event{' has' if row['n'] == 1 else 's have'} no time in '{column}', the first in row {row['line']}.",
            expected="a timestamp, ISO 8601 text, or seconds since 1970",
            fix="mend or leave out these rows",
        )
    latest = warehouse.value("select max(abs(occurred_us)) from given_events")
    if latest is not None and kind not in ("VARCHAR",) and int(latest) > LATEST_SECONDS * 1_000_000:
        raise SourceError(
            f"The numbers in '{column}' are no seconds since 1970.", fix="divide milliseconds by 1000"
        )


def build_stages(loaded: LoadedEvents) -> None:
    """Create stages(stage, stage_number): as given, else those of the events' own column, else the usual five."""
    warehouse, stages = loaded.warehouse, loaded.rules.stages
    if stages is None and "stage" in loaded.columns:
        order = "select stage from given_events where stage is not null group by stage order by min(occurred_us), stage"
        stages = [str(row["stage"]) for row in warehouse.rows(order)] or None
    warehouse.execute("create or replace table published.main.stages (stage varchar, stage_number integer)")
    warehouse.execute("create or replace table store.main.stage_members (touchpoint varchar, stage varchar)")
    chosen = list(DEFAULT_STAGES if stages is None else stages)
    if len(set(chosen)) != len(chosen):
        raise SourceError("stages: a stage is listed twice.", found=", ".join(chosen), fix="name each once")
    for number, stage in enumerate(chosen, 1):
        warehouse.execute("insert into published.main.stages values ($s, $n)", {"s": stage, "n": number})
        members = stages[stage] if isinstance(stages, Mapping) else [] if stages is None else [stage]
        for touchpoint in [members] if isinstance(members, str) else members:
            warehouse.execute(
                "insert into store.main.stage_members values ($t, $s)", {"t": touchpoint, "s": stage}
            )


def build_signatures(loaded: LoadedEvents) -> None:
    """Create the kinds of events (signatures) and staged_events over them."""
    warehouse, columns = loaded.warehouse, {name.lower(): name for name in loaded.columns}
    missing = quoted(MISSING)
    traits = [name for name in TRAITS if name in columns]
    named = f"coalesce(touchpoint, {missing})"
    warehouse.execute(
        "create or replace table store.main.kinds as select row_number() over () as signature_id, * from "
        f"(select distinct {', '.join([f'{named} as touchpoint', *map(quoted_name, traits)])} from given_events)"
    )
    pick = {
        name: f"cast(k.{quoted_name(name)} as {kind})" if name in columns else "null"
        for name, kind in TRAITS.items()
    }
    defaults = {"event_name": "k.touchpoint", "initiator": "'customer'", "is_background": "false"}
    given = ", ".join(
        f"coalesce({pick[name]}, {defaults[name]}) as {name}"
        if name in defaults
        else f"{pick[name]} as {name}"
        for name in TRAITS
        if name != "stage"
    )
    warehouse.execute(
        f"create or replace table store.main.signatures as select k.signature_id, 'events' as source, {given}, "
        f"k.touchpoint as given_touchpoint, coalesce(m.stage, {pick['stage']}) as given_stage "
        "from kinds as k left join (select touchpoint, min(stage) as stage from stage_members group by touchpoint) "
        "as m on k.touchpoint = m.touchpoint"
    )
    same = " and ".join([f"{named.replace('touchpoint,', 'g.touchpoint,')} = k.touchpoint",
                         *(f"g.{quoted_name(name)} is not distinct from k.{quoted_name(name)}" for name in traits)])  # fmt: skip
    measures = ", ".join(
        f"cast(g.{quoted_name(name)} as {kind}) as {quoted_name(name)}"
        if name in columns
        else f"cast(null as {kind}) as {quoted_name(name)}"
        for name, kind in MEASURES.items()
    )
    try:
        warehouse.execute(
            "create or replace table store.main.staged_events as select g.event_ordinal as event_id, g.occurred_us, "
            f"g.event_ordinal as sequence, g.customer_id as identity_key, k.signature_id, {measures} "
            f"from given_events as g inner join kinds as k on {same} where g.customer_id is not null"
        )
    except duckdb.ConversionException as error:
        raise _tell_texts(warehouse, columns) from error
    for statement in _EMPTY_RULES:
        warehouse.execute(statement)


def _tell_texts(warehouse: Warehouse, columns: Mapping[str, str]) -> SourceError:
    """The error that names the columns of numbers that have something else in them."""
    wrong = [
        columns[name]
        for name, kind in MEASURES.items()
        if kind == "double" and name in columns
        and warehouse.value(f"select count({quoted_name(name)}) > count(try_cast({quoted_name(name)} as double)) from given_events")
    ]  # fmt: skip
    return SourceError(
        f"These columns have values that are no numbers: {', '.join(wrong)}.",
        fix="mend the values, or give the columns other names",
    )


_EMPTY_RULES = (
    "create or replace table store.main.configured_sources as select 'events' as source, 'table' as system, 0 as source_rank",
    "create or replace table store.main.matched_rules (signature_id bigint, rule_number integer)",
    "create or replace table store.main.touchpoint_rules (rule_number integer, rule_text varchar, touchpoint varchar, "
    "stage varchar, channel varchar, is_background boolean)",
    "create or replace table store.main.counted_steps (touchpoint varchar)",
)


def build_customers(loaded: LoadedEvents) -> None:
    """Create the identity tables (each given id is a customer) and the sessions that the events name themselves."""
    warehouse = loaded.warehouse
    warehouse.execute(
        "create or replace table store.main.identity_customers as select distinct customer_id as identity_key, "
        "customer_id, false as is_shared from given_events where customer_id is not null"
    )
    warehouse.execute(
        "create or replace table store.main.identities as select customer_id, false as is_shared from identity_customers"
    )
    named = loaded.has_sessions
    warehouse.execute(
        "create or replace table store.main.channel_sessions as select event_ordinal as event_id, "
        + ("min(event_ordinal) over (partition by customer_id, session_hint)" if named else "event_ordinal")
        + " as session_id from given_events where "
        + ("customer_id is not null and session_hint is not null" if named else "false")
    )
