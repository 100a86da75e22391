"""The data dictionary: every published table and macro with its purpose, grain and columns, from their own headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from journey_mining.macros import Macro, find_macros
from journey_mining.models import find_models

_OTHERS: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "stages": (
        "The configured stages in their order.",
        ("stage",),
        {"stage": "name of the stage", "stage_number": "1-based position"},
    ),
    "settings": (
        "The settings of the run that figures depend on.",
        ("name",),
        {
            "name": "name of the setting, with its unit",
            "value": "its value as text, NULL for none",
        },
    ),
    "audits": (
        "The promises that were checked before publication.",
        ("audit",),
        {
            "audit": "name",
            "severity": "stop or warn",
            "status": "passed, warned or failed",
            "offending_count": "rows that break the promise",
            "purpose": "the promise",
            "detail": "the first of these rows",
        },
    ),
}
"""Published tables that no model makes: purpose, grain, columns. A test compares them with a run's comments."""
_OPENING = """# Data dictionary

What `journeys.duckdb` holds. Written by `journey-mining models --dictionary`, from the headers of `sql/`; the same text
is in the database, as comments (`select table_name, column_name, data_type, comment from duckdb_columns()`).

Times are UTC, without a zone. A name ends in its unit: `_seconds`, `_us` (microseconds), `_rate` (0 to 1), `_count`;
`_low` and `_high` are the ends of a 95 % interval. An id is the `event_id` of the first event of what it names.
"""
_MACROS = """## Macros

Questions that any DuckDB client from 1.2 on can ask of the file alone, after opening it or `use`. Table macros stand
after `from`. An argument that has a default is given by its name: `window_seconds := 3600`.
"""


def write_dictionary() -> str:
    """The dictionary as Markdown."""
    tables = [
        _write_table(model.name, model.purpose, model.grain, model.columns)
        for layer in ("core", "marts")
        for model in sorted(find_models(layer).values(), key=lambda model: model.name)
        if model.kept == "published"
    ]
    others = {**_OTHERS, **_estimates()}
    tables += [_write_table(name, *parts) for name, parts in sorted(others.items())]
    macros = [_write_macro(macro) for macro in find_macros().values()]
    return "\n".join([_OPENING, "## Tables\n", *tables, _MACROS, *macros]).rstrip() + "\n"


def _estimates() -> dict[str, tuple[str, tuple[str, ...], dict[str, str]]]:
    """Purpose, grain and columns of what is estimated rather than counted."""
    from journey_mining.evidence import ATTRIBUTION, PAIN_POINTS, PURPOSES

    kinds = {
        "attribution": (("model", "channel"), ATTRIBUTION),
        "pain_points": (("finding", "kind", "signal"), PAIN_POINTS),
    }
    return {
        name: (PURPOSES[name], grain, {column: meaning for column, (_, meaning) in columns.items()})
        for name, (grain, columns) in kinds.items()
    }


def _write_table(name: str, purpose: str, grain: Iterable[str], columns: Mapping[str, str]) -> str:
    one_row = f"\nOne row per {', '.join(f'`{column}`' for column in grain)}.\n" if grain else ""
    return f"### {name}\n\n{_escape(purpose)}\n{one_row}\n{_write_list('column', columns)}\n"


def _write_macro(macro: Macro) -> str:
    parts = [f"### {macro.name}({', '.join(macro.arguments)})\n", f"{_escape(macro.purpose)}\n"]
    parts += [f"```sql\n{macro.example}\n```\n", f"Declared as `{macro.name}({macro.signature})`.\n"]
    parts.append(_write_list("argument", macro.arguments) + "\n")
    if macro.columns:
        parts.append(_write_list("column", macro.columns) + "\n")
    return "\n".join(parts)


def _write_list(kind: str, meanings: Mapping[str, str]) -> str:
    rows = [f"| `{name}` | {_escape(meaning)} |" for name, meaning in meanings.items()]
    return "\n".join([f"| {kind} | meaning |", "| --- | --- |", *rows])


def _escape(text: str) -> str:
    """Text that a Markdown table shows as it is.

    >>> _escape("a | b, __end__")
    'a \\\\| b, \\\\_\\\\_end\\\\_\\\\_'
    """
    return text.replace("|", "\\|").replace("__", "\\_\\_").replace("<", "&lt;").replace("*", "\\*")
