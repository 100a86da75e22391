"""The worked questions of sql/examples answer on the sample company, and find what is planted there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from journey_mining.cli import main
from journey_mining.examples import Example, find_examples
from journey_mining.models import sql_folder
from journey_mining.pipeline import RunContext
from journey_mining.querying import run_query

EXAMPLES = list(find_examples().values())
every_example = pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
Row = dict[str, Any]
Ask = Callable[[str], list[Row]]


@pytest.fixture
def ask(sample_run: RunContext) -> Ask:
    """The answer to an example by name."""

    def answer(name: str) -> list[Row]:
        path = sample_run.home.current / "journeys.duckdb"
        columns, rows = run_query(path, find_examples()[name].sql)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    return answer


def test_there_are_twenty() -> None:
    """As many as the README promises."""
    assert len(EXAMPLES) >= 20


@every_example
def test_an_example_states_its_question_and_how_to_read_it(example: Example) -> None:
    """A question mark, and at least a sentence on the answer."""
    assert example.question.endswith("?")
    assert len(example.reading) > 80
    assert example.reading.endswith(".")


@every_example
def test_an_example_answers(example: Example, ask: Ask) -> None:
    """Rows, no empty column, rates from 0 to 1 inside their intervals."""
    rows = ask(example.name)
    assert rows
    for column in rows[0]:
        values = [row[column] for row in rows if row[column] is not None]
        assert values, column
        if column.endswith("_rate") or column == "share":
            assert all(0 <= value <= 1 for value in values), column
            bounds = [(row.get(f"{column}_low"), row[column], row.get(f"{column}_high")) for row in rows]
            assert all(low <= value <= high for low, value, high in bounds if None not in (low, value, high))


def test_slow_support_costs_later_purchases(ask: Ask) -> None:
    """Planted: a first reply after two days costs repeat purchases."""
    rates = {row["first_reply"]: row["bought_again_rate"] for row in ask("slow_support_and_buying_again")}
    assert rates["over 2 days"] < rates["up to 2 days"] / 2


def test_slow_support_costs_satisfaction(ask: Ask) -> None:
    """Planted: and good ratings."""
    rates = {row["waiting_time"]: row["good_rate"] for row in ask("satisfaction_by_waiting_time")}
    assert rates["3 over 2 days"] < rates["2 up to 2 days"] - 0.3


def test_the_mobile_checkout_fails(ask: Ask) -> None:
    """Planted: the payment step fails on mobile devices."""
    rows = {row["device"]: row for row in ask("checkout_by_device")}
    assert rows["mobile"]["error_rate"] > 0.25 > rows["desktop"]["error_rate"]
    assert rows["mobile"]["bought_rate_high"] < rows["desktop"]["bought_rate_low"]


def test_paid_social_assists_without_closing(ask: Ask) -> None:
    """Planted: paid_social raises purchases and never comes last before one."""
    rows = {row["channel"]: row for row in ask("channels_that_assist")}
    assert rows["paid_social"]["last_count"] == 0
    assert rows["paid_social"]["assist_count"] > 50


def test_an_example_runs_by_name_and_by_file(sample_run: RunContext) -> None:
    """`--example NAME` and `--file` with its file print the same answer; the list names it."""
    config = ["--config", str(sample_run.config.path), "--format", "csv"]
    path = str(sql_folder() / "examples" / "checkout_funnel.sql")
    named = CliRunner().invoke(main, ["sql", "--example", "checkout_funnel", *config])
    filed = CliRunner().invoke(main, ["sql", "--file", path, *config])
    assert named.exit_code == filed.exit_code == 0
    assert named.output == filed.output
    assert len(named.output.splitlines()) == 6
    listed = CliRunner().invoke(main, ["sql", "--examples"])
    assert [example.name for example in EXAMPLES if example.name not in listed.output] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "Give one query."),
        (["select 1", "--example", "loops"], "Give one query."),
        (["--example", "loop"], "did you mean 'loops'?"),
        (["--example", "zebra"], "list them with: journey-mining sql --examples"),
        (["--file", "no.sql"], "no.sql cannot be read"),
    ],
)
def test_an_unclear_query_is_refused(sample_run: RunContext, given: list[str], message: str) -> None:
    """None or two queries, an unknown example and a missing file are errors of a query, with the remedy."""
    result = CliRunner().invoke(main, ["sql", *given, "--config", str(sample_run.config.path)])
    assert result.exit_code == 8
    assert message in result.output
