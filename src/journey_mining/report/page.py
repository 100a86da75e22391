"""The report file: one page that works from a file share or an e-mail attachment, without a network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from journey_mining.errors import ReportError
from journey_mining.report.attribution import build_attribution
from journey_mining.report.context import Context, read_context
from journey_mining.report.data_health import build_data_health
from journey_mining.report.dictionary import build_dictionary
from journey_mining.report.flow import build_flow
from journey_mining.report.formatting import format_interval, format_value
from journey_mining.report.funnel import build_funnel
from journey_mining.report.method import build_method
from journey_mining.report.overview import build_overview
from journey_mining.report.pain_points import build_pain_points
from journey_mining.report.palette import label_channel
from journey_mining.report.query import Connection
from journey_mining.report.touchpoints import build_touchpoints
from journey_mining.report.transitions import build_transitions
from journey_mining.warehouse import first_line

SECTIONS = [
    ("overview", "Overview"),
    ("funnel", "Stage funnel"),
    ("flow", "Flow"),
    ("transitions", "Transition map"),
    ("touchpoints", "Touchpoints"),
    ("attribution", "Attribution"),
    ("pain-points", "Pain points"),
    ("data-health", "Data health"),
    ("dictionary", "Data dictionary"),
    ("method", "Method"),
]


@dataclass(frozen=True)
class Draft:
    """What is written of the report, and what the rest needs."""

    context: Context
    sections: dict[str, Markup]
    """The sections that are written, by their id."""
    islands: dict[str, Markup]
    """The data of their pictures, by the id of the script element."""
    scripts: list[str]
    policy: str
    """What the page may do: run these scripts."""


def render_report(connection: Connection, out_dir: Path) -> Path:
    """The path of `index.html`, written into `out_dir` (made if missing) from the published database.

    Raises ReportError when the database lacks a table or column that the report shows.
    """
    return write_page(complete_draft(connection, draft_report(connection)), out_dir)


def draft_report(connection: Connection) -> Draft:
    """The draft of the report of the published database, in which the table of audits may still be empty.

    Raises ReportError as `render_report` does.
    """
    environment = build_environment()
    for name in environment.list_templates():
        environment.get_template(name)  # which keeps it
    with _naming_tables():
        context = read_context(connection)
        sections = build_sections(context, [name for name in _BUILDERS if name not in _LATE])
    islands = _write_islands(sections)
    scripts = [read_asset("report.js")]
    if any(key.startswith("data-flow") for key in islands):
        scripts.insert(0, get_plotlyjs().replace("\r\n", "\n"))
    written = _write_sections(context, sections)
    return Draft(context, written, islands, scripts, write_policy(scripts))


def complete_draft(connection: Connection, draft: Draft) -> Draft:
    """The draft with the sections that show the audits; raises ReportError as `render_report` does."""
    context = replace(draft.context, connection=connection)
    with _naming_tables():
        sections = build_sections(context, _LATE)
    return replace(
        draft,
        sections=draft.sections | _write_sections(context, sections),
        islands=draft.islands | _write_islands(sections),
    )


def _write_sections(context: Context, sections: dict[str, dict[str, Any]]) -> dict[str, Markup]:
    template, labels = build_environment().get_template("section.html.j2"), dict(SECTIONS)
    return {
        name: Markup(template.render(id=name, label=labels[name], data=data, context=context))
        for name, data in sections.items()
    }


def _write_islands(sections: dict[str, dict[str, Any]]) -> dict[str, Markup]:
    return {
        key: escape_island(value)
        for section in sections.values()
        for key, value in section.get("islands", {}).items()
    }


def write_page(draft: Draft, out_dir: Path) -> Path:
    """The path of `index.html`, written into `out_dir` (made if missing) from a complete draft."""
    html = (
        build_environment()
        .get_template("page.html.j2")
        .render(
            context=draft.context,
            sections=draft.sections,
            navigation=SECTIONS,
            title=draft.context.settings.get("title") or "Customer journeys",
            style=Markup(read_asset("report.css")),
            scripts=[Markup(script) for script in draft.scripts],
            policy=draft.policy,
            islands=draft.islands,
        )
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / "index.html"
    path.write_text(html, encoding="utf-8", errors="replace", newline="\n")
    return path


@contextmanager
def _naming_tables() -> Iterator[None]:
    """Raise ReportError for a database of another version."""
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise ReportError(
            f"The report cannot be drawn from this database: {first_line(error)}.",
            expected="the tables that this version publishes",
            fix="publish them anew: journey-mining run",
        ) from error


_BUILDERS: dict[str, Callable[[Context], dict[str, Any]]] = {
    "overview": build_overview,
    "funnel": build_funnel,
    "flow": build_flow,
    "transitions": build_transitions,
    "touchpoints": build_touchpoints,
    "attribution": build_attribution,
    "pain-points": build_pain_points,
    "data-health": build_data_health,
    "dictionary": build_dictionary,
    "method": build_method,
}
_LATE = ("data-health",)
"""Sections that show the audits."""


def build_sections(context: Context, names: Iterable[str] = tuple(_BUILDERS)) -> dict[str, dict[str, Any]]:
    """What each of the named sections shows, by the section's id."""
    return {name: _BUILDERS[name](context) for name in names}


@cache
def build_environment() -> Environment:
    """The templates' environment, once for a process: everything that comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader(__package__ or "journey_mining.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(show=format_value, channel=label_channel)
    environment.globals.update(interval=format_interval)
    return environment


def escape_island(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in, nor open another."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def write_policy(scripts: list[str]) -> str:
    """A content security policy that runs these scripts and no other, and lets nothing reach a network.

    Styles may be inline: Plotly sets them, and they cannot load anything under default-src 'none'.
    """
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def read_asset(name: str) -> str:
    """The text of a file that ships beside this module."""
    return (files(__package__) / name).read_text(encoding="utf-8")
