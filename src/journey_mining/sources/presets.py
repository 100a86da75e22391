"""Presets: what one system's export looks like, as data. A preset is one SQL file under sql/sources.

The file begins with a YAML block in a comment (system, delivery, time zone, tables with their columns) and
holds one bare select over relations `read_<table>`, one row for each item of a record. Adding a system
means adding a file.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from journey_mining.errors import SourceError
from journey_mining.models import sql_folder

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where there is one: several times as fast."""
_FRONT_MATTER = re.compile(r"\A\s*/\*(.*?)\*/", re.DOTALL)


class Table(BaseModel):
    """One kind of record of a system, recognised by its columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, Any]
    """Column -> type: a DuckDB type name, {field: type} for a struct, [type] for a list, JSON for anything."""
    role: Literal["records", "lookup"] = "records"
    """lookup: its rows explain those of other tables; they are counted and yield no items."""
    joined: bool | None = None
    """Whether items of other records depend on its rows; by default lookups, and what the select reads twice, do."""
    explains: list[str] | None = None
    """Of a joined table the tables whose items depend on its rows, itself among them where they do; None: all."""
    requires: list[str] = []
    """Columns without which a file is not this table; `a.b` is the key b of the object a in JSON."""
    patterns: dict[str, str] = {}
    """Column -> regular expression (whole name, any case) of names under which a file may have it."""
    explode: list[str] = []
    """Keys of a JSON document whose array holds the records."""
    header: Literal["row", "none"] = "row"
    """none: the columns come in the declared order."""
    delimiter: str | None = None
    """Field separator where it is fixed; a tab means that quotes are plain characters."""
    header_rows: int = 1
    """Rows of a CSV file before the first record."""
    consent: str | None = None
    """A SQL predicate over the columns: records of which it is not true lack consent and are refused."""
    header_marker: str | None = None
    """Regular expression at the beginning of a cell that marks one more header row, where a file has it."""

    def used(self, sql: str) -> Table:
        """This table with only the columns that the select names; the others need not be read."""
        # Each by itself: a quote within a text begins no name, and would hide the names up to the next one.
        names = {*re.findall("[a-z_][a-z0-9_]*", sql.lower()), *re.findall('(?<=")[^"]+(?=")', sql.lower())}
        kept = {name: kind for name, kind in self.columns.items() if name.lower() in names}
        return self.model_copy(update={"columns": kept or dict(list(self.columns.items())[:1])})


class Preset(BaseModel):
    """A system's export: how it is delivered, its tables, and the select that makes items of their records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    """Name of the system."""
    summary: str
    """What the export is, in one sentence."""
    delivery: Literal["at_least_once", "as_written"]
    """at_least_once: an exact repeat is a duplicate; as_written: identical rows of one file are separate events."""
    timezone: Literal["in_data", "required", "fallback"] = "in_data"
    """in_data: times carry their zone; required: the source must name one; fallback: used where a file names none."""
    mapped: bool = False
    """True: required columns may carry any name, given under the source's `columns`."""
    tables: dict[str, Table]
    """The kinds of record."""
    sql: str = Field(repr=False)
    """The select."""

    @cached_property
    def streamed_tables(self) -> frozenset[str]:
        """Tables whose records the select reads just once, so that they need not be kept."""
        return frozenset(
            name
            for name, table in self.tables.items()
            if table.role == "records" and len(re.findall(rf"\bread_{name}\b", self.sql)) == 1
        )

    @cached_property
    def joined_tables(self) -> frozenset[str]:
        """Tables that items of other records depend on: files without them can be read one by one."""
        return frozenset(
            name
            for name, table in self.tables.items()
            if (name not in self.streamed_tables if table.joined is None else table.joined)
        )

    def explained_by(self, tables: Collection[str]) -> frozenset[str]:
        """Tables whose items depend on rows of some of `tables`."""
        explained: set[str] = set()
        for name in self.joined_tables.intersection(tables):
            explained.update(self._explained_by_one(name))
        return frozenset(explained)

    def explaining(self, tables: Collection[str]) -> frozenset[str]:
        """Joined tables on whose rows items of `tables` depend, and what these depend on in turn."""
        found: frozenset[str] = frozenset()
        while True:
            wanted = {*tables, *found}
            more = frozenset(
                name for name in self.joined_tables if wanted.intersection(self._explained_by_one(name))
            )
            if more == found:
                return found
            found = more

    def _explained_by_one(self, name: str) -> Collection[str]:
        explains = self.tables[name].explains
        return self.tables.keys() if explains is None else explains


def load_preset(name: str, folder: Path | None = None) -> Preset:
    """The preset `name`: a file of sql/sources, or a path ending in .sql relative to `folder`."""
    path = (folder or Path()) / name if name.endswith(".sql") else sql_folder() / "sources" / f"{name}.sql"
    if not path.is_file():
        raise SourceError(
            f"There is no preset for the system '{name}'.",
            expected="one of " + ", ".join(preset_names()),
            fix="name one of them, use 'table' for an event log of your own, or give the path of your preset.sql",
        )
    return parse_preset(path)


def preset_names() -> list[str]:
    """Names of the presets that come with the package, sorted."""
    return sorted(path.stem for path in (sql_folder() / "sources").glob("*.sql"))


def parse_preset(path: Path) -> Preset:
    """The preset in the file `path`; raises SourceError when its front matter is not as declared above."""
    return _parse(path.name, path.read_text(encoding="utf-8"))


@cache
def _parse(name: str, text: str) -> Preset:
    """The preset in a text: by its text, since a file may be corrected while a process lives."""
    match = _FRONT_MATTER.match(text)
    try:
        front = yaml.load(match[1], Loader=_LOADER) if match else None
        return Preset.model_validate(
            {**(front or {}), "sql": text[match.end() if match else 0 :].strip().rstrip(";")}
        )
    except (yaml.YAMLError, ValidationError) as error:
        raise SourceError(
            f"{name} is not a preset: {error}.",
            fix="begin the file with the YAML block that CONTRIBUTING.md shows",
        ) from error


def duckdb_type(declared: Any) -> str:
    """The DuckDB type of a declared column type.

    >>> duckdb_type([{"key": "VARCHAR", "value": {"int_value": "BIGINT"}}])
    'STRUCT("key" VARCHAR, "value" STRUCT("int_value" BIGINT))[]'
    """
    if isinstance(declared, dict):
        return "STRUCT(" + ", ".join(f'"{name}" {duckdb_type(kind)}' for name, kind in declared.items()) + ")"
    if isinstance(declared, list):
        return duckdb_type(declared[0]) + "[]"
    return str(declared)
