"""The report file: one page that works from a file share or an e-mail attachment, without a network."""

from __future__ import annotations

import base64
import hashlib
import json
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


def render_report(connection: Connection, out_dir: Path) -> Path:
    """The path of `index.html`, written into `out_dir` (made if missing) from the published database.

    Raises ReportError when the database lacks a table or column that the report shows.
    """
    try:
        context = read_context(connection)
        sections = build_sections(context)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise ReportError(
            f"The report cannot be drawn from this database: {first_line(error)}.",
            expected="the tables that this version publishes",
            fix="publish them anew: journey-mining run",
        ) from error
    islands = {
        key: value for section in sections.values() for key, value in section.get("islands", {}).items()
    }
    scripts = [read_asset("report.js")]
    if any(key.startswith("data-flow") for key in islands):
        scripts.insert(0, get_plotlyjs().replace("\r\n", "\n"))
    html = (
        build_environment()
        .get_template("page.html.j2")
        .render(
            context=context,
            sections=sections,
            navigation=SECTIONS,
            title=context.settings.get("title") or "Customer journeys",
            style=Markup(read_asset("report.css")),
            scripts=[Markup(script) for script in scripts],
            policy=write_policy(scripts),
            islands={key: escape_island(value) for key, value in islands.items()},
        )
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / "index.html"
    path.write_text(html, encoding="utf-8", errors="replace", newline="\n")
    return path


def build_sections(context: Context) -> dict[str, dict[str, Any]]:
    """What each section shows, by the section's id."""
    return {
        "overview": build_overview(context),
        "funnel": build_funnel(context),
        "flow": build_flow(context),
        "transitions": build_transitions(context),
        "touchpoints": build_touchpoints(context),
        "attribution": build_attribution(context),
        "pain-points": build_pain_points(context),
        "data-health": build_data_health(context),
        "dictionary": build_dictionary(context),
        "method": build_method(context),
    }


def build_environment() -> Environment:
    """The templates' environment: everything that comes from data is escaped."""
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
