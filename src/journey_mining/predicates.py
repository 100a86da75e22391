"""Predicates that users write (touchpoint rules, consent rules): parsed, checked against one allow-list, written anew.

Nothing of a predicate's text reaches the database but what its parsed and allowed form says.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

import sqlglot
from sqlglot import expressions as exp

from journey_mining.errors import JourneyMiningError

ALLOWED: tuple[type[exp.Expr], ...] = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null,
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is, exp.Like, exp.ILike,
    exp.RegexpLike, exp.RegexpFullMatch, exp.Lower, exp.Upper, exp.Trim, exp.Coalesce, exp.StartsWith,
    exp.EndsWith, exp.Contains, exp.Escape, exp.Length, exp.Tuple,
)  # fmt: skip
"""What may stand in a predicate."""
LOGICAL: tuple[type[exp.Expr], ...] = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is,
    exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpFullMatch, exp.StartsWith, exp.EndsWith, exp.Contains, exp.Boolean,
    exp.Column, exp.Escape,
)  # fmt: skip
"""What a whole predicate may be: something that is true or false."""
_LONGEST = 10_000
_DEEPEST = 100


def write_predicate(
    text: str,
    columns: Collection[str],
    booleans: Collection[str],
    subject: str,
    error: type[JourneyMiningError],
) -> str:
    """The predicate `text` as DuckDB SQL; raises `error`, which begins with `subject`, for what is not allowed.

    `columns` may be named, a field of a structure as `column.field`; those of `booleans` are predicates by themselves.
    """
    tree = _parse(text, subject, error)
    for node in tree.walk():
        if isinstance(node, exp.Column):
            _check_column(node, columns, subject, error)
        elif not isinstance(node, ALLOWED):
            raise error(
                f"{subject} uses {node.key.upper()}, which a rule may not.",
                found=text,
                expected="comparisons, and/or/not, in, between, like, regexp_matches, lower, upper, coalesce",
            )
    is_text = isinstance(tree, exp.Column) and _name(tree) not in booleans
    if is_text or not isinstance(tree, LOGICAL):
        raise error(
            f"{subject} is not true or false.", found=text, fix="compare a column: event_name = 'purchase'"
        )
    return f"({tree.sql(dialect='duckdb', comments=False)})"


def named_columns(text: str, subject: str, error: type[JourneyMiningError]) -> set[str]:
    """The columns that the predicate names, in lower case; `column.field` for a field of a structure."""
    return {_name(node) for node in _parse(text, subject, error).find_all(exp.Column)}


def _parse(text: str, subject: str, error: type[JourneyMiningError]) -> exp.Expr:
    if len(text) > _LONGEST:
        raise error(f"{subject} is longer than {_LONGEST:,} characters.", fix="split it into several rules")
    try:
        tree = sqlglot.parse_one(text, dialect="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError) as problem:
        first = str(problem).split("\n", 1)[0]
        raise error(
            f"{subject} is not a SQL predicate: {first}",
            found=text[:200],
            fix="write for example: source = 'web' and page_path like '/pricing%'",
        ) from problem
    if max(node.depth for node in tree.walk()) > _DEEPEST:
        raise error(f"{subject} is nested too deeply.", fix="use in (…), or split it into several rules")
    return tree


def _name(column: exp.Column) -> str:
    return ".".join(part.name.lower() for part in column.parts)


def _check_column(
    column: exp.Column, columns: Collection[str], subject: str, error: type[JourneyMiningError]
) -> None:
    name = _name(column)
    if name not in columns:
        near = difflib.get_close_matches(name, columns, 1)
        raise error(
            f"{subject} names the unknown column '{column.sql()}'.",
            expected="one of " + ", ".join(columns),
            fix=f"did you mean '{near[0]}'?" if near else "use one of these columns",
        )
