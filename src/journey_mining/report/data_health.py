"""The last sections: what the sources delivered, what was kept aside, which audits passed, and how numbers are made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.formatting import format_count, format_duration, format_percent, format_value
from journey_mining.report.query import Row
from journey_mining.report.suppression import is_small, mask_count

SOURCE_COLUMNS = [
    Column("source", "source"),
    Column("system", "system"),
    Column("file_count", "files", "count"),
    Column("record_count", "records", "count"),
    Column("event_count", "events", "count"),
    Column("duplicate_count", "duplicates", "count"),
    Column("quarantined_count", "quarantined", "count"),
    Column("refused_count", "refused (no consent)", "count"),
    Column("first_event_at", "first event", "datetime"),
    Column("last_event_at", "last event", "datetime"),
    Column("age_seconds", "age at the cutoff", "duration"),
]
QUARANTINE_COLUMNS = [
    Column("source", "source"),
    Column("reason", "reason"),
    Column("record_count", "records", "count"),
    Column("first_file", "example file"),
    Column("example_line", "line", "count"),
]
UNMAPPED_COLUMNS = [
    Column("touchpoint", "touchpoint"),
    Column("channel", "channel"),
    Column("event_count", "events", "count"),
    Column("customer_count", "customers", "count"),
    Column("rule", "rule"),
]
AUDIT_COLUMNS = [
    Column("status", "status", "status"),
    Column("audit", "audit"),
    Column("severity", "severity"),
    Column("offending_count", "offending rows", "count"),
    Column("detail", "detail"),
]
FLAG_COLUMNS = [
    Column("identifier_type", "identifier"),
    Column("reason", "reason"),
    Column("identifier_count", "identifiers", "count"),
    Column("most_links", "most links of one", "count"),
]


def build_data_health(context: Context) -> dict[str, Any]:
    """The section: sources, quarantine, unmapped touchpoints, identity, audits and facts of the run."""
    sources = context.answer("sources").rows
    charts = {
        "sources": _frame(
            context,
            "sources",
            "What the sources delivered",
            "records",
            SOURCE_COLUMNS,
            _add_age(context, sources),
        ),
        "quarantine": _frame(
            context, "quarantine", "Quarantined records by reason", "records", QUARANTINE_COLUMNS
        ),
        "unmapped": _frame(context, "unmapped", "Touchpoints without a stage", "events", UNMAPPED_COLUMNS),
        "flags": _frame(
            context, "identity_flags", "Identifiers that link nothing", "identifiers", FLAG_COLUMNS
        ),
        "audits": _frame(context, "audits", "Audits of the run", "rows", AUDIT_COLUMNS),
    }
    audits = charts["audits"].rows
    return {
        "sentence": write_health(context, sources, list(audits)),
        "charts": charts,
        "facts": _list_facts(_mask_run(context)),
        "identity": _list_identity(context),
    }


def _frame(
    context: Context, name: str, title: str, unit: str, columns: list[Column], rows: list[Row] | None = None
) -> Chart:
    """A table as a chart frame of its own."""
    answer = context.answer(name)
    rows = answer.rows if rows is None else rows
    count = "1 row" if len(rows) == 1 else f"{format_count(len(rows))} rows"
    return Chart(f"chart-{name.replace('_', '-')}", title, unit, count, answer.sql, columns, rows)


def _add_age(context: Context, rows: list[Row]) -> list[Row]:
    """Sources with their freshness: seconds from the last event to the cutoff."""
    cutoff = context.figures["cutoff_at"]
    return [
        {
            **row,
            "age_seconds": (cutoff - row["last_event_at"]).total_seconds()
            if cutoff and row["last_event_at"]
            else None,
        }
        for row in rows
    ]


def write_health(context: Context, sources: list[Row], audits: list[Row]) -> str:
    """The section's title: what was read, what was set aside, whether the audits passed."""
    records = sum(row["record_count"] or 0 for row in sources)
    aside = sum(row["quarantined_count"] or 0 for row in sources)
    failing = [row for row in audits if row["status"] != "passed"]
    verdict = (
        f"{len(failing)} of {len(audits)} audits need a look"
        if failing
        else f"all {len(audits)} audits passed"
    )
    if not records:
        return f"0 records read; {verdict}"
    names = {row["source"] for row in sources}
    plural = "source" if len(names) == 1 else "sources"
    share = format_percent(aside / records)
    return (
        f"{format_count(records)} records from {len(names)} {plural}, {share} of them quarantined; {verdict}"
    )


def _mask_run(context: Context) -> Row:
    """The run with small counts of customers, sessions and journeys suppressed, and what the key figures hide."""
    units = {"customer_count": "customers", "session_count": "sessions", "journey_count": "journeys"}
    return {
        key: mask_count(value, context.min_cell) if key in units else value
        for key, value in context.run.items()
        if units.get(key) not in context.shown["suppressed"] or is_small(value, context.min_cell)
    }


def _list_facts(run: Row) -> list[tuple[str, str]]:
    """The run's columns in words."""
    facts = []
    for key, value in run.items():
        label = key.replace("_at", "").replace("_", " ")
        if key.endswith("seconds") and isinstance(value, int | float):
            facts.append(("duration" if key == "seconds" else label, format_duration(value)))
        elif key.endswith(("share", "rate")):
            facts.append((label, format_value(value, "percent")))
        elif isinstance(value, datetime):
            facts.append((label, format_value(value, "datetime")))
        elif value is not None:
            facts.append((label, format_value(value, "count" if isinstance(value, int) else "text")))
    return facts


def _list_identity(context: Context) -> list[tuple[str, str]]:
    """How customers were put together, as far as the run tells."""
    figures, flags = context.figures, context.answer("identity_flags").rows
    shared = sum(row["identifier_count"] for row in flags if row["reason"] == "shared")
    poisoned = sum(row["identifier_count"] for row in flags if row["reason"] == "poisoned")
    return [
        ("customers", format_value(mask_count(figures["customers"], context.min_cell), "count")),
        (
            "seen in several sources",
            format_value(context.answer("data_quality").rows[0]["linked_share"], "percent"),
        ),
        ("shared identifiers, linking nothing", format_count(shared)),
        ("poisoned identifiers, linking nothing", format_count(poisoned)),
    ]
