"""What derived tables depend on beside events: settings and models, by whose hash the next run knows whether they may stay."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import duckdb

from journey_mining.config import Config
from journey_mining.models import NEVER_US, bind_rules, fingerprint, sql_folder
from journey_mining.warehouse import Warehouse


def bind_settings(config: Config, cutoff_us: int) -> dict[str, Any]:
    """What the models bind in a run of this configuration, up to this cutoff (microseconds UTC)."""
    expiry = config.journeys.expiry
    by = config.sessions.by
    return bind_rules(
        cutoff_us,
        timezone=config.timezone,
        goal=config.goal,
        inactivity_us=_micros(config.sessions.inactivity),
        max_session_us=_micros(config.sessions.max_session),
        max_events=config.sessions.max_events,
        by_channel=by != "customer" and "channel" in by,
        expiry_us=NEVER_US if expiry == "never" else _micros(expiry),
        ends_on_goal=config.journeys.ends_on == "goal",
        collapse=config.journeys.collapses_repeats,
        max_links=config.identity.max_links,
        max_user_ids=config.identity.max_user_ids,
        feedback_within_us=_micros(config.feedback.within),
        flow_steps=config.report.flow_steps,
    )


def _micros(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1_000_000)


def derivation_fingerprint(config: Config) -> str:
    """Hash of all but the events and the cutoff that the derived tables depend on."""
    bound = bind_settings(config, 0)
    settings = {
        "parameters": {name: value for name, value in bound.items() if name != "cutoff_us"},
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


def derivation_before(warehouse: Warehouse, fingerprint: str) -> int | None:
    """Cutoff of the published tables, microseconds UTC; None when they were computed otherwise, or are not there."""
    rows = warehouse.rows("select * from store.main.derivation")
    there = warehouse.value(
        "select count(*) from duckdb_tables() where database_name = 'published' and table_name = 'settings'"
    )
    if not there or not rows or rows[0]["fingerprint"] != fingerprint:
        return None
    return int(rows[0]["cutoff_us"])


def discard_derivation(warehouse: Warehouse) -> None:
    """Let this run compute all derived tables anew."""
    warehouse.execute("delete from store.main.derivation")


def write_derivation(warehouse: Warehouse, fingerprint: str, cutoff_us: int) -> None:
    """Note how the derived tables were computed, once they are audited."""
    discard_derivation(warehouse)
    warehouse.execute("insert into store.main.derivation values ($f, $c)", {"f": fingerprint, "c": cutoff_us})
