"""Genuine exports through their presets: nothing is lost, and every reject is the export's own fault."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from unit.loaded import Loaded, identifier_hash, pseudonym, utc

pytestmark = pytest.mark.real_data

EXPORTS: dict[str, tuple[str, str, dict[str, Any], dict[str, tuple[int, int, int, int]]]] = {
    "hubspot tables": (
        "hubspot", "samples/fivetran_hubspot", {},
        {
            "contact_data.csv": (22, 22, 0, 0), "contact_form_submission_data.csv": (5, 5, 0, 0),
            "contact_list_member_data.csv": (100, 100, 0, 0), "contact_merge_audit_data.csv": (4, 4, 0, 0),
            "contact_property_history_data.csv": (100, 100, 0, 0), "deal_data.csv": (44, 44, 0, 0),
            "deal_property_history_data.csv": (100, 100, 0, 0), "deal_stage_data.csv": (14, 14, 0, 0),
            "email_event_data.csv": (100, 100, 0, 0), "engagement_call_data.csv": (1, 1, 0, 0),
            "engagement_communication_data.csv": (1, 1, 0, 0), "engagement_email_data.csv": (1, 1, 0, 0),
            "engagement_meeting_data.csv": (100, 100, 0, 0), "engagement_note_data.csv": (1, 1, 0, 0),
            "engagement_task_data.csv": (2, 2, 0, 0),
        },
    ),
    # Field history and users have several items a record; three changes of status are delivered again.
    "zendesk tables": (
        "zendesk", "samples/fivetran_zendesk", {},
        {
            "ticket_comment_data.csv": (20, 20, 0, 0), "ticket_data.csv": (10, 10, 0, 0),
            "ticket_field_history_data.csv": (38, 35, 3, 0), "user_data.csv": (10, 13, 0, 0),
        },
    ),
    # The users come twice, under headers of two warehouses.
    "zendesk seeds": (
        "zendesk", "logs/zendesk_seeds", {},
        {
            "ticket_comment_data.csv": (20, 20, 0, 0), "ticket_data.csv": (10, 10, 0, 0),
            "ticket_field_history_data.csv": (38, 35, 3, 0), "user_data.csv": (10, 13, 0, 0),
            "user_data_snowflake.csv": (10, 2, 11, 0),
        },
    ),
    # One response in both formats of the export.
    "qualtrics": (
        "qualtrics", "samples/qualtrics_csv", {"timezone": "Europe/Zurich"},
        {"sample.csv": (1, 1, 0, 0), "sample_legacy.csv": (1, 0, 1, 0)},
    ),
    "ga4": ("ga4", "samples/ga4_export/velir_staged_event.ndjson", {}, {"velir_staged_event.ndjson": (1, 1, 0, 0)}),
    # Nine events carry a refusal of consent.
    "snowplow atomic": (
        "snowplow", "samples/snowplow_web/source", {}, {"snowplow_web_events.csv": (160, 148, 3, 0)},
    ),
    "snowplow enriched": (
        "snowplow", "samples/snowplow_tsv/enriched_event.tsv", {}, {"enriched_event.tsv": (1, 1, 0, 0)},
    ),
}  # fmt: skip


def read_export(shared_data: Path, folder: Path, system: str, path: str, settings: dict[str, Any]) -> Loaded:
    """All files of an export but its licence, as one batch."""
    place = shared_data / path
    files = (
        [file for file in sorted(place.iterdir()) if file.name != "LICENSE"] if place.is_dir() else [place]
    )
    return Loaded(folder, system, settings).read_paths(files)


@pytest.mark.parametrize("name", EXPORTS)
def test_genuine_export_is_read_without_loss(shared_data: Path, tmp_path: Path, name: str) -> None:
    """Records, events, duplicates and rejects of each file that is a table of events; the rest are lookups or strangers."""
    system, path, settings, expected = EXPORTS[name]
    loaded = read_export(shared_data, tmp_path, system, path, settings)
    loaded.assert_conserved()
    found = {
        file.relative: count
        for file, count in zip(loaded.files, loaded.counts(), strict=True)
        if file.status == "read"
    }
    assert loaded.quarantine() == []
    assert found == expected


def test_lookups_of_hubspot_are_counted_and_make_no_events(shared_data: Path, tmp_path: Path) -> None:
    """The side tables of e-mail events have no time of their own; associations and pipelines have none either."""
    loaded = read_export(shared_data, tmp_path, "hubspot", "samples/fivetran_hubspot", {})
    lookups = {file.relative: file.record_count for file in loaded.files if file.status == "lookup"}
    assert lookups["deal_contact_data.csv"] == 11
    assert lookups["deal_pipeline_stage_data.csv"] == 71
    assert sum("email_event_" in name for name in lookups) == 11
    assert "owner_data.csv" in loaded.unrecognised


def test_merge_audits_of_hubspot_link_contacts_with_a_time(shared_data: Path, tmp_path: Path) -> None:
    loaded = read_export(shared_data, tmp_path, "hubspot", "samples/fivetran_hubspot", {})
    merges = {
        event["occurred_us"]: loaded.hashes(event)
        for event in loaded.events()
        if event["event_name"] == "contact merged"
    }
    assert len(merges) == 4
    assert merges[utc("2019-10-08T15:50:57")] == {
        identifier_hash("contact_id", "hubspot:5555"), identifier_hash("contact_id", "hubspot:11111"),
    }  # fmt: skip


def test_status_history_of_a_zendesk_ticket(shared_data: Path, tmp_path: Path) -> None:
    """Ticket 11071 wanders from open to closed; its events belong to its requester."""
    loaded = read_export(shared_data, tmp_path, "zendesk", "logs/zendesk_seeds", {})
    moves = [
        e
        for e in loaded.events()
        if e["object_id"] == "11071" and e["status"] and e["event_name"] != "ticket created"
    ]
    assert [event["status"] for event in moves] == [
        "open", "pending", "hold", "pending", "open", "pending", "hold", "open", "hold", "pending", "open", "solved", "closed",
    ]  # fmt: skip
    assert {frozenset(loaded.hashes(event)) for event in moves} == {
        frozenset({identifier_hash("requester_id", "zendesk:2222")})
    }


def test_enriched_event_is_what_snowplows_own_sdk_reads(shared_data: Path, tmp_path: Path) -> None:
    """The analytics SDK's JSON of the same line."""
    expected = json.loads((shared_data / "samples/snowplow_tsv/enriched_event_expected.json").read_text())
    loaded = read_export(shared_data, tmp_path, "snowplow", "samples/snowplow_tsv/enriched_event.tsv", {})
    (event,) = loaded.events()
    assert event["event_name"] == expected["event_name"]
    assert event["session_hint"] == pseudonym("session", expected["domain_sessionid"])
    assert event["occurred_us"] == utc(expected["derived_tstamp"].removesuffix("Z"))
    assert event["received_us"] == utc(expected["collector_tstamp"].removesuffix("Z"))
    assert loaded.hashes(event) == {
        identifier_hash("user_id", expected["user_id"]),
        identifier_hash("cookie", expected["domain_userid"]),
        identifier_hash("network_cookie", expected["network_userid"]),
    }


PEER_LEAVES_OUT = {
    # Sessions that last more than three days are put aside by the peer; here a session ends by inactivity.
    "long session": 2,
    "Unexpired session": 1,
    # Sent more than three days after it happened: dropped by the peer; here every late event counts.
    "late arriving: device created/sent >3 days": 1,
    # The peer counts page views by the page view's id: one without is dropped, two with the same are one.
    "NULL page_view_id": 1,
    "dupe: page_view_id different derived_tstamp": 1,
}
"""user_id, which names the edge case -> page views that the peer's (incremental) model does not have by definition."""


def test_page_views_are_those_of_the_peer(shared_data: Path, tmp_path: Path) -> None:
    """Every page view that the peer expects, at its time; the six others are left out there on purpose."""
    folder = shared_data / "samples" / "snowplow_web"
    loaded = read_export(
        shared_data, tmp_path, "snowplow", "samples/snowplow_web/source/snowplow_web_events.csv", {}
    )
    with (folder / "source" / "snowplow_web_events.csv").open(newline="") as file:
        lines = dict(enumerate(csv.DictReader(file), 2))
    with (folder / "expected" / "snowplow_web_page_views_expected.csv").open(newline="") as file:
        expected = {row["event_id"]: utc(row["derived_tstamp"]) for row in csv.DictReader(file)}
    views = {lines[e["line"]]["event_id"]: e for e in loaded.events() if e["event_name"] == "page_view"}
    assert {key: views[key]["occurred_us"] for key in expected} == expected
    others = [lines[event["line"]]["user_id"] for key, event in views.items() if key not in expected]
    assert {name: others.count(name) for name in others} == PEER_LEAVES_OUT


def test_repeated_snowplow_events_count_as_first_collected(shared_data: Path, tmp_path: Path) -> None:
    """Three ids come twice, one of them with two collector times."""
    loaded = read_export(
        shared_data, tmp_path, "snowplow", "samples/snowplow_web/source/snowplow_web_events.csv", {}
    )
    repeated = loaded.warehouse.rows(
        "select e.received_us from staged_events as e inner join duplicates as d using (event_id) order by e.received_us"
    )
    assert [row["received_us"] for row in repeated] == sorted(
        [utc("2021-03-01T20:58:11.021"), utc("2021-03-01T20:58:11.021"), utc("2021-03-03T21:27:32.696")]
    )
