"""SQL that analysts write, parsed: predicates are allow-listed and written anew, queries tell what they read.

The parser is imported only where a text is to be parsed: most questions name touchpoints, and are asked sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlglot
from sqlglot import expressions as exp

from journey_mining.errors import QueryError
from journey_mining.predicates import ALLOWED, LOGICAL

CALCULATED: tuple[type[exp.Expr], ...] = (
    *ALLOWED, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Cast, exp.DataType,
)  # fmt: skip
"""What a question may use: the allow-list of rules, and arithmetic."""


@dataclass(frozen=True)
class Reads:
    """What a query reads, in lower case."""

    tables: set[str]
    columns: set[str]
    reads_all_columns: bool


def spell_predicate(predicate: str, check: Callable[[Iterable[str]], None]) -> str:
    """The predicate as DuckDB SQL; `check` is told the names of its columns. Raises QueryError."""
    try:
        tree = sqlglot.parse_one(predicate, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        problem = str(error).split("\n", 1)[0]
        raise QueryError(
            f"This is no SQL predicate: {problem}",
            found=predicate,
            fix="write for example: channel = 'email' and value > 10",
        ) from error
    _check_tree(tree, predicate, check)
    return f"({tree.sql(dialect='duckdb', comments=False)})"


def _check_tree(tree: exp.Expr, predicate: str, check: Callable[[Iterable[str]], None]) -> None:
    columns = []
    for node in tree.walk():
        if isinstance(node, exp.Column):
            if node.table:
                raise QueryError(f"{node.sql()} names a table.", found=predicate, fix="name the column only")
            columns.append(node.name)
        elif not isinstance(node, CALCULATED):
            raise QueryError(
                f"A predicate may not use {node.key.upper()}.",
                found=predicate,
                expected="comparisons, and/or/not, in, between, like, regexp_matches, lower, upper, coalesce, + - * /",
            )
    check(columns)
    if not isinstance(tree, (*LOGICAL, exp.NullSafeEQ, exp.NullSafeNEQ)):
        raise QueryError("The predicate is not true or false.", found=predicate, fix="compare a column")


def list_columns(predicate: str) -> list[str]:
    """The columns that a segment's predicate names; raises QueryError."""
    try:
        tree = sqlglot.parse_one(predicate, dialect="duckdb")
    except (sqlglot.errors.SqlglotError, AttributeError) as error:
        raise QueryError(
            "This segment is no SQL predicate.",
            found=str(predicate),
            fix="write for example: device = 'mobile'",
        ) from error
    return [column.name for column in tree.find_all(exp.Column)]


def find_reads(query: str) -> Reads | None:
    """What a query reads; None where the parser does not understand it."""
    try:
        tree = sqlglot.parse_one(query, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return None
    own = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    stars = any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star))
    return Reads(
        {table.name.lower() for table in tree.find_all(exp.Table)} - own,
        {column.name.lower() for column in tree.find_all(exp.Column)},
        stars and not own,
    )
