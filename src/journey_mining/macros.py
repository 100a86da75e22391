"""The macros of the published database: ad-hoc questions that any DuckDB client can ask of the file alone.

A macro is one file of sql/published with one bare select; its header says what it answers, its arguments and columns,
and an example. `rate` and the Wilson bounds are those of sql/macros, which the models use as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from journey_mining.errors import ModelError
from journey_mining.models import sql_folder
from journey_mining.warehouse import Connection, quoted

_SIGNATURE = re.compile(r"^-- macro: (\w+)\((.*)\)$", re.MULTILINE)
_ARGUMENT = re.compile(r"^-- argument: (\w+) +(.+)$", re.MULTILINE)
_COLUMN = re.compile(r"^-- column: (\w+) +(.+)$", re.MULTILINE)
_EXAMPLE = re.compile(r"^-- example: (.+)$", re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*")
_TEMPORARY = re.compile(r"create or replace temp macro (\w+)\(([^)]*)\) as\s+(.*?);", re.DOTALL)
_SHARED = {
    "rate": "A share, part / whole; NULL when the whole is 0.",
    "wilson_low": "Lower end of the Wilson 95 % interval of part / whole.",
    "wilson_high": "Upper end of the Wilson 95 % interval of part / whole.",
}


@dataclass(frozen=True)
class Macro:
    """One macro of the published database as its file states it."""

    name: str
    signature: str
    """Arguments with their defaults, as DuckDB reads them."""
    purpose: str
    arguments: dict[str, str]
    """Argument -> meaning."""
    columns: dict[str, str]
    """Column of the answer -> meaning and unit; empty for a macro that is one value."""
    example: str
    body: str
    """The select of a table macro, the expression of a scalar one."""
    is_table: bool

    @property
    def definition(self) -> str:
        """The statement that creates it."""
        body = f"table\n{self.body}" if self.is_table else f"({self.body})"
        return f"create or replace macro published.main.{self.name}({self.signature}) as {body}"

    @property
    def comment(self) -> str:
        """The statement that describes it to whoever lists the functions."""
        kind = "macro table" if self.is_table else "macro"
        told = f"{self.purpose} Example: {self.example}"
        return f"comment on {kind} published.main.{self.name} is {quoted(told)}"

    def reads(self, names: Iterable[str]) -> set[str]:
        """Those of the given tables and macros that its body names."""
        return {name for name in names if re.search(rf"\b{name}\b", _COMMENT.sub("", self.body))}


@cache
def find_macros() -> dict[str, Macro]:
    """The published macros by name, each after those that it calls; raises ModelError for a file without a header."""
    shared = [_read_shared(name, purpose) for name, purpose in _SHARED.items()]
    files = [_read_macro(path) for path in sorted((sql_folder() / "published").glob("*.sql"))]
    ordered = [*shared, *sorted(files, key=lambda macro: (macro.is_table, macro.name))]
    return {macro.name: macro for macro in ordered}


def create_macros(connection: Connection, names: Iterable[str] | None = None) -> int:
    """Create the macros (all, or the named ones) in the published file, with comments; returns how many."""
    macros = find_macros()
    chosen = macros.values() if names is None else [macros[name] for name in macros if name in set(names)]
    for macro in chosen:
        connection.execute(macro.definition)
        connection.execute(macro.comment)
    return len(chosen)


def _read_macro(path: Path) -> Macro:
    text = path.read_text(encoding="utf-8").strip().rstrip(";")
    signature, example = _SIGNATURE.search(text), _EXAMPLE.search(text)
    if signature is None or example is None or signature[1] != path.stem:
        raise ModelError(
            f"sql/published/{path.name} has no header of a macro.",
            expected=f"lines '-- macro: {path.stem}(…)' and '-- example: …'",
        )
    return Macro(
        name=path.stem,
        signature=signature[2],
        purpose=text.split("\n", 1)[0].removeprefix("--").strip(),
        arguments=dict(_ARGUMENT.findall(text)),
        columns=dict(_COLUMN.findall(text)),
        example=example[1],
        body=text,
        is_table="-- kind: scalar" not in text,
    )


def _read_shared(name: str, purpose: str) -> Macro:
    """A macro of sql/macros/statistics.sql, to be published as it is."""
    text = (sql_folder() / "macros" / "statistics.sql").read_text(encoding="utf-8")
    signature, body = next((found[2], found[3]) for found in _TEMPORARY.finditer(text) if found[1] == name)
    arguments = {"part": "units that did", "whole": "units that could have"}
    return Macro(
        name, signature, purpose, arguments, {}, f"select {name}(3, 10) as value", body, is_table=False
    )
