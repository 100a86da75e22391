"""Audits: selects of offending rows. One that stops and finds a row keeps the run from being published."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from journey_mining.errors import AuditError
from journey_mining.models import Model, find_models
from journey_mining.warehouse import Warehouse, qualified

_SEVERITY = re.compile(r"^-- severity: (stop|warn)$", re.MULTILINE)
SHOWN_ROWS = 5
"""Offending rows that a message shows."""


def run_audits(warehouse: Warehouse, renewed: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Run all audits, write the table `audits`, and return its rows (audit, severity, status, offending_count, detail).

    `renewed` names the tables of which only the rows in temp.renewed_<table> are new: only these can repeat a key.
    """
    models = [model for layer in ("core", "marts") for model in find_models(layer).values()]
    results = [
        _check(warehouse, f"unique_{model.name}", "stop", _uniqueness(model, model.name in (renewed or ())))
        for model in models
        if model.grain
    ]
    for model in find_models("audits").values():
        severity = _SEVERITY.search(model.sql)
        results.append(
            _check(warehouse, model.name, severity[1] if severity else "stop", model.sql, model.purpose)
        )
    _write(warehouse, results)
    return results


def _uniqueness(model: Model, is_renewed: bool) -> str:
    columns = ", ".join(f'"{column}"' for column in model.grain)
    among = (
        f"where ({columns}) in (select ({columns}) from temp.main.renewed_{model.name})" if is_renewed else ""
    )
    return (
        f"select {columns}, count(*) as row_count from {qualified(model)} {among} "
        f"group by {columns} having count(*) > 1"
    )


def _check(warehouse: Warehouse, name: str, severity: str, sql: str, purpose: str = "") -> dict[str, Any]:
    count = int(warehouse.value(f"select count(*) from ({sql})"))
    found = warehouse.rows(f"select * from ({sql}) limit {SHOWN_ROWS}") if count else []
    status = "passed" if count == 0 else "failed" if severity == "stop" else "warned"
    detail = "; ".join(", ".join(f"{key}={value}" for key, value in row.items()) for row in found)
    return {
        "audit": name,
        "severity": severity,
        "status": status,
        "offending_count": count,
        "purpose": purpose or f"One row per key in {name.removeprefix('unique_')}.",
        "detail": detail,
    }


def _write(warehouse: Warehouse, results: list[dict[str, Any]]) -> None:
    warehouse.execute(
        "create or replace table published.main.audits "
        "(audit varchar, severity varchar, status varchar, offending_count bigint, purpose varchar, detail varchar)"
    )
    for result in results:
        warehouse.execute(
            "insert into published.main.audits values ($audit, $severity, $status, $offending_count, $purpose, $detail)",
            result,
        )
    comments = {
        "audit": "name", "severity": "stop or warn", "status": "passed, warned or failed",
        "offending_count": "rows that break the promise", "purpose": "the promise", "detail": "the first of these rows",
    }  # fmt: skip
    warehouse.comment_table(
        "published.main.audits", "The promises that were checked before publication.", comments
    )


def require_passed(results: list[dict[str, Any]]) -> None:
    """Raise AuditError naming the audits that stop publication, with their first offending rows."""
    failed = [result for result in results if result["status"] == "failed"]
    if failed:
        lines = [f"{r['audit']}: {r['offending_count']} rows: {r['detail']}" for r in failed]
        raise AuditError(
            "Audits failed; nothing was published: " + ", ".join(r["audit"] for r in failed) + ".",
            found="\n            ".join(lines),
            fix="the published snapshot stands; report this with the rows above",
        )
