"""The data dictionary says what a published database holds, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from journey_mining.cli import main
from journey_mining.dictionary import write_dictionary
from journey_mining.pipeline import RunContext
from journey_mining.querying import run_query

WRITTEN = Path(__file__).parents[2] / "docs" / "DATA_DICTIONARY.md"
SECTION = re.compile(r"^### (\w+)[^\n]*\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| (.*) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The text of each table and macro."""
    return dict(SECTION.findall(write_dictionary()))


def unescape(text: str) -> str:
    """The meaning without Markdown's escapes."""
    return re.sub(r"\\([|_*])", r"\1", text).replace("&lt;", "<")


def test_the_written_dictionary_is_up_to_date() -> None:
    """docs/DATA_DICTIONARY.md is what the command prints; write it anew after a change of a header."""
    shown = CliRunner().invoke(main, ["models", "--dictionary"])
    assert shown.exit_code == 0
    assert shown.output == WRITTEN.read_text(encoding="utf-8")


def test_it_holds_every_table_and_column(sample_run: RunContext, sections: dict[str, str]) -> None:
    """Tables, their columns in order and the comments in the database are those of the dictionary."""
    _, rows = run_query(
        sample_run.home.current / "journeys.duckdb",
        "select table_name, column_name, comment from duckdb_columns() where not internal order by table_name, column_index",
    )
    published: dict[str, dict[str, str]] = {}
    for table, column, comment in rows:
        published.setdefault(table, {})[column] = comment
    for table, columns in published.items():
        assert {name: unescape(text) for name, text in ROW.findall(sections[table])} == columns, table
    _, macros = run_query(
        sample_run.home.current / "journeys.duckdb",
        "select function_name from duckdb_functions() where not internal and comment is not null",
    )
    assert sections.keys() == published.keys() | {name for (name,) in macros}


def test_it_holds_every_purpose(sample_run: RunContext, sections: dict[str, str]) -> None:
    """Each table opens with its purpose."""
    _, rows = run_query(
        sample_run.home.current / "journeys.duckdb", "select table_name, comment from duckdb_tables()"
    )
    for table, comment in rows:
        assert unescape(sections[table]).strip().startswith(comment.split(" Grain: ", 1)[0]), table


def test_the_report_lists_the_same(sample_run: RunContext, sections: dict[str, str]) -> None:
    """The report's dictionary names every table and macro."""
    page = (sample_run.home.current / "report" / "index.html").read_text(encoding="utf-8")
    shown = page[page.index('<section id="dictionary"') : page.index('<section id="method"')]
    assert [name for name in sections if f"<bdi>{name}" not in shown] == []
