"""Consent at the door: which records of a source may be read, by the preset's rule or by one in journey.yaml.

A record whose rule is not true leaves nothing but its number: every column is NULL before the preset sees it, and its
items are counted as refused. Such items carry the negative number of their file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from journey_mining.config import Source
from journey_mining.errors import ConfigError, JourneyMiningError, SourceError
from journey_mining.predicates import named_columns, write_predicate
from journey_mining.sources.presets import Preset, Table


def consent_rules(name: str, source: Source, preset: Preset, where: str | None = None) -> dict[str, str]:
    """Table -> SQL predicate that is true of records with consent; tables without a rule are left out.

    A rule in journey.yaml (at `where`) goes before the preset's own, in every table that has the columns it names;
    raises ConfigError when it is no rule, or when no table has them.
    """
    rules = {
        table: _written(
            declared.consent, declared, f"{preset.system}: the consent rule of {table}", SourceError
        )
        for table, declared in preset.tables.items()
        if declared.consent is not None
    }
    if source.consent is None:
        return rules
    subject = f"{where or f'sources.{name}.consent'}: the consent rule of sources.{name}"
    named = named_columns(source.consent, subject, ConfigError)
    known = {table: dict(_columns(declared.columns)) for table, declared in preset.tables.items()}
    fitting = [table for table, columns in known.items() if named <= columns.keys()]
    if not fitting:
        everything = sorted({column for columns in known.values() for column in columns})
        write_predicate(source.consent, everything, (), subject, ConfigError)
        raise ConfigError(
            f"{subject} names columns of several tables.",
            found=", ".join(sorted(named)),
            fix="name those of one table",
        )
    return rules | {
        table: _written(source.consent, preset.tables[table], subject, ConfigError) for table in fitting
    }


def _written(text: str, table: Table, subject: str, error: type[JourneyMiningError]) -> str:
    columns = dict(_columns(table.columns))
    booleans = [column for column, kind in columns.items() if str(kind).upper() == "BOOLEAN"]
    return write_predicate(text, columns, booleans, subject, error)


def _columns(declared: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(column, type) pairs in lower case, fields of structures as `column.field`."""
    for name, kind in declared.items():
        full = f"{prefix}{name.lower()}"
        if isinstance(kind, dict):
            yield from _columns(kind, f"{full}.")
        yield full, kind


def refuse_records(query: str, table: Table, rule: str | None) -> str:
    """The select of a table's records in which those without consent are blank and carry the negative file number.

    A lookup's records are not counted, so that those without consent are simply left out.
    """
    if rule is None:
        return query
    if table.role == "lookup":
        return f"select * from ({query}) where {rule}"
    kept = ", ".join(
        f'case when has_consent then "{name}" end as "{name}"' for name in ("raw", *table.columns)
    )
    return (
        f"select case when has_consent then file_no else -file_no end as file_no, line, header_text, {kept} "
        f"from (select *, coalesce({rule}, false) as has_consent from ({query}))"
    )
