"""What stands around every chart: title, unit, n, the query, and the table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from journey_mining.report.formatting import format_value
from journey_mining.report.query import Row


@dataclass(frozen=True)
class Column:
    """A column of the table behind a chart; kind is one of formatting's kinds, or text."""

    key: str
    label: str
    kind: str = "text"

    @property
    def is_numeric(self) -> bool:
        """Whether the column is aligned to the right and sorted by size."""
        return self.kind in ("count", "percent", "duration", "number")


@dataclass(frozen=True)
class Cell:
    """One cell: what a reader sees and what the CSV holds."""

    text: str
    raw: str | None = None


@dataclass(frozen=True)
class Chart:
    """A chart's frame. `id` is fixed in the code, never taken from data, since it becomes an element's id."""

    id: str
    title: str
    unit: str
    n: str
    sql: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    note: str = ""
    query_note: str = ""

    def cells(self, row: Row) -> list[Cell]:
        """The row's cells in the order of the columns."""
        return [build_cell(row.get(column.key), column.kind) for column in self.columns]


def build_cell(value: Any, kind: str) -> Cell:
    """A cell; numbers and times keep their exact value for sorting and CSV."""
    text = format_value(value, kind)
    if isinstance(value, float):
        return Cell(text, f"{value:.6g}")
    if isinstance(value, datetime | date):
        return Cell(text, value.isoformat())
    exact = isinstance(value, int) or kind == "status"
    return Cell(text, str(value) if exact and str(value) != text else None)
