"""Steps and other conditions of a question, as SQL over the columns of `events`.

A condition is a touchpoint's name, {"stage": name}, {"where": predicate}, or a mapping with several of them.
A predicate is parsed and allow-listed, as the rules of journey.yaml are, and written anew from its parsed form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from journey_mining.analysis.log import EventLog, spell_as_text
from journey_mining.errors import QueryError
from journey_mining.warehouse import quoted, quoted_name

KEYS = ("touchpoint", "stage", "where", "name")


@dataclass(frozen=True)
class Matcher:
    """A checked condition: its label and its SQL."""

    label: str
    where: str
    """The condition as it stands after `where`, NULL for false: a scan can use it to skip rows."""
    touchpoint: str | None = None
    """The touchpoint that all its events have, if it names one."""

    @property
    def sql(self) -> str:
        """The condition as a value that is never NULL."""
        return f"coalesce({self.where}, false)"


def build_matcher(log: EventLog, given: Any) -> Matcher:
    """The condition as SQL over `events`; raises QueryError for unknown names, columns and syntax."""
    condition = {"touchpoint": given} if isinstance(given, str) else given
    if not isinstance(condition, Mapping) or not set(condition) & set(KEYS[:3]):
        raise QueryError(
            f"{given!r} is no step.",
            expected='a touchpoint\'s name (text), {"stage": name} or {"where": "SQL predicate"}',
            fix=spell_as_text(given),
        )
    if unknown := condition.keys() - set(KEYS):
        raise QueryError(f"A step has no '{sorted(unknown)[0]}'.", expected="one of " + ", ".join(KEYS))
    parts, labels = [], []
    if "touchpoint" in condition:
        name = log.check_touchpoint(str(condition["touchpoint"]))
        parts.append(f"touchpoint = {quoted(name)}")
        labels.append(name)
    if "stage" in condition:
        name = log.check_stage(str(condition["stage"]))
        log.require_columns(["stage"])
        parts.append(f"stage = {quoted(name)}")
        labels.append(f"stage {name}")
    if "where" in condition:
        where = build_predicate(log, condition["where"])
        parts.append(where)
        labels.append(where)
    label = str(condition.get("name", " and ".join(labels)))
    named = str(condition["touchpoint"]) if "touchpoint" in condition else None
    return Matcher(label, " and ".join(parts), named)


def build_predicate(
    log: EventLog, predicate: str | Mapping[str, Any], require: Callable[[Iterable[str]], None] | None = None
) -> str:
    """A predicate over the columns of `events` as DuckDB SQL, from its text or from a mapping column -> value.

    `require` checks the names of another table's columns in the place of those of `events`.
    """
    check = require or log.require_columns
    if isinstance(predicate, Mapping):
        check(predicate)
        parts = [_equality(column, value) for column, value in predicate.items()]
        return f"({' and '.join(parts)})" if parts else "true"
    if not isinstance(predicate, str):
        raise QueryError(
            f"{predicate!r} is no predicate.", expected="SQL, such as channel = 'email', or {column: value}"
        )
    from journey_mining.analysis.sql_texts import spell_predicate

    return spell_predicate(predicate, check)


def _equality(column: str, value: Any) -> str:
    name = quoted_name(column)
    if value is None:
        return f"{name} is null"
    if isinstance(value, bool | int | float):
        return f"{name} = {value!r}".replace("True", "true").replace("False", "false")
    return f"cast({name} as varchar) = {quoted(str(value))}"
