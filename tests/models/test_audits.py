"""Every audit finds the corruption that it is there for, and nothing in tables that are whole."""

from __future__ import annotations

import pytest

from journey_mining.audits import require_passed, run_audits
from journey_mining.errors import AuditError
from journey_mining.models import find_models
from worlds import Lab

LOG = """
at          | customer | event    | by      | background
03-01 09:00 | anna     | ad       |         |
03-01 09:01 | anna     | page     |         |
03-01 09:02 | anna     | sent     | company | yes
03-01 09:03 | anna     | purchase |         |
03-01 09:00 | ben      | ad       |         |
03-20 09:00 | cleo     | page     |         |
03-20 09:00 |          | page     |         |
"""
CORRUPTIONS = {
    "events_in_files": "delete from staged_events where line = 1",
    "events_mapped": "update events set stage = null",
    "files_conserved": "update source_files set duplicate_count = 1",
    "files_unread": "update source_files set status = 'damaged'",
    "flow_is_journeys": "update step_flow set journey_count = journey_count + 1 where to_touchpoint = '__open__'",
    "funnel_balances": 'update stage_funnel set "open" = "open" + 1 where stage_number = 1 and unit = \'journeys\'',
    "funnel_is_events": "update stage_funnel set entered = entered + 1 where stage_number = 1 and unit = 'customers'",
    "journeys_balance": "update transitions set transition_count = 9 where from_touchpoint = 'ad' and to_touchpoint = 'page'",
    "quarantine_small": "update source_files set quarantined_count = 1",
    "sessions_human": "update sessions set is_flagged = true where customer_id = (select min(customer_id) from sessions)",
    "steps_are_contacts": "update journey_steps set repeat_count = 2 where touchpoint = 'purchase'",
}
"""Audit -> a change of a table that breaks the promise."""


def failures(lab: Lab) -> dict[str, dict[str, object]]:
    """The audits that did not pass, by name."""
    return {str(row["audit"]): row for row in run_audits(lab.warehouse) if row["status"] != "passed"}


def test_every_audit_has_a_corruption() -> None:
    """A new audit brings a test that it can fail."""
    assert set(find_models("audits")) == set(CORRUPTIONS)


def test_whole_tables_pass(lab: Lab) -> None:
    """Nothing is found in a run that went well."""
    assert failures(lab.live(LOG)) == {}


@pytest.mark.parametrize("audit", CORRUPTIONS)
def test_the_corruption_is_found(lab: Lab, audit: str) -> None:
    """The audit reports it with its severity, the rows and their number."""
    lab.live(LOG)
    lab.warehouse.execute(CORRUPTIONS[audit])
    found = failures(lab)[audit]
    assert found["status"] == {"stop": "failed", "warn": "warned"}[str(found["severity"])]
    assert int(str(found["offending_count"])) >= 1
    assert found["detail"]


@pytest.mark.parametrize(
    "table", ["events", "journeys", "journey_steps", "transitions", "stage_funnel", "positions"]
)
def test_a_row_that_came_twice_is_found(lab: Lab, table: str) -> None:
    """The grain line of a model is checked."""
    lab.live(LOG)
    lab.warehouse.execute(f"insert into {table} select * from {table} limit 1")
    assert failures(lab)[f"unique_{table}"]["status"] == "failed"


def test_a_flow_that_loses_its_beginning_is_found(lab: Lab) -> None:
    """Journeys in the flow are compared with the journeys themselves, at the beginning too."""
    lab.live(LOG)
    lab.warehouse.execute("delete from step_flow where step_number = 0")
    assert "flow_is_journeys" in failures(lab)


def test_a_flow_that_mistakes_a_state_is_found(lab: Lab) -> None:
    """As many journeys cannot end in a state as there are not."""
    lab.live(LOG)
    lab.warehouse.execute(
        "update step_flow set to_touchpoint = '__converted__' where to_touchpoint = '__open__'"
    )
    assert "flow_is_journeys" in failures(lab)


def test_a_customer_who_skips_a_stage_downwards_is_found(lab: Lab) -> None:
    """Whoever went on from a stage is in the next one."""
    lab.live(LOG)
    lab.warehouse.execute(
        'update stage_funnel set entered = 0, converted = 0, dropped_off = 0, "open" = 0 where stage_number = 2'
    )
    assert "funnel_balances" in failures(lab)


def test_a_failed_audit_stops_publication_and_shows_rows() -> None:
    """The message names the audit, the number of rows and the first of them; warnings do not stop."""
    row = {
        "audit": "a",
        "severity": "stop",
        "status": "failed",
        "offending_count": 2,
        "purpose": "p",
        "detail": "x=1; x=2",
    }
    with pytest.raises(AuditError, match=r"a\.\n.*2 rows: x=1; x=2") as caught:
        require_passed([row])
    assert caught.value.exit_code == 5
    require_passed([{**row, "status": "warned"}])
