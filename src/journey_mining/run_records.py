"""What a run writes about itself: its line in the history, its settings, run.json and receipts."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import duckdb

from journey_mining.models import model_fingerprint
from journey_mining.publication import DATABASE
from journey_mining.runs import RunContext


def enter_run(context: RunContext) -> None:
    """Add the run to the history."""
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
            (select count(*) from sessions), (select count(*) from journeys),
            (select coalesce(sum(event_count) filter (where stage is null), 0) / nullif(sum(event_count), 0)
                from touchpoint_counts where not is_background),
            (select count(*) filter (where identifier_count > 1) / nullif(count(*), 0) from customers)""",
        bound,
    )


def list_settings(context: RunContext) -> dict[str, str | None]:
    """What figures depend on, by name."""
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
    return {name: None if value is None else str(value) for name, value in settings.items()}


def write_settings(context: RunContext) -> None:
    """Write the table settings."""
    context.warehouse.execute("create or replace table published.main.settings (name varchar, value varchar)")
    context.warehouse.comment_table(
        "published.main.settings",
        "The settings of the run that figures depend on.",
        {"name": "name of the setting, with its unit", "value": "its value as text, NULL for none"},
    )
    for name, value in list_settings(context).items():
        context.warehouse.execute(
            "insert into published.main.settings values ($n, $v)", {"n": name, "v": value}
        )


def write_run(context: RunContext) -> None:
    """Write run.json: inputs, counts, fingerprints, versions, timings and audits."""
    from journey_mining.report.suppression import mask_steps

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
        "steps": mask_steps(
            context.summary.get("steps", {}),
            context.config.report.min_cell,
            context.summary.get("headline", {}).get("suppressed", ()),
        ),
    }
    text = json.dumps(document, indent=2, default=str, ensure_ascii=False)
    (context.working_dir / "run.json").write_text(text + "\n", encoding="utf-8")


def compose_receipt(context: RunContext) -> str | None:
    """What a run forgets, and what is out of reach, as the JSON of its receipt; None when nobody asked."""
    if context.receipt is None:
        return None
    receipt = {
        "run_id": context.run_id,
        "erased_at": context.started_at.isoformat(timespec="seconds"),
        **context.receipt,
        "rewritten": [f"snapshots/{context.name}/{DATABASE}", f"private/{context.name}.duckdb"],
        "removed": "every other snapshot, with its report and its private store",
    }
    return json.dumps(receipt, indent=2, ensure_ascii=False) + "\n"


def read_receipt(context: RunContext) -> dict[str, Any]:
    """The receipt of a published run that forgot persons, with the path where it lies."""
    path = context.home.receipt_of(context.name)
    return {**json.loads(path.read_text(encoding="utf-8")), "receipt": str(path)}
