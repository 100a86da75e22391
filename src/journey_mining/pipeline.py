"""The steps of a run, once, as plain functions; the command line and Prefect run the same list."""

from __future__ import annotations

import hashlib
import json
import platform
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb

from journey_mining import audits
from journey_mining.config import Config, load_config
from journey_mining.errors import ConfigError, JourneyMiningError, SourceError
from journey_mining.identity import resolve_components
from journey_mining.inheritance import inherit_store, write_store_key
from journey_mining.macros import create_macros
from journey_mining.models import ancestors, find_models, fingerprint, model_fingerprint, sql_folder
from journey_mining.publication import DATABASE, Home, locked, publish, start_working_copy
from journey_mining.renewal import Renewal, derivation_before, write_derivation
from journey_mining.sources.changes import settle_changes
from journey_mining.sources.keys import Pads, load_pads
from journey_mining.sources.ledger import read_sources
from journey_mining.sources.load import register_functions
from journey_mining.touchpoints import check_rules, match_rules
from journey_mining.warehouse import Warehouse, first_line, open_warehouse

NEVER_US = 1 << 61
"""Microseconds that no journey outlives: what `expiry: never` means to the models."""
Counts = dict[str, int | float | str]


@dataclass
class RunContext:
    """A run in progress: where it works and what is known so far."""

    config: Config
    home: Home
    run_id: str
    started_at: datetime
    working_dir: Path
    warehouse: Warehouse
    pads: Pads
    wanted_cutoff: datetime | None = None
    retry_quarantine: bool = False
    reads_again: frozenset[str] = frozenset()
    """Sources of which every file is read again."""
    cutoff_us: int = 0
    renewal: Renewal | None = None
    """How the published tables are renewed; None: they are computed anew."""
    summary: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    published: Path | None = None
    """Folder of the snapshot after the publish step."""

    @property
    def cutoff_at(self) -> datetime:
        """Horizon of the data, UTC."""
        return datetime.fromtimestamp(self.cutoff_us / 1_000_000, UTC)

    @property
    def name(self) -> str:
        """Name of the snapshot."""
        return f"{self.cutoff_at:%Y%m%dT%H%M%SZ}_{self.run_id}"

    @property
    def parameters(self) -> dict[str, Any]:
        """What the models bind."""
        config = self.config
        expiry = config.journeys.expiry
        by = config.sessions.by
        return {
            "cutoff_us": self.cutoff_us,
            "timezone": config.timezone,
            "goal": config.goal,
            "inactivity_us": _micros(config.sessions.inactivity),
            "max_session_us": _micros(config.sessions.max_session),
            "max_events": config.sessions.max_events,
            "by_channel": by != "customer" and "channel" in by,
            "expiry_us": NEVER_US if expiry == "never" else _micros(expiry),
            "ends_on_goal": config.journeys.ends_on == "goal",
            "collapse": config.journeys.collapses_repeats,
            "max_links": config.identity.max_links,
            "max_user_ids": config.identity.max_user_ids,
            "feedback_within_us": _micros(config.feedback.within),
            "flow_steps": config.report.flow_steps,
        }


def _micros(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1_000_000)


@dataclass(frozen=True)
class Step:
    """One step of a run; `retries` where trying again makes sense (reading from a share, say)."""

    name: str
    run: Callable[[RunContext], Counts]
    retries: int = 0


@contextmanager
def open_run(
    config_path: Path, cutoff: str | None = None, rebuild: bool = False, retry_quarantine: bool = False
) -> Iterator[RunContext]:
    """A run under the home's lock, on a working copy; nothing is published unless the publish step is reached."""
    config = load_config(config_path)
    check_rules(config)
    wanted = parse_cutoff(cutoff)
    home = Home(config.home_dir)
    run_id = f"{datetime.now(UTC):%Y%m%d%H%M%S}{uuid.uuid4().hex[:6]}"
    with locked(home, run_id):
        pads = load_pads(home.private, config.identity.key_id)
        inherited = inherit_store(home, config, pads.key_id, rebuild)
        working = start_working_copy(home, run_id, inherited.keeps_store)
        warehouse = _open(config, home, working)
        context = RunContext(
            config, home, run_id, datetime.now(UTC), working, warehouse, pads, wanted, retry_quarantine,
            inherited.reads_again,
        )  # fmt: skip
        try:
            write_store_key(warehouse, pads.key_id)
            if rebuild:
                warehouse.execute("delete from store.main.derivation")
            yield context
        finally:
            warehouse.connection.close()


def _open(config: Config, home: Home, working: Path) -> Warehouse:
    return open_warehouse(
        working / DATABASE,
        working / "store.duckdb",
        home.working / "spill",
        register_functions,
        config.memory_limit,
        config.threads,
    )


def parse_cutoff(text: str | None) -> datetime | None:
    """The moment that `text` (ISO 8601, UTC when it names no zone) states; raises ConfigError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"--cutoff: '{text}' is no time.", expected="ISO 8601, for example 2026-03-31T23:59:59Z"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def read_exports(context: RunContext) -> Counts:
    """Read new and changed files into the store, and settle the cutoff."""
    totals = read_sources(
        context.warehouse, context.config, context.pads, context.retry_quarantine, context.reads_again
    )
    _settle_cutoff(context)
    events = int(
        context.warehouse.value(
            "select count(*) from staged_events where occurred_us <= $c", {"c": context.cutoff_us}
        )
    )
    if events == 0:
        raise _no_events(context)
    _plan_renewal(context)
    return {**totals, "events": events, "cutoff": context.cutoff_at.isoformat()}


def _no_events(context: RunContext) -> SourceError:
    files = context.warehouse.rows(
        "select path, status from files where status <> 'read' order by path limit 5"
    )
    reasons = context.warehouse.rows(
        "select reason, count(*) as n, min(line) as line from quarantine group by reason order by n desc, reason limit 5"
    )
    found = [f"{file['path']} is {file['status']}" for file in files]
    found += [f"{reason['n']} x {reason['reason']} (line {reason['line']})" for reason in reasons]
    return SourceError(
        f"There is no event up to {context.cutoff_at:%Y-%m-%d %H:%M} UTC; nothing was published.",
        found="; ".join(found) or "files without records",
        fix="look at these files; see what is read with: journey-mining check",
    )


def _settle_cutoff(context: RunContext) -> None:
    """The wanted cutoff, or the latest event that is not in the future."""
    now_us = round(context.started_at.timestamp() * 1_000_000)
    if context.wanted_cutoff is not None:
        context.cutoff_us = round(context.wanted_cutoff.timestamp() * 1_000_000)
        return
    latest = context.warehouse.value(
        "select max(occurred_us) from staged_events where occurred_us <= $now", {"now": now_us}
    )
    context.cutoff_us = int(latest) if latest is not None else now_us


def _plan_renewal(context: RunContext) -> None:
    """Renew the published tables when they were computed in the same way, and for no later cutoff."""
    before = derivation_before(context.warehouse, derivation_fingerprint(context))
    if before is not None and before <= context.cutoff_us:
        settle_changes(context.warehouse)
        context.renewal = Renewal(context.warehouse, context.parameters, before)


def derivation_fingerprint(context: RunContext) -> str:
    """Hash of all but the events and the cutoff that the derived tables depend on."""
    config = context.config
    settings = {
        "parameters": {name: value for name, value in context.parameters.items() if name != "cutoff_us"},
        "touchpoints": [rule.model_dump(mode="json") for rule in config.touchpoints],
        "stages": list(config.stages),
        "steps": sorted(config.journeys.steps),
        "sources": [(name, source.system) for name, source in config.sources.items()],
        "versions": [version("journey-mining"), duckdb.__version__],
        "models": fingerprint(
            path for part in ("core", "marts", "macros") for path in (sql_folder() / part).glob("*.sql")
        ),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def classify_touchpoints(context: RunContext) -> Counts:
    """Match the rules against every kind of event."""
    warehouse, config = context.warehouse, context.config
    warehouse.execute("create or replace table published.main.stages (stage varchar, stage_number integer)")
    warehouse.comment_table(
        "published.main.stages",
        "The configured stages in their order.",
        {"stage": "name of the stage", "stage_number": "1-based position"},
    )
    for number, stage in enumerate(config.stages, 1):
        warehouse.execute("insert into published.main.stages values ($s, $n)", {"s": stage, "n": number})
    warehouse.execute(
        "create or replace table store.main.configured_sources (source varchar, system varchar, source_rank integer)"
    )
    for rank, (name, source) in enumerate(config.sources.items()):
        bound = {"n": name, "s": Path(source.system).stem, "r": rank}
        warehouse.execute("insert into store.main.configured_sources values ($n, $s, $r)", bound)
    counts = {"matched_by_rule": match_rules(warehouse, config)}
    if context.renewal is not None:
        counts["changed_events"] = context.renewal.find_changes()
    return {"signatures": int(warehouse.value("select count(*) from signatures")), **counts}


def resolve_identities(context: RunContext) -> Counts:
    """Join identifiers into customers."""
    rounds = _renew_identities(context) if context.renewal else _build_identities(context)
    customers = int(context.warehouse.value("select count(distinct customer_id) from identities"))
    flagged = int(context.warehouse.value("select count(*) from identity_flags"))
    return {"customers": customers, "flagged_identifiers": flagged, "rounds": rounds}


def _build_identities(context: RunContext) -> int:
    models = find_models("core")
    for name in ancestors("core", "identity_links"):
        context.warehouse.build(models[name], context.parameters)
    rounds = resolve_components(context.warehouse)
    for name in ("identities", "identity_customers"):
        context.warehouse.build(models[name], context.parameters)
    return rounds


def _renew_identities(context: RunContext) -> int:
    assert context.renewal is not None
    rounds = context.renewal.renew_identities()
    context.renewal.touch_expired()
    if not context.renewal.is_worthwhile():
        context.renewal = None
    return rounds


def derive_journeys(context: RunContext) -> Counts:
    """Build sessions, journeys and their steps, of the customers that the run touched or of all."""
    if context.renewal is not None:
        context.renewal.subtract()
        context.renewal.narrow()
        counts = context.renewal.renew_customers("core")
        context.renewal.relocate()
        return {f"renewed_{name}": count for name, count in counts.items()}
    models = find_models("core")
    done = {*ancestors("core", "identity_links"), "identities", "identity_customers"}
    return {
        name: context.warehouse.build(model, context.parameters)
        for name, model in models.items()
        if name not in done
    }


def aggregate_marts(context: RunContext) -> Counts:
    """Build the aggregates that analysts and the report read."""
    renewal = context.renewal
    if renewal is not None:
        renewal.renew_customers("marts")
        renewal.merge_sums()
    _enter_run(context)
    counts = {
        name: context.warehouse.build(model, context.parameters)
        for name, model in find_models("marts").items()
        if renewal is None or model.renewed is None
    }
    _write_settings(context)
    write_derivation(context.warehouse, derivation_fingerprint(context), context.cutoff_us)
    return {**counts, "macros": create_macros(context.warehouse.connection)}


def _enter_run(context: RunContext) -> None:
    warehouse = context.warehouse
    bound = {
        "run_id": context.run_id,
        "cutoff_at": context.cutoff_at.replace(tzinfo=None),
        "started_at": context.started_at.replace(tzinfo=None),
        "seconds": (datetime.now(UTC) - context.started_at).total_seconds(),
        "version": version("journey-mining"),
        "config": context.config.fingerprint,
        "model": model_fingerprint(),
    }
    warehouse.execute(
        """insert into store.main.run_history
        select $run_id, $cutoff_at, $started_at, $seconds, $version, $config, $model,
            (select count(*) from events), (select count(*) from customers),
            (select count(*) from sessions), (select count(*) from journeys)""",
        bound,
    )


def _write_settings(context: RunContext) -> None:
    config, parameters = context.config, context.parameters
    settings = {
        "title": config.report.title,
        "goal": config.goal,
        "timezone": config.timezone,
        "cutoff_at": context.cutoff_at.isoformat(),
        "inactivity_seconds": config.sessions.inactivity.total_seconds(),
        "expiry_seconds": None
        if config.journeys.expiry == "never"
        else config.journeys.expiry.total_seconds(),
        "ends_on": config.journeys.ends_on,
        "repeats": "collapse" if parameters["collapse"] else "keep",
        "min_cell": config.report.min_cell,
        "flow_steps": config.report.flow_steps,
        "max_links": config.identity.max_links,
        "max_user_ids": config.identity.max_user_ids,
        "feedback_within_seconds": config.feedback.within.total_seconds(),
        "version": version("journey-mining"),
    }
    context.warehouse.execute("create or replace table published.main.settings (name varchar, value varchar)")
    context.warehouse.comment_table(
        "published.main.settings",
        "The settings of the run that figures depend on.",
        {"name": "name of the setting, with its unit", "value": "its value as text, NULL for none"},
    )
    for name, value in settings.items():
        bound = {"n": name, "v": None if value is None else str(value)}
        context.warehouse.execute("insert into published.main.settings values ($n, $v)", bound)


def audit_results(context: RunContext) -> Counts:
    """Check every promise; raises AuditError when one that stops publication is broken."""
    results = audits.run_audits(context.warehouse, set(context.renewal.kept) if context.renewal else None)
    context.summary["audits"] = results
    audits.require_passed(results)
    return {
        "audits": len(results),
        "warned": sum(result["status"] == "warned" for result in results),
    }


def render_pages(context: RunContext) -> Counts:
    """Write the report and the graph files beside it."""
    from journey_mining.mining.graph import build_graph, write_graph
    from journey_mining.report import headline, render_report
    from journey_mining.report.suppression import mask_figures, suppress_transitions

    connection = context.warehouse.connection
    page = render_report(connection, context.working_dir / "report")
    transitions = suppress_transitions(
        connection.execute("select * from transitions").df(), context.config.report.min_cell
    )
    touchpoints = connection.execute("select * from touchpoints").df()
    files = write_graph(build_graph(transitions, touchpoints), context.working_dir / "graph")
    context.summary["headline"] = mask_figures(headline(connection))
    return {"report_bytes": page.stat().st_size, "graph_files": len(files)}


def publish_snapshot(context: RunContext) -> Counts:
    """Close the files and make them the published snapshot by one rename."""
    _write_run(context)
    context.warehouse.close()
    context.published = publish(
        context.home, context.working_dir, context.name, context.config.keep_snapshots
    )
    return {"snapshot": context.name}


def _write_run(context: RunContext) -> None:
    document = {
        "run_id": context.run_id,
        "cutoff_at": context.cutoff_at.isoformat(),
        "started_at": context.started_at.isoformat(),
        "config_fingerprint": context.config.fingerprint,
        "model_fingerprint": model_fingerprint(),
        "key_id": context.pads.key_id,
        "versions": {
            "journey-mining": version("journey-mining"),
            "duckdb": duckdb.__version__,
            "python": platform.python_version(),
        },
        "timings_seconds": context.timings,
        "inputs": context.warehouse.rows("select * from source_files order by source, path"),
        **context.summary,
    }
    text = json.dumps(document, indent=2, default=str, ensure_ascii=False)
    (context.working_dir / "run.json").write_text(text + "\n", encoding="utf-8")


STEPS: tuple[Step, ...] = (
    Step("read exports", read_exports, retries=1),
    Step("classify touchpoints", classify_touchpoints),
    Step("resolve identities", resolve_identities),
    Step("derive journeys", derive_journeys),
    Step("aggregate marts", aggregate_marts),
    Step("audit results", audit_results),
    Step("render report", render_pages),
    Step("publish snapshot", publish_snapshot),
)


def run_step(context: RunContext, step: Step) -> Counts:
    """Run one step; keeps its counts and seconds in the context."""
    begun = perf_counter()
    try:
        counts = step.run(context)
    except (duckdb.IOException, OSError) as error:
        raise JourneyMiningError(
            f"'{step.name}' could not read or write: {first_line(error)}.",
            fix="free disk space or memory, check the folder's permissions, and run again; the published snapshot stands",
        ) from error
    context.timings[step.name] = round(perf_counter() - begun, 3)
    context.summary.setdefault("steps", {})[step.name] = counts
    return counts


def run_all(
    config_path: Path,
    cutoff: str | None = None,
    rebuild: bool = False,
    tell: Callable[[str, Counts, float], None] | None = None,
    retry_quarantine: bool = False,
) -> RunContext:
    """A finished, published run; `tell` hears of each step that ends."""
    with open_run(config_path, cutoff, rebuild, retry_quarantine) as context:
        for step in STEPS:
            counts = run_step(context, step)
            if tell is not None:
                tell(step.name, counts, context.timings[step.name])
    return context
