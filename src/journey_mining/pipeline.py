"""The steps of a run, once, as plain functions; the command line and Prefect run the same list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from journey_mining import audits
from journey_mining.derivation import (
    derivation_before,
    derivation_fingerprint,
    discard_derivation,
    write_derivation,
)
from journey_mining.erasure import ErasureRequest, erase_persons, expire_events, scrub_quarantine
from journey_mining.errors import SourceError
from journey_mining.identity import resolve_components
from journey_mining.inheritance import naming_damage
from journey_mining.macros import create_macros
from journey_mining.models import ancestors, find_models
from journey_mining.publication import DATABASE, publish
from journey_mining.renewal import Renewal
from journey_mining.run_records import (
    compose_receipt,
    enter_run,
    list_settings,
    read_receipt,
    write_run,
    write_settings,
)
from journey_mining.runs import Counts, RunContext, Step, open_run
from journey_mining.sources.changes import begin_changes, end_changes, recount_files, settle_changes
from journey_mining.sources.erased import horizon_us
from journey_mining.sources.ledger import read_sources
from journey_mining.touchpoints import match_rules
from journey_mining.upkeep import has_grown, rewrite_files
from journey_mining.warehouse import Connection, checkpoint_early, clear_errors

_HEAD_START_SECONDS = 0.02
"""A checkpoint that begins while others read leaves what was deleted to the next one, which closing would wait for."""


def read_exports(context: RunContext) -> Counts:
    """Read new and changed files into the store, and settle the cutoff."""
    begin_changes(context.warehouse)
    _forget_persons(context)
    refusing_us = horizon_us(context.warehouse, context.config.retention_us)
    totals = read_sources(
        context.warehouse, context.config, context.pads, context.retried_sources, context.reads_again
    )
    scrub_quarantine(context.warehouse, context.pads)
    _settle_cutoff(context)
    expired = _expire(context)
    events = int(
        context.warehouse.value(
            "select count(*) from staged_events where occurred_us <= $c", {"c": context.cutoff_us}
        )
    )
    if events == 0:
        raise _no_events(context, refusing_us)
    _plan_renewal(context)
    return {**totals, **expired, "events": events, "cutoff": context.cutoff_at.isoformat()}


def _no_events(context: RunContext, refusing_us: int) -> SourceError:
    """What became of the records instead; a retention that may have taken them is named, and an erasure.

    `refusing_us`: the time before which nothing was read, of the run before.
    """
    if context.requests:
        return SourceError(
            "Nobody would be left without the persons who are to be forgotten; nothing was published.",
            found=f"{len(context.requests)} requests",
            fix="delete the exports and the home folder, which hold nobody else",
        )
    files = context.warehouse.rows(
        "select path, status from files where status <> 'read' order by path limit 5"
    )
    reasons = context.warehouse.rows(
        "select reason, count(*) as n, min(line) as line from quarantine group by reason order by n desc, reason limit 5"
    )
    found = [f"{file['path']} is {file['status']}" for file in files]
    found += [f"{reason['n']} x {reason['reason']} (line {reason['line']})" for reason in reasons]
    upto = f"up to {context.cutoff_at:%Y-%m-%d %H:%M} UTC"
    refused = context.warehouse.value("select sum(refused_count) from files")
    if context.config.retention is not None and refused:
        horizon = context.warehouse.value(
            "select strftime(make_timestamp(greatest(horizon_us, $h)), '%Y-%m-%d %H:%M') from retention",
            {"h": refusing_us},
        )
        found.append(f"{refused} records refused, as all before {horizon} UTC are (the retention)")
        return SourceError(
            f"There is no event {upto} that the retention of {context.config.retention} leaves; nothing was published.",
            found="; ".join(found),
            fix="give a later --cutoff or a longer `retention:`, or where a wrong time was corrected: journey-mining run "
            "--rebuild; see what is read with: journey-mining check",
        )
    earliest = context.warehouse.value(
        "select strftime(make_timestamp(min(occurred_us)), '%Y-%m-%d %H:%M') from staged_events"
    )
    if earliest is not None:
        return SourceError(
            f"There is no event {upto}; nothing was published.",
            found=f"the earliest event is of {earliest} UTC",
            fix="give a later --cutoff, or none",
        )
    return SourceError(
        f"There is no event {upto}; nothing was published.",
        found="; ".join(found) or "files without records",
        fix="look at these files; see what is read with: journey-mining check",
    )


def _settle_cutoff(context: RunContext) -> None:
    """The wanted cutoff, or the latest event that is not in the future."""
    if context.wanted_cutoff is not None:
        context.cutoff_us = round(context.wanted_cutoff.timestamp() * 1_000_000)
    else:
        context.cutoff_us = _usual_cutoff(context)


def _usual_cutoff(context: RunContext) -> int:
    """The cutoff of a run for which none is wanted, microseconds UTC: the latest event not in the future, or else now."""
    now_us = round(context.started_at.timestamp() * 1_000_000)
    latest = context.warehouse.value(
        "select max(occurred_us) from staged_events where occurred_us <= $now", {"now": now_us}
    )
    return int(latest) if latest is not None else now_us


def _forget_persons(context: RunContext) -> None:
    """Erase the persons who ask, once: a step that is tried again goes on with what it had done."""
    if context.requests and context.receipt is None:
        _know_everybody(context)
        with context.warehouse.transaction():
            at = context.started_at.replace(tzinfo=None)
            context.receipt = erase_persons(context.warehouse, context.pads, context.requests, at)
        context.erases = True


def _know_everybody(context: RunContext) -> None:
    """Resolve identities over all events that were read, where what is published ends before the last of them.

    A person is looked up in them, and has what later events join as well. What is derived is then computed anew.
    """
    latest_us = context.warehouse.value("select max(occurred_us) from staged_events")
    cutoffs = context.warehouse.rows("select cutoff_us from store.main.derivation")
    if latest_us is None or any(row["cutoff_us"] >= latest_us for row in cutoffs):
        return
    context.cutoff_us = latest_us
    discard_derivation(context.warehouse)
    _build_identities(context)


def _expire(context: RunContext) -> Counts:
    """Erase what is older than the retention.

    It is counted back from the cutoff, but never from one later than that of a usual night: what is erased is gone, so
    that a mistyped cutoff must not erase more.
    """
    if context.config.retention_us is None:
        return {}
    with context.warehouse.transaction():
        upto_us = min(context.cutoff_us, _usual_cutoff(context))
        counts = expire_events(context.warehouse, context.config.retention_us, upto_us)
        recount_files(context.warehouse)
    context.erases = context.erases or any(counts.values())
    return {"expired_events": counts["events"]}


def _plan_renewal(context: RunContext) -> None:
    """Renew the published tables when they were computed in the same way, and for no later cutoff."""
    before = derivation_before(context.warehouse, derivation_fingerprint(context.config))
    if before is not None and before <= context.cutoff_us:
        settle_changes(context.warehouse)
        context.renewal = Renewal(context.warehouse, context.replacing, context.parameters, before)
    end_changes(context.warehouse)


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
    """Join identifiers into customers.

    What the estimates need is imported beside it, which takes as long as all of a small run.
    """
    context.beside.start("libraries", _import_libraries)
    rounds = _renew_identities(context) if context.renewal else _build_identities(context)
    # The identifier that names a customer is one of its own.
    customers = int(
        context.warehouse.value("select count(*) from identities where identifier_hash = customer_id")
    )
    flagged = int(context.warehouse.value("select count(*) from identity_flags"))
    return {"customers": customers, "flagged_identifiers": flagged, "rounds": rounds}


def _import_libraries(_: Connection) -> None:
    import journey_mining.evidence
    import journey_mining.report  # noqa: F401


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
    """Build sessions, journeys and their steps, of the customers that the run touched or of all.

    The estimates need nothing else, and are made beside the steps that follow.
    """
    counts = _derive(context)
    context.beside.finish("libraries")
    from journey_mining.evidence import begin_evidence

    min_cell = context.config.report.min_cell
    begin_evidence(context.beside, list_settings(context), min_cell, context.cutoff_us, context.renewal)
    return counts


def _derive(context: RunContext) -> Counts:
    if context.renewal is not None:
        context.renewal.subtract()
        context.renewal.settle()
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
    models = [one for one in find_models("marts").values() if renewal is None or one.renewed is None]
    if renewal is not None:
        # First, since only one processor does a part of them, and the estimates still need the other.
        models.sort(key=lambda model: model.name != "variants")
    # The list of runs comes last, since a run is entered with what the others count.
    models.sort(key=lambda model: "run_history" in model.reads)
    counts = {}
    for model in models:
        if "run_history" in model.reads:
            enter_run(context)
        counts[model.name] = context.warehouse.build(model, context.parameters)
    write_settings(context)
    audits.create_audits(context.warehouse)  # The draft of the report lists all tables.
    return {**counts, "macros": create_macros(context.warehouse.connection)}


def mine_evidence(context: RunContext) -> Counts:
    """Publish attribution and pain points, as estimated from the tables of this run.

    Then the files are written, as far as they are settled, the report is drafted and the graph is drawn beside the audits.
    """
    from journey_mining.evidence import publish_evidence
    from journey_mining.report import draft_report

    counts: Counts = dict(publish_evidence(context.beside, context.warehouse))
    context.replacing.start("checkpoint", checkpoint_early)
    sleep(_HEAD_START_SECONDS)
    context.beside.start("report", draft_report)
    context.beside.start("graph", partial(_draw_graph, context))
    return counts


def _draw_graph(context: RunContext, connection: Connection) -> int:
    """Write the graph files beside the report; returns their number."""
    from journey_mining.mining.graph import build_graph, write_graph
    from journey_mining.report.suppression import suppress_transitions

    transitions = suppress_transitions(
        connection.execute("select * from transitions").df(), context.config.report.min_cell
    )
    touchpoints = connection.execute("select * from touchpoints").df()
    return len(write_graph(build_graph(transitions, touchpoints), context.working_dir / "graph"))


def audit_results(context: RunContext) -> Counts:
    """Check every promise; raises AuditError when one that stops publication is broken."""
    run = {
        "run_id": context.run_id,
        "cutoff_us": context.cutoff_us,
        "is_backfill": context.wanted_cutoff is not None,
        "goal": context.config.goal,
        "has_retention": context.config.retention is not None,
    }
    renewed = set(context.renewal.kept) if context.renewal else set()
    results = audits.run_audits(context.warehouse, context.config.audits, run, renewed)
    context.replacing.finish_all()
    audits.write_audits(context.warehouse, results)
    context.summary["audits"] = results
    audits.require_passed(results)
    # Written now, it has closing merge in both files what an early checkpoint had to leave.
    write_derivation(context.warehouse, derivation_fingerprint(context.config), context.cutoff_us)
    return {
        "audits": len(results),
        "warned": sum(result["status"] == "warned" for result in results),
    }


def render_pages(context: RunContext) -> Counts:
    """Write the report beside the graph files, and meanwhile the files that nobody reads any more."""
    from journey_mining.report import Draft, complete_draft, write_page

    draft: Draft = context.beside.finish("report")
    graph_files: int = context.beside.finish("graph")
    # On a connection whose database in use is the published one, as readers have it.
    context.beside.start("audited", lambda beside: complete_draft(beside, draft))
    complete: Draft = context.beside.finish("audited")
    context.beside.start("page", lambda _: write_page(complete, context.working_dir / "report"))
    context.warehouse.checkpoint()
    page: Path = context.beside.finish("page")
    context.summary["headline"] = draft.context.shown
    return {"report_bytes": page.stat().st_size, "graph_files": graph_files}


def publish_snapshot(context: RunContext) -> Counts:
    """Close the files and make them the published snapshot by one rename."""
    warehouse = context.warehouse
    write_run(context)
    warehouse.checkpoint()
    files = {"published": context.working_dir / DATABASE, "store": context.working_dir / "store.duckdb"}
    grown = [
        path for name, path in files.items() if context.erases or has_grown(warehouse.connection, name, path)
    ]
    warehouse.release()
    # Giving back the memory that most of both files were read into takes as long as removing an old snapshot.
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(warehouse.end)
        rewritten = rewrite_files(grown, context.config, context.erases)
        context.published = publish(
            context.home,
            context.working_dir,
            context.name,
            context.config.keep_snapshots,
            context.erases,
            compose_receipt(context),
        )
    ended.result()
    return {"snapshot": context.name, "rewritten_files": rewritten}


STEPS: tuple[Step, ...] = (
    Step("read exports", read_exports, retries=1),
    Step("classify touchpoints", classify_touchpoints),
    Step("resolve identities", resolve_identities),
    Step("derive journeys", derive_journeys),
    Step("aggregate marts", aggregate_marts),
    Step("mine evidence", mine_evidence),
    Step("audit results", audit_results),
    Step("render report", render_pages),
    Step("publish snapshot", publish_snapshot),
)


def run_step(context: RunContext, step: Step) -> Counts:
    """Run one step; keeps its counts and seconds in the context."""
    begun = perf_counter()
    with naming_damage(context.home), clear_errors(step.name):
        counts = step.run(context)
    context.timings[step.name] = round(perf_counter() - begun, 3)
    context.summary.setdefault("steps", {})[step.name] = counts
    return counts


def run_all(
    config_path: Path,
    cutoff: str | None = None,
    rebuild: bool = False,
    tell: Callable[[str, Counts, float], None] | None = None,
    retry_quarantine: bool | Collection[str] = False,
) -> RunContext:
    """A finished, published run; `tell` hears of each step that ends."""
    with open_run(config_path, cutoff, rebuild, retry_quarantine) as context:
        for step in STEPS:
            counts = run_step(context, step)
            if tell is not None:
                tell(step.name, counts, context.timings[step.name])
    return context


def forget_all(
    config_path: Path,
    requests: Sequence[ErasureRequest],
    tell: Callable[[str, Counts, float], None] | None = None,
) -> tuple[RunContext, dict[str, Any]]:
    """A published run that forgets persons, and the receipt, which lies in private/receipts."""
    with open_run(config_path, requests=requests) as context:
        for step in STEPS:
            counts = run_step(context, step)
            if tell is not None:
                tell(step.name, counts, context.timings[step.name])
    return context, read_receipt(context)
