"""The data dictionary section: the tables, columns and macros that the published database holds, by their comments."""

from __future__ import annotations

from typing import Any

from journey_mining.report.chart import Chart, Column
from journey_mining.report.context import Context
from journey_mining.report.formatting import format_count

TABLE_COLUMNS = [Column("table_name", "table"), Column("meaning", "meaning")]
COLUMN_COLUMNS = [
    Column("table_name", "table"),
    Column("column_name", "column"),
    Column("data_type", "type"),
    Column("meaning", "meaning, unit"),
]
MACRO_COLUMNS = [
    Column("call", "macro"),
    Column("meaning", "what it answers"),
    Column("example", "example"),
]


def build_dictionary(context: Context) -> dict[str, Any]:
    """The section: tables, macros and columns."""
    charts = {
        "tables": _build_chart(context, "tables", "Tables", TABLE_COLUMNS),
        "macros": _build_chart(context, "macros", "Macros: questions as functions", MACRO_COLUMNS),
        "columns": _build_chart(context, "columns", "Columns", COLUMN_COLUMNS),
    }
    count = {name: len(chart.rows) for name, chart in charts.items()}
    sentence = (
        f"journeys.duckdb answers questions in SQL: {format_count(count['tables'])} tables, "
        f"{format_count(count['columns'])} columns, {format_count(count['macros'])} macros"
    )
    return {"sentence": sentence, "charts": charts}


def _build_chart(context: Context, kind: str, title: str, columns: list[Column]) -> Chart:
    answer = context.answer(f"dictionary_{kind}")
    return Chart(
        id=f"chart-dictionary-{kind}",
        title=title,
        unit=kind,
        n=format_count(len(answer.rows)),
        sql=answer.sql,
        columns=columns,
        rows=answer.rows,
    )
