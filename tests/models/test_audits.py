"""Every audit finds the corruption that it is there for, and nothing in tables that are whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journey_mining.audits import check_names, require_passed, run_audits
from journey_mining.config import Audits, load_config
from journey_mining.errors import AuditError, ConfigError
from journey_mining.models import find_models
from readable import micros
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
CUTOFF_US = micros("03-20 09:00")
EARLIER = "insert into runs select * exclude (n) replace ('r' || n as run_id, started_at - n * interval 1 day as started_at"
CORRUPTIONS = {
    "cutoff_advances": EARLIER + ") from runs, range(1, 4) as t (n)",
    "cutoff_in_data": "update events set occurred_us = occurred_us - 90000000000",
    "files_stay": "insert into files_before values ('log', 'gone.csv', 'x', 1, 1, 'read')",
    "runs_steady": EARLIER
    + ", 9 as event_count, cutoff_at - interval 1 second as cutoff_at) from runs, range(1, 4) as t (n)",
    "goal_known": "update touchpoint_signatures set touchpoint = 'buy' where touchpoint = 'purchase'; "
    "delete from stages where stage = 'purchase'",
    "sources_fresh": f"update events set occurred_us = {CUTOFF_US} - (10 + line) * 86400000000, "
    "local_date = date '2026-01-01' - line::integer",
    "events_in_files": "delete from staged_events where line = 1",
    "duplicates_told": "insert into duplicates by name select * replace (uuid() as event_id) from staged_events limit 1",
    "events_mapped": "update touchpoint_counts set stage = null",
    "files_read_once": "insert into source_files select * replace ('f2' as file_id, 'web' as source) from source_files; "
    "insert into events select * replace ('f2' as file_id) from events",
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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A run that went well, in a warehouse of its own."""
    lab = Lab(tmp_path_factory.mktemp("built") / "spill")
    yield lab.live(LOG)
    lab.warehouse.connection.close()


@pytest.fixture
def whole(built: Lab) -> Iterator[Lab]:
    """The tables of that run, which are as they were when the test has ended; it may change those of one database."""
    built.warehouse.execute("begin transaction")
    yield built
    built.warehouse.execute("rollback")


def failures(lab: Lab, **limits: Any) -> dict[str, dict[str, object]]:
    """The audits that did not pass, by name; limits as under `audits:` in journey.yaml."""
    run = {"run_id": "test", "cutoff_us": CUTOFF_US}
    run |= {
        "is_backfill": limits.pop("is_backfill", False),
        "goal": limits.pop("goal", "purchase"),
        "has_retention": limits.pop("has_retention", True),
    }
    renewed = limits.pop("renewed", ())
    found = run_audits(lab.warehouse, Audits.model_validate(limits), run, renewed)
    return {str(row["audit"]): row for row in found if row["status"] != "passed"}


def test_every_audit_has_a_corruption() -> None:
    """A new audit brings a test that it can fail."""
    assert set(find_models("audits")) == set(CORRUPTIONS)


def test_whole_tables_pass(whole: Lab) -> None:
    """Nothing is found in a run that went well."""
    assert failures(whole) == {}


@pytest.mark.parametrize("audit", CORRUPTIONS)
def test_the_corruption_is_found(request: pytest.FixtureRequest, audit: str) -> None:
    """The audit reports it with its severity, the rows and their number."""
    in_two_databases = audit == "goal_known"
    corrupted: Lab = (
        request.getfixturevalue("lab").live(LOG) if in_two_databases else request.getfixturevalue("whole")
    )
    corrupted.warehouse.execute(CORRUPTIONS[audit])
    found = failures(corrupted)[audit]
    assert found["status"] == {"stop": "failed", "warn": "warned"}[str(found["severity"])]
    assert int(str(found["offending_count"])) >= 1
    assert found["detail"]


@pytest.mark.parametrize(
    "table", ["events", "journeys", "journey_steps", "transitions", "stage_funnel", "positions"]
)
def test_a_row_that_came_twice_is_found(whole: Lab, table: str) -> None:
    """The grain line of a model is checked."""
    whole.warehouse.execute(f"insert into {table} select * from {table} limit 1")
    assert failures(whole)[f"unique_{table}"]["status"] == "failed"


@pytest.mark.parametrize("table", ["events", "journey_steps", "variant_counts"])
def test_among_renewed_rows_a_key_that_came_twice_is_found(lab: Lab, table: str) -> None:
    """A night looks for the keys of what it wrote, among all rows of the table."""
    lab.live(LOG)
    lab.warehouse.execute(f"create table touched.main.renewed_{table} as select * from {table} limit 1")
    assert f"unique_{table}" not in failures(lab, renewed={table})
    lab.warehouse.execute(f"insert into {table} select * from touched.main.renewed_{table}")
    assert failures(lab, renewed={table})[f"unique_{table}"]["status"] == "failed"


def test_two_sources_may_read_different_events_of_one_file(whole: Lab) -> None:
    """A row of several times is one event a time, in a source each: nothing counts twice."""
    whole.warehouse.execute(CORRUPTIONS["files_read_once"])
    whole.warehouse.execute("update events set occurred_us = occurred_us + 1 where file_id = 'f2'")
    assert "files_read_once" not in failures(whole)


def test_a_flow_that_loses_its_beginning_is_found(whole: Lab) -> None:
    """Journeys in the flow are compared with the journeys themselves, at the beginning too."""
    whole.warehouse.execute("delete from step_flow where step_number = 0")
    assert "flow_is_journeys" in failures(whole)


def test_a_flow_that_mistakes_a_state_is_found(whole: Lab) -> None:
    """As many journeys cannot end in a state as there are not."""
    whole.warehouse.execute(
        "update step_flow set to_touchpoint = '__converted__' where to_touchpoint = '__open__'"
    )
    assert "flow_is_journeys" in failures(whole)


def test_a_customer_who_skips_a_stage_downwards_is_found(whole: Lab) -> None:
    """Whoever went on from a stage is in the next one."""
    whole.warehouse.execute(
        'update stage_funnel set entered = 0, converted = 0, dropped_off = 0, "open" = 0 where stage_number = 2'
    )
    assert "funnel_balances" in failures(whole)


RUNS = """
run_id | cutoff_at   | started_at  | config_fingerprint | model_fingerprint | event_count | customer_count | session_count | journey_count | unmapped_share | stitched_share
r1     | 03-01 00:00 | 03-01 03:00 | a                  | m                 | 100         | 10             | 20            | 10            | 0.1            | 0.5
r2     | 03-02 00:00 | 03-02 03:00 | a                  | m                 | 110         | 11             | 22            | 11            | 0.1            | 0.5
r3     | 03-03 00:00 | 03-03 03:00 | a                  | m                 | 120         | 12             | 24            | 12            | 0.1            | 0.5
"""


def after_runs(lab: Lab, last: str) -> Lab:
    """A whole run, and a table of runs that ends with `last`."""
    lab.given("runs", RUNS + last)
    return lab


def unsteady(lab: Lab, **limits: Any) -> str:
    """What is said of counts and shares, empty when they are steady."""
    return str(failures(lab, **limits).get("runs_steady", {}).get("detail", ""))


def test_counts_within_the_band_of_the_last_runs_pass(whole: Lab) -> None:
    """A tenth below their median and twice the largest of them are the limits, and allowed."""
    low = "test | 03-04 00:00 | 03-04 03:00 | a | m | 99 | 24 | 22 | 11 | 0.2 | 0.4"
    assert unsteady(after_runs(whole, low)) == ""


@pytest.mark.parametrize(
    ("figures", "found"),
    [
        ("98 | 11 | 22 | 11 | 0.1 | 0.5", "figure=events, found=98.0, expected_from=99.0, expected_to=240.0"),
        ("110 | 25 | 22 | 11 | 0.1 | 0.5", "figure=customers, found=25.0, expected_from=9.9, expected_to=24.0"),
        ("110 | 11 | 1 | 11 | 0.1 | 0.5", "figure=sessions"),
        ("110 | 11 | 22 | 1 | 0.1 | 0.5", "figure=journeys"),
        ("110 | 11 | 22 | 11 | 0.21 | 0.5", "figure=unmapped share, found=0.21, expected_from=0.0, expected_to=0.2"),
        ("110 | 11 | 22 | 11 | 0.1 | 0.39", "figure=stitched share, found=0.39, expected_from=0.4, expected_to=0.6"),
    ],
)  # fmt: skip
def test_a_figure_outside_the_band_is_found(whole: Lab, figures: str, found: str) -> None:
    """The figure is named, with what was expected; the others are not."""
    detail = unsteady(after_runs(whole, f"test | 03-04 00:00 | 03-04 03:00 | a | m | {figures}"))
    assert found in detail
    assert detail.count("figure=") == 1


def test_bands_can_be_set(whole: Lab) -> None:
    """Wider and narrower, and how many runs are looked at."""
    after_runs(whole, "test | 03-04 00:00 | 03-04 03:00 | a | m | 90 | 11 | 22 | 11 | 0.1 | 0.5")
    assert unsteady(whole) != ""
    assert unsteady(whole, shrink=0.2) == ""
    assert unsteady(whole, min_runs=4) == ""
    assert "expected_from=108.0" in unsteady(whole, runs=1, min_runs=1)


@pytest.mark.parametrize(
    "last",
    [
        "test | 03-04 00:00 | 03-04 03:00 | b | m | 1 | 1 | 1 | 1 | 0.9 | 0.9",
        "test | 03-04 00:00 | 03-04 03:00 | a | n | 1 | 1 | 1 | 1 | 0.9 | 0.9",
    ],
)
def test_like_is_compared_with_like(whole: Lab, last: str) -> None:
    """Runs of other settings or models say nothing of this one."""
    assert unsteady(after_runs(whole, last)) == ""


def test_a_run_for_a_given_cutoff_is_compared_with_none_that_saw_more(whole: Lab) -> None:
    """Without a given cutoff, one that went back means that events are missing."""
    after_runs(whole, "test | 03-02 00:00 | 03-04 03:00 | a | m | 1 | 1 | 1 | 1 | 0.9 | 0.9")
    assert unsteady(whole, is_backfill=True) == ""
    assert unsteady(whole).count("figure=") == 5, "all six figures, of which five are shown"


def test_a_backfill_does_not_spoil_the_next_night(whole: Lab) -> None:
    """The runs of the latest cutoffs count, not those that happened last."""
    small = "| a | m | 1 | 1 | 1 | 1 | 0.1 | 0.5"
    backfill = f"b1 | 02-01 00:00 | 03-03 04:00 {small}\nb2 | 02-02 00:00 | 03-03 05:00 {small}\n"
    after_runs(whole, backfill + "test | 03-04 00:00 | 03-04 03:00 | a | m | 110 | 11 | 22 | 11 | 0.1 | 0.5")
    assert unsteady(whole, runs=3) == ""


def test_the_first_run_is_compared_with_none(whole: Lab) -> None:
    """Without a history every audit that looks back passes, however strict it is."""
    assert failures(whole, runs=1, min_runs=1, shrink=0, grow=0, drift=0, standstill="1 second") == {}


def test_exports_that_stand_still_are_found(whole: Lab) -> None:
    """When runs bring no new event for longer than `standstill`, somebody should look; a later event ends it."""
    still = "test | 03-03 00:00 | 03-05 03:00 | a | m | 120 | 12 | 24 | 12 | 0.1 | 0.5"
    found = failures(after_runs(whole, still))["cutoff_advances"]
    assert found["detail"] == "latest_event_at=2026-03-03 00:00:00, known_since=2026-03-03 03:00:00"
    assert "cutoff_advances" not in failures(whole, standstill="3 days")
    moved = "test | 03-03 00:01 | 03-05 03:00 | a | m | 120 | 12 | 24 | 12 | 0.1 | 0.5"
    assert "cutoff_advances" not in failures(after_runs(whole, moved))
    earlier = "test | 03-02 00:00 | 03-09 03:00 | a | m | 120 | 12 | 24 | 12 | 0.1 | 0.5"
    assert "cutoff_advances" not in failures(after_runs(whole, earlier)), "a run for an earlier cutoff"


def events_of(lab: Lab, *days: str) -> Lab:
    """A whole run, and events of the source `crm` on these days."""
    lab.warehouse.execute("delete from events")
    for day in days:
        bound = {"us": micros(f"{day} 12:00")}
        lab.warehouse.execute(
            "insert into events (source, occurred_us, local_date) values ('crm', $us, cast(make_timestamp($us) as date))",
            bound,
        )
    return lab


def late(lab: Lab, **limits: Any) -> str:
    """What is said of sources that are late."""
    return str(failures(lab, **limits).get("sources_fresh", {}).get("detail", ""))


def test_a_source_that_stopped_is_found(whole: Lab) -> None:
    """Its latest event is further from the cutoff than twice its longest pause."""
    daily = ["03-13", "03-14", "03-15", "03-16", "03-17"]
    assert "source=crm" in late(events_of(whole, *daily))
    assert "days_late=2, days_allowed=2.0" in late(whole)
    assert late(events_of(whole, "03-11", *daily[1:])) == "", (
        "three days were a pause before: six are allowed"
    )
    assert late(events_of(whole, *daily[1:])) == "", "four days are no habit"
    events_of(whole, *daily)
    turn = micros("03-17 12:00") - 36 * 3_600_000_000
    whole.warehouse.execute(f"update events set occurred_us = occurred_us - {turn}")
    whole.warehouse.execute("update events set local_date = cast(make_timestamp(occurred_us) as date)")
    assert "days_allowed=2.0" in late(whole), "five days are, on both sides of 1970"


@pytest.mark.parametrize(
    ("goal", "detail"),
    [
        ("purchase", ""), ("page", ""), ("advocacy", ""), ("a rule's own", ""), (None, ""),
        ("purchasse", "goal=purchasse, similar_names=purchase"), ("pag", "goal=pag, similar_names=page"),
        ("Page", "goal=Page, similar_names=page"), ("renewal", "goal=renewal, similar_names=nothing"),
        ("", "goal=, similar_names=nothing"),
    ],
)  # fmt: skip
def test_a_goal_that_nothing_has_is_found(whole: Lab, goal: str | None, detail: str) -> None:
    """It converts nobody; names that differ in a third of its letters at most are told."""
    whole.warehouse.execute(
        "insert into touchpoint_rules (rule_number, touchpoint) values (1, 'a rule''s own')"
    )
    found = failures(whole, goal=goal)
    assert found.keys() == ({"goal_known"} if detail else set())
    assert not detail or found["goal_known"]["detail"] == detail


def test_a_limit_of_ones_own_goes_before_the_habit(whole: Lab) -> None:
    """A source in `late` may lag as long as it says, and no longer, whatever it did before."""
    events_of(whole, "03-17")
    assert late(whole) == ""
    assert late(whole, late={"crm": "3 days"}) == ""
    assert "days_late=2, days_allowed=2.0" in late(whole, late={"shop": "1 day", "crm": "2 days"})


def test_files_that_changed_are_found(lab: Lab) -> None:
    """A file that vanished, left or shrank; one that was rewritten when that is asked for; not one that grew or was gone."""
    lab.live(LOG)
    for name, status in (
        ("gone", "read"),
        ("left", "read"),
        ("long gone", "vanished"),
        ("long left", "vanished"),
    ):
        lab.warehouse.execute(
            f"insert into files_before values ('log', '{name}.csv', '{name}', 1, 5, '{status}')"
        )
    lab.warehouse.execute("insert into files_before values ('log', 'log.csv', '', 0, 8, 'read')")
    for name in ("gone", "long gone"):
        lab.warehouse.execute(
            f"""insert into files select * replace (
                '{name}.csv' as path, '{name}' as sha256, 5 as record_count, 'vanished' as status) from files
            where path = 'log.csv'"""
        )
    found = failures(lab)["files_stay"]["detail"]
    assert found == (
        "source=log, path=gone.csv, fate=vanished, record_count_before=5, record_count=5; "
        "source=log, path=left.csv, fate=left, record_count_before=5, record_count=None; "
        "source=log, path=log.csv, fate=shrank, record_count_before=8, record_count=7"
    )
    lab.warehouse.execute("delete from files_before where path <> 'log.csv'")
    lab.warehouse.execute("update files_before set record_count = 6, sha256 = 'other'")
    assert "files_stay" not in failures(lab)
    assert "fate=rewritten" in str(failures(lab, rewritten=True)["files_stay"]["detail"])


def test_limits_of_shares(lab: Lab) -> None:
    """A source's quarantine, contacts without a stage and non-human sessions are measured against settings."""
    lab.live(LOG)
    for name in ("events_mapped", "quarantine_small", "sessions_human"):
        lab.warehouse.execute(CORRUPTIONS[name])
    assert {"events_mapped", "quarantine_small", "sessions_human"} <= failures(lab).keys()
    found = failures(lab, unmapped=1, quarantined=1, nonhuman=1).keys()
    assert not {"events_mapped", "quarantine_small", "sessions_human"} & found


def test_all_offending_rows_are_counted_and_the_first_are_shown(whole: Lab) -> None:
    """Nine files are gone: nine offend, the five that come first are told."""
    whole.warehouse.execute(
        "insert into files_before select 'log', 'gone' || n || '.csv', 'x', 1, 1, 'read' from range(9, 0, -1) as t (n)"
    )
    found = failures(whole)["files_stay"]
    assert found["offending_count"] == 9
    assert re.findall(r"path=(gone.)\.csv", str(found["detail"])) == [
        "gone1",
        "gone2",
        "gone3",
        "gone4",
        "gone5",
    ]


def test_a_warning_can_be_made_to_stop(whole: Lab) -> None:
    """An audit named in `audits.stop` keeps the run from being published, and the message says how to go on."""
    whole.warehouse.execute(CORRUPTIONS["files_stay"])
    assert failures(whole)["files_stay"]["status"] == "warned"
    found = failures(whole, stop=["files_stay"])["files_stay"]
    assert (found["severity"], found["status"]) == ("stop", "failed")
    with pytest.raises(AuditError, match=r"path=gone\.csv(.|\n)*take the name out of audits\.stop"):
        require_passed([found])


def test_an_unknown_audit_is_refused(tmp_path: Path) -> None:
    """With its place and the name that was probably meant."""
    config = tmp_path / "journey.yaml"
    config.write_text("sources: {log: {system: table, path: log.csv}}\naudits:\n  stop: [file_stay]\n")
    with pytest.raises(
        ConfigError, match=r"journey.yaml:3:10: there is no audit 'file_stay'(.|\n)*did you mean 'files_stay'"
    ):
        check_names(load_config(config))


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
