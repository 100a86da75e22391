"""The HubSpot preset: documents of the API's versions and flattened tables, and the events that they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unit.loaded import Loaded, csv_text, identifier_hash, json_document, load, utc

MAY = 1_714_557_600_000
"""2024-05-01T10:00:00Z in milliseconds."""
HOUR = 3_600_000
Fact = tuple[str, str, str | None, bool]
"""Event name, initiator, channel, whether it is background."""


def facts(loaded: Loaded) -> list[Fact]:
    return [(e["event_name"], e["initiator"], e["channel"], e["is_background"]) for e in loaded.events()]


def v1(value: object) -> dict[str, Any]:
    return {"value": str(value), "versions": [{"value": str(value), "timestamp": MAY}]}


def contact(vid: int = 7, **changes: Any) -> dict[str, Any]:
    """A contact as v1 of the API shows it."""
    identities = [
        {"type": "EMAIL", "value": f"c{vid}@example.com", "timestamp": MAY, "is-primary": True},
        {"type": "LEAD_GUID", "value": f"guid-{vid}", "timestamp": MAY},
    ]
    record = {
        "vid": vid,
        "properties": {"email": v1(f" C{vid}@Example.com"), "createdate": v1(MAY), "firstname": v1("Ada")},
        "identity-profiles": [{"vid": vid, "identities": identities}],
        "merge-audits": [],
    }
    return {**record, **changes}


def test_contact_is_created_with_all_that_identifies_it(tmp_path: Path) -> None:
    """One background event; the address in two spellings is one identifier, and a person's id is nothing else."""
    properties = {**contact()["properties"], "phone": v1("+49 30 123456"), "customer_id": v1("K1")}
    loaded = load(
        tmp_path, "hubspot", {"contacts.json": json_document("contacts", contact(properties=properties))}
    )
    (event,) = loaded.events()
    assert facts(loaded) == [("contact created", "system", None, True)]
    assert (event["occurred_us"], event["object_type"], event["object_id"]) == (MAY * 1000, "contact", None)
    assert loaded.hashes(event) == {
        identifier_hash("contact_id", "hubspot:7"),
        identifier_hash("email", "c7@example.com"),
        identifier_hash("lead_guid", "guid-7"),
        identifier_hash("phone", "+4930123456"),
        identifier_hash("user_id", "K1"),
    }


def test_merged_contact_links_two_contacts_at_the_time_of_the_merge(tmp_path: Path) -> None:
    """The swallowed contact brings its own profile; only the merge names both."""
    twin = {"vid": 8, "identities": [{"type": "EMAIL", "value": "old@example.com", "timestamp": MAY + HOUR}]}
    audit = {
        "canonical-vid": 7, "vid-to-merge": 8, "timestamp": MAY + 2 * HOUR,
        "merged_from_email": {"value": "old@example.com"}, "merged_to_email": {"value": "c7@example.com"},
    }  # fmt: skip
    record = contact(
        **{"identity-profiles": [*contact()["identity-profiles"], twin], "merge-audits": [audit]}
    )
    loaded = load(tmp_path, "hubspot", {"contacts.json": json_document("contacts", record)})
    created, other, merged = loaded.events()
    assert [e["event_name"] for e in (created, other, merged)] == [
        "contact created",
        "contact created",
        "contact merged",
    ]
    assert loaded.hashes(other) == {
        identifier_hash("contact_id", "hubspot:8"),
        identifier_hash("email", "old@example.com"),
    }
    assert identifier_hash("contact_id", "hubspot:8") not in loaded.hashes(created)
    assert merged["kinds"] == "contact_id contact_id email email"
    assert merged["occurred_us"] == (MAY + 2 * HOUR) * 1000
    assert loaded.counts() == [(1, 3, 0, 0)]


def test_merge_is_the_same_in_document_and_table(tmp_path: Path) -> None:
    """The flattened audit of the same merge is a duplicate."""
    audit = {"canonical-vid": 7, "vid-to-merge": 8, "timestamp": MAY}
    table = csv_text(
        {"canonical_vid": 7, "contact_id": 7, "vid_to_merge": 8, "timestamp": "2024-05-01 10:00:00"}
    )
    loaded = load(
        tmp_path,
        "hubspot",
        {
            "a.json": json_document("contacts", contact(**{"merge-audits": [audit]})),
            "contact_merge_audit.csv": table,
        },
    )
    assert loaded.counts() == [(1, 2, 0, 0), (1, 0, 1, 0)]


def test_contact_without_profiles_audits_or_forms_is_still_one_event(tmp_path: Path) -> None:
    """Absent, null and empty lists all give the record its one item."""
    bare = contact(9)
    del bare["identity-profiles"], bare["merge-audits"]
    records = [contact(7, **{"identity-profiles": []}), contact(8, **{"identity-profiles": None}), bare]
    loaded = load(tmp_path, "hubspot", {"contacts.json": json_document("contacts", *records)})
    assert loaded.counts() == [(3, 3, 0, 0)]
    assert {event["kinds"] for event in loaded.events()} == {"contact_id email"}


def test_later_lifecycle_stages_are_steps_of_the_company(tmp_path: Path) -> None:
    """The stage that a contact is born with is no change."""
    versions = [{"value": "customer", "timestamp": MAY + HOUR}, {"value": "lead", "timestamp": MAY}]
    properties = {**contact()["properties"], "lifecyclestage": {"value": "customer", "versions": versions}}
    loaded = load(
        tmp_path, "hubspot", {"contacts.json": json_document("contacts", contact(properties=properties))}
    )
    assert facts(loaded)[1:] == [("lifecycle stage: customer", "company", "sales", False)]


def test_contact_of_v3_and_of_a_table(tmp_path: Path) -> None:
    """The same contact in three formats is created once; a later change brings its new identifiers."""
    properties = {"email": "c7@example.com", "createdate": "2024-05-01T10:00:00.000Z", "customer_id": "K1"}
    document = {"id": "7", "properties": properties, "updatedAt": "2024-05-01T12:00:00Z", "archived": False}
    row = {"id": 7, "property_email": "c7@example.com", "property_createdate": "2024-05-01 10:00:00"}
    loaded = load(
        tmp_path,
        "hubspot",
        {
            "v1.json": json_document("contacts", contact()),
            "v3.json": json_document("results", document),
            "contact_data.csv": csv_text({**row, "_fivetran_deleted": "FALSE"}),
        },
    )
    assert loaded.counts() == [(1, 1, 0, 0), (1, 1, 1, 0), (1, 0, 1, 0)]
    assert [(e["event_name"], e["kinds"]) for e in loaded.events()] == [
        ("contact created", "contact_id email lead_guid"),
        ("contact updated", "contact_id email user_id"),
    ]


CHANGES = {
    "a stage": (
        "lifecyclestage",
        "Opportunity",
        ("lifecycle stage: opportunity", "company", "sales", False),
        "contact_id",
    ),
    "an address": (
        "email",
        "new@example.com",
        ("contact property changed", "system", None, True),
        "contact_id email",
    ),
    "anything else": ("hs_score", "12", ("contact property changed", "system", None, True), "contact_id"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_property_history_of_contacts(tmp_path: Path, case: str) -> None:
    """A change of an address identifies; the value of any other property is not kept."""
    name, value, expected, kinds = CHANGES[case]
    row = {
        "contact_id": 7,
        "timestamp": "2024-05-01 10:00:00.000",
        "source": "CRM_UI",
        "name": name,
        "value": value,
    }
    loaded = load(tmp_path, "hubspot", {"contact_property_history_data.csv": csv_text(row)})
    assert facts(loaded) == [expected]
    assert loaded.events()[0]["kinds"] == kinds


def deal(**changes: Any) -> dict[str, Any]:
    """A won deal as v3 of the API shows it, newest stage first."""
    history = [
        {"value": "closedwon", "timestamp": "2024-05-03T10:00:00Z"},
        {"value": "qualifiedtobuy", "timestamp": "2024-05-01T10:00:00.000Z"},
    ]
    record = {
        "id": "500",
        "properties": {
            "amount": "120.5",
            "createdate": "2024-05-01T10:00:00Z",
            "dealstage": "closedwon",
            "dealname": "x",
        },
        "propertiesWithHistory": {"dealstage": history},
        "associations": {"contacts": {"results": [{"id": "70", "type": "deal_to_contact"}, {"id": "9"}]}},
    }
    return {**record, **changes}


def test_deal_is_created_and_moves_through_its_stages(tmp_path: Path) -> None:
    """Company contacts; the amount counts when the deal is won; the contact known longest stands for all."""
    loaded = load(tmp_path, "hubspot", {"deals.json": json_document("results", deal())}, currency="EUR")
    assert facts(loaded) == [
        ("deal created", "company", "sales", False),
        ("deal stage: qualifiedtobuy", "company", "sales", False),
        ("deal won", "company", "sales", False),
    ]
    events = loaded.events()
    assert [(e["value"], e["currency"], e["status"]) for e in events] == [
        (None, None, None), (None, None, "qualifiedtobuy"), (120.5, "EUR", "won"),
    ]  # fmt: skip
    assert {e["object_id"] for e in events} == {"500"}
    assert all(loaded.hashes(e) == {identifier_hash("contact_id", "hubspot:9")} for e in events)


def test_closed_deal_without_a_history_was_closed_on_its_close_date(tmp_path: Path) -> None:
    """An open deal's stage has no known time, so it is no event."""
    closed = {
        "createdate": "2024-05-01T10:00:00Z",
        "closedate": "2024-05-02T10:00:00Z",
        "dealstage": "closedlost",
    }
    still_open = {
        "createdate": "2024-05-04T10:00:00Z",
        "closedate": "2024-06-02T10:00:00Z",
        "dealstage": "contractsent",
    }
    records = [deal(id="1", properties=closed), deal(id="2", properties=still_open)]
    for record in records:
        del record["propertiesWithHistory"]
    loaded = load(tmp_path, "hubspot", {"deals.json": json_document("results", *records)})
    assert [event["event_name"] for event in loaded.events()] == ["deal created", "deal lost", "deal created"]


def test_flattened_deals_find_contact_amount_and_stage_in_other_tables(tmp_path: Path) -> None:
    """Associations and pipelines are lookups: counted, and no events of their own."""
    loaded = load(
        tmp_path,
        "hubspot",
        {
            "deal_data.csv": csv_text({
                "deal_id": 5, "is_deleted": "false", "property_amount": 80, "property_createdate": "2024-05-01 09:00:00"
            }),
            "deal_stage_data.csv": csv_text(
                {"deal_id": 5, "date_entered": "2024-05-01 9:30:00", "value": "s1"},
                {"deal_id": 5, "date_entered": "2024-05-02 9:30:00", "value": "s2"},
            ),
            "deal_contact_data.csv": csv_text({"contact_id": 70, "deal_id": 5}, {"contact_id": 9, "deal_id": 5}),
            "deal_pipeline_stage_data.csv": csv_text(
                {"stage_id": "s1", "label": "Offer sent", "closed_won": "FALSE", "is_closed": "FALSE"},
                {"stage_id": "s2", "label": "Signed", "closed_won": "TRUE", "is_closed": "TRUE"},
            ),
        },
    )  # fmt: skip
    assert [(e["event_name"], e["value"]) for e in loaded.events()] == [
        ("deal created", None), ("deal stage: offer sent", None), ("deal won", 80.0),
    ]  # fmt: skip
    assert {frozenset(loaded.hashes(e)) for e in loaded.events()} == {
        frozenset({identifier_hash("contact_id", "hubspot:9")})
    }
    assert [(file.status, file.record_count) for file in loaded.files] == [
        ("read", 1), ("read", 2), ("lookup", 2), ("lookup", 2),
    ]  # fmt: skip
    loaded.assert_conserved()


def test_stage_history_is_the_same_in_document_and_table(tmp_path: Path) -> None:
    row = {"deal_id": 500, "date_entered": "2024-05-03 10:00:00", "value": "closedwon"}
    loaded = load(
        tmp_path,
        "hubspot",
        {"deals.json": json_document("results", deal()), "deal_stage_data.csv": csv_text(row)},
    )
    assert loaded.warehouse.value("select count(*) from staged_events") == 3
    assert sum(count[2] for count in loaded.counts()) == 1


def email(kind: str = "CLICK", **changes: Any) -> dict[str, Any]:
    record = {
        "id": f"id-{kind}", "created": MAY, "type": kind, "recipient": "C7@example.com", "emailCampaignId": 91,
        "sentBy": {"id": "sent-1", "created": MAY - HOUR}, "appName": "Batch",
    }  # fmt: skip
    return {**record, **changes}


UNSUBSCRIBED = {"portalSubscriptionStatus": "UNSUBSCRIBED", "source": "SOURCE_RECIPIENT"}
EMAILS = {
    "sent": (email("SENT"), ("email sent", "company", True)),
    "delivered": (email("DELIVERED"), ("email delivered", "system", True)),
    "bounced": (email("BOUNCE"), ("email bounced", "system", True)),
    "dropped": (email("DROPPED"), ("email dropped", "system", True)),
    "opened": (email("OPEN"), ("email opened", "system", True)),
    "clicked": (email("CLICK"), ("email clicked", "customer", False)),
    "clicked by a scanner": (email("CLICK", filteredEvent=True), ("email clicked", "system", True)),
    "taken back": (email("CLICK", obsoletedBy={"id": "x"}), ("email clicked", "system", True)),
    "unsubscribed": (email("STATUSCHANGE", **UNSUBSCRIBED), ("email unsubscribed", "customer", False)),
    "unsubscribed by an import": (
        email("STATUSCHANGE", **{**UNSUBSCRIBED, "source": "SOURCE_CUSTOMER"}), ("email unsubscribed", "system", True),
    ),
    "subscribed": (email("STATUSCHANGE", portalSubscriptionStatus="SUBSCRIBED"), ("email subscription changed", "customer", False)),
    "marked as spam": (email("SPAMREPORT"), ("email reported as spam", "customer", False)),
    "of a kind to come": (email("TELEPORTED"), ("email teleported", "system", True)),
}  # fmt: skip


@pytest.mark.parametrize("case", EMAILS)
def test_email_event(tmp_path: Path, case: str) -> None:
    """Delivery is background; what the recipient does is a contact."""
    record, expected = EMAILS[case]
    loaded = load(tmp_path, "hubspot", {"email_events.json": json_document("events", record)})
    (event,) = loaded.events()
    assert (event["event_name"], event["initiator"], event["is_background"]) == expected
    assert (event["channel"], event["campaign_name"], event["object_id"]) == ("email", "91", "sent-1")
    assert loaded.hashes(event) == {identifier_hash("email", "c7@example.com")}


def test_flattened_email_events_look_up_the_subscription(tmp_path: Path) -> None:
    """The side tables have no time of their own."""
    event = {
        "id": "e1",
        "created": "2024-05-01 10:00:00",
        "type": "STATUSCHANGE",
        "recipient": "c@example.com",
    }
    change = {"id": "e1", "portal_subscription_status": "UNSUBSCRIBED", "source": "SOURCE_RECIPIENT"}
    click = {"id": "e2", "referer": "", "url": "https://example.com", "user_agent": "x"}
    loaded = load(
        tmp_path,
        "hubspot",
        {
            "email_event_data.csv": csv_text(event),
            "email_event_status_change_data.csv": csv_text(change),
            "email_event_click_data.csv": csv_text(click),
        },
    )
    assert facts(loaded) == [("email unsubscribed", "customer", "email", False)]
    assert [file.status for file in loaded.files] == ["read", "lookup", "lookup"]


def test_form_submission_names_its_page_and_the_sender(tmp_path: Path) -> None:
    """The values of the form identify; its free text is not kept. The flattened row of it is a duplicate."""
    values = [{"name": "email", "value": "c7@example.com"}, {"name": "message", "value": "Call me"}]
    form = {
        "submittedAt": MAY,
        "conversionId": "k1",
        "formId": "f1",
        "pageUrl": "https://example.com/contact/?a=1",
        "values": values,
    }
    row = {"timestamp": "2024-05-01 10:00:00", "form_id": "f1", "contact_id": 7, "conversion_id": "k1"}
    loaded = load(
        tmp_path,
        "hubspot",
        {"a.json": json_document("results", form), "contact_form_submission_data.csv": csv_text(row)},
    )
    (event,) = loaded.events()
    assert facts(loaded) == [("form submitted", "customer", "web", False)]
    assert (event["page_path"], event["object_type"], event["object_id"], event["kinds"]) == (
        "/contact",
        "form",
        "f1",
        "email",
    )
    assert loaded.counts() == [(1, 1, 0, 0), (1, 0, 1, 0)]


ENGAGEMENTS = {
    "CALL": ("sales call", "company", "phone", False),
    "EMAIL": ("sales email", "company", "email", False),
    "INCOMING_EMAIL": ("email from customer", "customer", "email", False),
    "NOTE": ("note", "system", "sales", True),
    "TASK": ("task", "system", "sales", True),
}


@pytest.mark.parametrize("kind", ENGAGEMENTS)
def test_engagement(tmp_path: Path, kind: str) -> None:
    """Calls and mails are contacts, notes and tasks are not; document and table hold the same engagement."""
    record = {"engagement": {"id": 3, "type": kind, "timestamp": MAY}, "associations": {"contactIds": [7]}}
    row = {"engagement_id": 3, "property_hs_timestamp": "2024-05-01 10:00:00", "type": kind}
    loaded = load(
        tmp_path,
        "hubspot",
        {"a.json": json_document("results", record), "engagement_call_data.csv": csv_text(row)},
    )
    assert facts(loaded) == [ENGAGEMENTS[kind]]
    assert loaded.events()[0]["kinds"] == "contact_id"
    assert loaded.counts() == [(1, 1, 0, 0), (1, 0, 1, 0)]


def test_times_in_seconds_are_not_guessed_at(tmp_path: Path) -> None:
    """HubSpot writes milliseconds; a number that means 1970 is quarantined."""
    loaded = load(tmp_path, "hubspot", {"e.json": json_document("events", email(created=MAY // 1000))})
    assert loaded.quarantine() == [(1, "implausible time")]
    assert utc("2024-05-01T10:00:00") == MAY * 1000


def test_record_without_its_id_is_quarantined(tmp_path: Path) -> None:
    loaded = load(tmp_path, "hubspot", {"e.json": json_document("events", email(), email(id=None))})
    assert loaded.quarantine() == [(2, "no id")]
    loaded.assert_conserved()
