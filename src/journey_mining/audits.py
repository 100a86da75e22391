"""Audits: selects of offending rows. One that stops and finds a row keeps the run from being published."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa

from journey_mining.config import Audits, Config, locate
from journey_mining.errors import AuditError, ConfigError, ModelError
from journey_mining.models import Model, find_models
from journey_mining.warehouse import TOUCHED, Warehouse, first_line, qualified

_SEVERITY = re.compile(r"^-- severity: (stop|warn)$", re.MULTILINE)
SHOWN_ROWS = 5
"""Offending rows that a message shows."""


def check_names(config: Config) -> None:
    """Raise ConfigError when `audits.stop` names no audit."""
    known = list(find_models("audits"))
    for index, name in enumerate(config.audits.stop):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                f"{locate(config.path, 'audits', 'stop', index)}: there is no audit '{name}'.",
                expected="some of " + ", ".join(known),
                fix=f"did you mean '{near[0]}'?" if near else "remove it",
            )


def run_audits(
    warehouse: Warehouse, limits: Audits, run: Mapping[str, Any], renewed: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The rows of the table `audits` (audit, severity, status, offending_count, purpose, detail), of all audits; only reads.

    `run` holds run_id, cutoff_us and goal of the run whose tables are looked at, is_backfill: whether its cutoff was
    given, and has_retention.
    `renewed` names the tables of which only the rows in touched.renewed_<table> are new: only these can repeat a key.
    """
    models = [model for layer in ("core", "marts") for model in find_models(layer).values()]
    bound = {**_bind_limits(limits), **run}
    results = [
        _check(warehouse, _uniqueness(model, model.name in renewed), "stop", {})
        for model in models
        if model.grain
    ]
    for model in find_models("audits").values():
        stated = _SEVERITY.search(model.sql)
        stops = model.name in limits.stop or stated is None or stated[1] == "stop"
        results.append(_check(warehouse, model, "stop" if stops else "warn", bound))
    return results


def _bind_limits(limits: Audits) -> dict[str, Any]:
    """The settings under `audits:` as the audits bind them: durations in microseconds, `late` as two lists."""
    plain = limits.model_dump(exclude={"late", "standstill", "stop"})
    return {
        **plain,
        "late_sources": list(limits.late),
        "late_us": [round(late.total_seconds() * 1_000_000) for late in limits.late.values()],
        "standstill_us": round(limits.standstill.total_seconds() * 1_000_000),
    }


def _uniqueness(model: Model, is_renewed: bool) -> Model:
    """The audit that a model's grain line promises."""
    columns = ", ".join(f'"{column}"' for column in model.grain)
    renewed = f"{TOUCHED}.renewed_{model.name}"
    has_others = model.kept != "run"
    source = qualified(model) if has_others or not is_renewed else renewed
    # Whoever repeats a key repeats its id too; rows are found several times as fast by that alone.
    ids = [column for column in model.grain if column.endswith("_id")] or list(model.grain)
    found = " and ".join(f'"{column}" in (select "{column}" from {renewed})' for column in ids)
    among = f"where {found}" if has_others and is_renewed else ""
    sql = (
        f"select {columns}, count(*) as row_count from {source} {among} "
        f"group by {columns} having count(*) > 1"
    )
    return replace(model, name=f"unique_{model.name}", sql=sql, purpose=f"One row per key in {model.name}.")


def _check(warehouse: Warehouse, audit: Model, severity: str, bound: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: bound[name] for name in audit.parameters}
    query = f"select count(*) over () as found_count, * from ({audit.sql}\n) order by all limit {SHOWN_ROWS}"
    try:
        found = warehouse.rows(query, named)
    except duckdb.ProgrammingError as error:
        raise ModelError(f"The audit {audit.name} failed: {first_line(error)}.") from error
    count = max((int(row.pop("found_count")) for row in found), default=0)
    return {
        "audit": audit.name,
        "severity": severity,
        "status": "passed" if count == 0 else "failed" if severity == "stop" else "warned",
        "offending_count": count,
        "purpose": audit.purpose,
        "detail": "; ".join(", ".join(f"{key}={value}" for key, value in row.items()) for row in found),
    }


def create_audits(warehouse: Warehouse) -> None:
    """Create the published table `audits`, without rows, with its comments."""
    warehouse.execute(
        "create or replace table published.main.audits "
        "(audit varchar, severity varchar, status varchar, offending_count bigint, purpose varchar, detail varchar)"
    )
    comments = {
        "audit": "name", "severity": "stop or warn", "status": "passed, warned or failed",
        "offending_count": "rows that break the promise", "purpose": "the promise", "detail": "the first of these rows",
    }  # fmt: skip
    warehouse.comment_table(
        "published.main.audits", "The promises that were checked before publication.", comments
    )


def write_audits(warehouse: Warehouse, results: list[dict[str, Any]]) -> None:
    """Publish the results in the table `audits`."""
    warehouse.append("published.main.audits", pa.Table.from_pylist(results))


def require_passed(results: list[dict[str, Any]]) -> None:
    """Raise AuditError naming the audits that stop publication, with their first offending rows."""
    failed = [result for result in results if result["status"] == "failed"]
    if failed:
        lines = [f"{r['audit']}: {r['offending_count']} rows: {r['detail']}" for r in failed]
        raise AuditError(
            "Audits failed; nothing was published: " + ", ".join(r["audit"] for r in failed) + ".",
            found="\n            ".join(lines),
            fix="the published snapshot stands; "
            + (
                "if these rows are as they should be, raise the limit under `audits:` or take the name out of audits.stop"
                if all(r["audit"] in _limited() for r in failed)
                else "report this with the rows above"
            ),
        )


def _limited() -> set[str]:
    """Audits that stop publication only because journey.yaml says so."""
    return {
        name for name, model in find_models("audits").items() if "-- severity: warn" in model.sql.split("\n")
    }
