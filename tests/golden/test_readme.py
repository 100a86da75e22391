"""The README's queries run on the sample company and answer something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from journey_mining.querying import run_query
from journey_mining.runs import RunContext

README = Path(__file__).parents[2] / "README.md"
QUERIES = re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_shows_seven_queries() -> None:
    """Two macros and five useful queries stand in the README."""
    assert len(QUERIES) == 7


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_each_query_answers(query: str, sample_run: RunContext) -> None:
    """Each query runs read-only on the published sample and returns rows without an empty first column."""
    assert sample_run.published is not None
    columns, rows = run_query(sample_run.published / "journeys.duckdb", query)
    assert rows
    assert len(columns) > 1
    assert all(row[0] is not None for row in rows)


def test_support_costs_repeat_purchases_as_the_readme_asks(sample_run: RunContext) -> None:
    """The query about buying after support counts every customer with a ticket once."""
    assert sample_run.published is not None
    path = sample_run.published / "journeys.duckdb"
    _, rows = run_query(path, QUERIES[5])
    _, expected = run_query(
        path,
        "select count(distinct customer_id) from events where object_type = 'ticket' and initiator = 'customer'",
    )
    customers, bought = rows[0]
    assert customers == expected[0][0]
    assert 0 < bought < customers
