"""Models that are renewed by sums: the counts of disjoint parts of the customers add up to those of all.

channel_switch_counts, daily_counts, stage_channel_counts, stage_counts, step_flow, touchpoint_counts,
touchpoint_customers, transition_counts and variant_counts.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from journey_mining.models import Model
from worlds import PARAMETERS, Lab, models

SUMMED = sorted(name for name, model in models().items() if model.renewed == "by sums")
INPUTS = ("events", "journeys", "journey_steps", "unit_stages", "strict_stages")
NAMED = {
    "channel_switch_counts", "daily_counts", "stage_channel_counts", "stage_counts", "step_flow", "touchpoint_counts",
    "touchpoint_customers", "transition_counts", "variant_counts",
}  # fmt: skip


@pytest.fixture
def company(lab: Lab) -> Lab:
    """Four customers and an event of nobody: converted, open and dropped off, with a repeat, a loop and a switch."""
    return lab.live(
        """
        at          | customer | event    | channel | stage         | value | background
        03-01 10:00 | anna     | page     | web     | awareness     |       |
        03-01 10:05 | anna     | cart     | web     | consideration |       |
        03-01 10:09 | anna     | page     | web     | awareness     |       |
        03-01 10:20 | anna     | call     | phone   | consideration |       |
        03-02 09:00 | anna     | purchase | web     | purchase      | 12.25 |
        03-01 10:00 | ben      | page     | web     | awareness     |       |
        03-01 10:01 | ben      | page     | app     | awareness     |       |
        03-01 11:00 | cleo     | purchase | app     | purchase      |       |
        03-01 12:00 | cleo     | mailing  | email   |               |       | yes
        06-01 10:00 | dora     | page     | web     | awareness     |       |
        06-01 10:05 | dora     | cart     | web     | consideration |       |
        06-01 10:06 |          | page     | web     | awareness     |       |
        """
    )


def counted(lab: Lab, model: Model) -> Counter[Any]:
    """(keys, measure) -> its value in a model that is built on the tables that are there."""
    lab.warehouse.build(model, PARAMETERS)
    measures = [name for name in model.columns if name not in model.grain]
    return Counter(
        {
            (tuple(row[name] for name in model.grain), measure): row[measure]
            for row in lab.rows(f"from {model.name}")
            for measure in measures
            if row[measure]
        }
    )


def test_every_such_model_is_tested() -> None:
    """A new model by sums is named here."""
    assert set(SUMMED) == NAMED


@pytest.mark.parametrize("name", SUMMED)
def test_parts_add_up(company: Lab, name: str) -> None:
    """Whichever customers are in the one part, and the events of nobody in the other."""
    model = models()[name]
    whole = counted(company, model)
    assert whole
    customers = [row["customer_id"] for row in company.rows("select customer_id from customers order by all")]
    for chosen in (customers[:1], customers[1:3], customers):
        total: Counter[Any] = Counter()
        for condition in (
            "list_contains($c, customer_id)",
            "not coalesce(list_contains($c, customer_id), false)",
        ):
            for table in INPUTS:
                company.warehouse.execute(
                    f"create or replace temp table {table} as select * from published.main.{table} where {condition}"
                    if table not in ("unit_stages", "strict_stages")
                    else f"create or replace temp table {table} as select * from store.main.{table} where {condition}",
                    {"c": chosen},
                )
            total.update(counted(company, model))
            for table in INPUTS:
                company.warehouse.execute(f"drop table temp.main.{table}")
        assert total == whole


def test_what_is_added_up_is_exact(company: Lab) -> None:
    """Sums of integers and decimals: no measure is a floating-point number, whose sums depend on the order."""
    for name in SUMMED:
        company.warehouse.build(models()[name], PARAMETERS)
        kinds = {row["column_name"]: row["column_type"] for row in company.rows(f"describe {name}")}
        for column in set(kinds) - set(models()[name].grain):
            assert kinds[column] == "BIGINT" or kinds[column].startswith("DECIMAL"), (name, column)
