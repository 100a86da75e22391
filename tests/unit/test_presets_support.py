"""The Zendesk preset: tickets, their audits and ratings in documents and tables, and the events that they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unit.loaded import Loaded, csv_text, identifier_hash, json_document, json_lines, load, utc

REQUESTER, AGENT, STRANGER = 900, 35, 901


def facts(loaded: Loaded) -> list[tuple[str, str, str | None, bool]]:
    return [(e["event_name"], e["initiator"], e["channel"], e["is_background"]) for e in loaded.events()]


def user(number: int = REQUESTER, role: str = "end-user", **changes: Any) -> dict[str, Any]:
    record = {
        "id": number, "role": role, "email": "Ada@Example.com", "phone": "+493012345678", "external_id": "K1",
        "created_at": "2024-05-01T10:00:00Z", "updated_at": "2024-05-01T10:00:00Z", "name": "Ada",
    }  # fmt: skip
    return {**record, **changes}


def ticket(**changes: Any) -> dict[str, Any]:
    record = {
        "id": 47, "requester_id": REQUESTER, "status": "solved", "via": {"channel": "email", "source": {}},
        "created_at": "2024-05-01T10:00:00Z", "updated_at": "2024-05-04T10:00:00Z", "subject": "Help",
    }  # fmt: skip
    return {**record, **changes}


def audit(
    *events: dict[str, Any],
    number: int = 1,
    at: str = "2024-05-02T10:00:00Z",
    author: int = AGENT,
    via: str = "web",
) -> dict[str, Any]:
    numbered = [{"id": number * 100 + index, **event} for index, event in enumerate(events)]
    return {
        "id": number,
        "ticket_id": 47,
        "created_at": at,
        "author_id": author,
        "via": {"channel": via},
        "events": numbered,
    }


def status(value: str, previous: str | None) -> dict[str, Any]:
    return {"type": "Change", "field_name": "status", "value": value, "previous_value": previous}


def comment(author: int = AGENT, public: bool = True) -> dict[str, Any]:
    return {"type": "Comment", "author_id": author, "public": public, "body": "secret words"}


def read(folder: Path, *audits: dict[str, Any]) -> Loaded:
    """The ticket, its requester and the audits; events of the ticket and the user come first."""
    return load(
        folder,
        "zendesk",
        {
            "users.json": json_document("users", user(), user(STRANGER), user(AGENT, "agent")),
            "tickets.json": json_document("tickets", ticket()),
            "ticket_audits.json": json_document("audits", *audits),
        },
    )


def test_ticket_is_created_by_its_requester(tmp_path: Path) -> None:
    """Its state then was new, whatever it is now; its channel is the medium of the request."""
    loaded = load(tmp_path, "zendesk", {"tickets.json": json_document("tickets", ticket())})
    (event,) = loaded.events()
    assert facts(loaded) == [("ticket created", "customer", "email", False)]
    assert (event["object_type"], event["object_id"], event["status"]) == ("ticket", "47", "new")
    assert event["occurred_us"] == utc("2024-05-01T10:00:00")
    assert loaded.hashes(event) == {identifier_hash("requester_id", "zendesk:900")}


def test_deleted_ticket_keeps_its_event_and_says_so(tmp_path: Path) -> None:
    loaded = load(tmp_path, "zendesk", {"tickets.json": json_document("tickets", ticket(status="deleted"))})
    assert loaded.events()[0]["status"] == "deleted"


CHANNELS = {
    "web": "web", "mobile_sdk": "web", "email": "email", "chat": "chat", "native_messaging": "chat", "whatsapp": "chat",
    "voice": "phone", "facebook": "social", "sms": "sms", "api": "support", "rule": "support",
}  # fmt: skip


@pytest.mark.parametrize("via", CHANNELS)
def test_channel_of_a_ticket(tmp_path: Path, via: str) -> None:
    """Zendesk's way in, as the medium of contact; in documents and in tables."""
    flat = csv_text(
        {
            "id": 48,
            "requester_id": 1,
            "status": "new",
            "created_at": "2024-05-02 10:00:00",
            "via_channel": via,
        }
    )
    loaded = load(
        tmp_path,
        "zendesk",
        {"t.json": json_document("tickets", ticket(via={"channel": via})), "ticket_data.csv": flat},
    )
    assert [event["channel"] for event in loaded.events()] == [CHANNELS[via]] * 2


def test_ticket_exported_again_is_the_same_ticket(tmp_path: Path) -> None:
    """Incremental exports repeat items that changed."""
    loaded = load(
        tmp_path, "zendesk", {"a.json": json_document("tickets", ticket(), ticket(status="closed"))}
    )
    assert loaded.counts() == [(2, 1, 1, 0)]


def test_solved_time_of_the_metrics_is_the_change_in_the_audit(tmp_path: Path) -> None:
    """A ticket with its metrics has a second item, which an audit of the same change repeats."""
    with_metrics = ticket(metric_set={"solved_at": "2024-05-02T10:00:00Z"})
    loaded = load(tmp_path, "zendesk", {"t.json": json_document("tickets", with_metrics)})
    loaded.read({"a.json": json_document("audits", audit(status("solved", "open")))})
    assert [event["event_name"] for event in loaded.events()] == ["ticket created", "ticket solved"]
    assert loaded.warehouse.value("select count(*) from duplicates") == 1


def test_users_identify_customers_but_not_agents(tmp_path: Path) -> None:
    """An end user's account carries every identifier; it is no contact."""
    records = [user(), user(AGENT, "agent", created_at="2024-05-03T10:00:00Z", updated_at=None)]
    loaded = load(tmp_path, "zendesk", {"users.json": json_document("users", *records)})
    customer, agent = loaded.events()
    assert facts(loaded) == [("user created", "system", None, True)] * 2
    assert loaded.hashes(customer) == {
        identifier_hash("requester_id", "zendesk:900"),
        identifier_hash("email", "ada@example.com"),
        identifier_hash("phone", "+493012345678"),
        identifier_hash("user_id", "K1"),
    }
    assert agent["identity_key"] is None


def test_user_that_changed_brings_its_new_identifiers(tmp_path: Path) -> None:
    """The creation is known already, the change is not."""
    later = user(email="new@example.com", updated_at="2024-06-01T10:00:00Z")
    loaded = load(tmp_path, "zendesk", {"a.json": json_document("users", user(), later)})
    assert [event["event_name"] for event in loaded.events()] == ["user created", "user updated"]
    assert identifier_hash("email", "new@example.com") in loaded.hashes(loaded.events()[1])


AUDITS: dict[str, tuple[dict[str, Any], list[tuple[str, str, str | None, bool]]]] = {
    "an agent replies": (audit(comment()), [("support reply", "company", "email", False)]),
    "an internal note": (audit(comment(public=False)), [("internal note", "company", "email", True)]),
    "the requester answers": (
        audit(comment(REQUESTER), author=REQUESTER, via="chat"), [("customer reply", "customer", "chat", False)],
    ),
    "somebody in copy answers": (
        audit(comment(STRANGER), author=STRANGER, via="email"), [("customer reply", "customer", "email", False)],
    ),
    "a call is recorded": (
        audit({"type": "VoiceComment", "public": True}), [("support reply", "company", "phone", False)],
    ),
    "solved": (audit(status("solved", "open")), [("ticket solved", "company", "email", False)]),
    "reopened by the customer": (
        audit(status("open", "solved"), author=REQUESTER), [("ticket reopened", "customer", "email", False)],
    ),
    "reopened by an agent": (audit(status("open", "solved")), [("ticket reopened", "company", "email", False)]),
    "waiting for the customer": (audit(status("pending", "open")), [("ticket pending", "company", "email", True)]),
    "on hold": (audit(status("hold", "open")), [("ticket on hold", "company", "email", True)]),
    "closed by the system": (audit(status("closed", "solved"), author=-1), [("ticket closed", "system", "email", True)]),
    "another field": (
        audit({"type": "Change", "field_name": "priority", "value": "high", "previous_value": None}),
        [("ticket field changed", "system", "email", True)],
    ),
    "a list as value": (
        audit({"type": "Change", "field_name": "tags", "value": ["a", "b"], "previous_value": ["a"]}),
        [("ticket field changed", "system", "email", True)],
    ),
    "a mail to the agent": (audit({"type": "Notification", "body": "x"}), [("notification sent", "system", "email", True)]),
    "nothing that we know": (audit(), [("ticket updated", "system", "email", True)]),
    "the request itself": (
        audit({"type": "Create", "field_name": "status", "value": "new"}, comment(REQUESTER), author=REQUESTER, via="email",
              at="2024-05-01T10:00:00Z"),
        [("ticket field changed", "system", "email", True), ("ticket request", "customer", "email", True)],
    ),
    "several at once": (
        audit(comment(), status("solved", "open")),
        [("support reply", "company", "email", False), ("ticket solved", "company", "email", False)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AUDITS)
def test_audit(tmp_path: Path, case: str) -> None:
    """Each event of an audit is an item; the first comment is the request, for which the ticket's creation stands."""
    record, expected = AUDITS[case]
    loaded = read(tmp_path, record)
    found = [fact for fact in facts(loaded) if fact[0] not in ("user created", "ticket created")]
    assert found == expected
    assert loaded.counts()[2] == (1, len(expected), 0, 0)


def test_events_of_a_ticket_belong_to_its_requester(tmp_path: Path) -> None:
    """Only a customer's own words belong to whoever wrote them."""
    loaded = read(tmp_path, audit(comment(), comment(STRANGER), status("solved", "open")))
    owners = {
        event["event_name"]: loaded.hashes(event)
        for event in loaded.events()
        if event["object_type"] == "ticket"
    }
    requester = {identifier_hash("requester_id", "zendesk:900")}
    assert owners["support reply"] == owners["ticket solved"] == requester
    assert owners["customer reply"] == {identifier_hash("requester_id", "zendesk:901")}


def test_audit_without_its_ticket_names_no_customer(tmp_path: Path) -> None:
    """What an agent does on an unknown ticket is kept, and nobody's."""
    loaded = load(tmp_path, "zendesk", {"audits.jsonl": json_lines(audit(comment()))})
    assert [event["identity_key"] for event in loaded.events()] == [None]


def ticket_event(*children: dict[str, Any], at: int = 1_714_644_000, updater: int = AGENT) -> dict[str, Any]:
    """An entry of the incremental export of ticket events: the same facts in another shape."""
    return {"id": 1, "ticket_id": 47, "timestamp": at, "updater_id": updater, "via": "Web form", "event_type": "Audit",
            "child_events": list(children)}  # fmt: skip


def test_ticket_events_and_audits_are_the_same_facts(tmp_path: Path) -> None:
    """Seconds since 1970 here, ISO 8601 there; comments by their id, changes of status by their time."""
    children = [
        {"id": 100, "event_type": "Comment", "comment_present": True, "comment_public": True},
        {"id": 101, "event_type": "Change", "status": "solved", "previous_value": "open"},
    ]
    loaded = read(tmp_path, audit(comment(), status("solved", "open")))
    loaded.read({"events.json": json_document("ticket_events", ticket_event(*children))})
    assert loaded.counts()[-1] == (1, 0, 2, 0)


def test_flattened_tables_tell_the_same_story(tmp_path: Path) -> None:
    """Comments and field history in tables: reply, reopening by the status before, first comment as the request."""
    comments = csv_text(
        {"id": 1, "ticket_id": 47, "user_id": REQUESTER, "public": "TRUE", "created": "2024-05-01 10:00:00"},
        {"id": 2, "ticket_id": 47, "user_id": AGENT, "public": "TRUE", "created": "2024-05-01 11:00:00"},
        {"id": 3, "ticket_id": 47, "user_id": AGENT, "public": "FALSE", "created": "2024-05-01 11:30:00"},
    )
    history = [("solved", "12"), ("open", "13"), ("solved", "14"), ("solved", "14")]
    changes = csv_text(
        *({"field_name": "status", "ticket_id": 47, "updated": f"2024-05-01 {hour}:00:00", "user_id": "", "value": value}
          for value, hour in history)
    )  # fmt: skip
    loaded = load(
        tmp_path,
        "zendesk",
        {
            "tickets.json": json_document("tickets", ticket()),
            "ticket_comment_data.csv": comments,
            "ticket_field_history_data.csv": changes,
        },
    )
    assert [event["event_name"] for event in loaded.events() if event["event_name"] != "ticket created"] == [
        "ticket request", "support reply", "internal note", "ticket solved", "ticket reopened", "ticket solved",
    ]  # fmt: skip
    assert loaded.counts() == [(1, 1, 0, 0), (3, 3, 0, 0), (4, 3, 1, 0)]
    assert {event["kinds"] for event in loaded.events()} == {"requester_id"}


def rating(score: str, number: int = 5) -> dict[str, Any]:
    return {
        "id": number, "ticket_id": 47, "requester_id": REQUESTER, "score": score, "comment": "slow",
        "created_at": "2024-05-03T10:00:00Z", "updated_at": "2024-05-03T12:00:00Z",
    }  # fmt: skip


RATINGS = {"good": 1.0, "bad": 0.0, "good with comment": 1.0, "bad with comment": 0.0}


@pytest.mark.parametrize("score", RATINGS)
def test_rating(tmp_path: Path, score: str) -> None:
    """Good is 1 and bad is 0 of CSAT; an answer implies the offer before it."""
    loaded = load(tmp_path, "zendesk", {"r.json": json_document("satisfaction_ratings", rating(score))})
    offered, answered = loaded.events()
    assert facts(loaded) == [
        ("survey offered", "company", "survey", True),
        ("survey answered", "customer", "survey", False),
    ]
    assert (offered["score_kind"], offered["score"]) == ("csat", None)
    assert [answered[name] for name in ("score_kind", "score", "score_min", "score_max")] == [
        "csat",
        RATINGS[score],
        0,
        1,
    ]
    assert answered["occurred_us"] == utc("2024-05-03T12:00:00")


def test_offer_is_no_score_and_counts_once(tmp_path: Path) -> None:
    """The same rating, exported before and after the answer, and its traces in the audit."""
    loaded = load(
        tmp_path,
        "zendesk",
        {"r.json": json_document("satisfaction_ratings", rating("offered"), rating("good"))},
    )
    change = {
        "type": "Change",
        "field_name": "satisfaction_score",
        "value": "good",
        "previous_value": "offered",
    }
    loaded.read({"a.json": json_document("audits", audit(change, author=REQUESTER))})
    assert sorted(event["event_name"] for event in loaded.events()) == ["survey answered", "survey offered"]
    assert loaded.warehouse.value("select count(*) from duplicates") == 2


def test_numeric_survey_response(tmp_path: Path) -> None:
    """One to five; an answer off the scale is quarantined, an open answer is no score."""
    answers = [
        {"type": "rating_scale", "rating": 4, "created_at": "2024-05-03T12:00:00Z"},
        {"type": "open_ended", "value": "fine", "created_at": "2024-05-03T12:00:00Z"},
        {"type": "rating_scale", "rating": 6, "created_at": "2024-05-03T12:00:00Z"},
    ]
    record = {
        "id": "S1",
        "responder_id": REQUESTER,
        "answers": answers,
        "subjects": [{"type": "ticket", "id": "47"}],
    }
    loaded = load(tmp_path, "zendesk", {"s.json": json_document("survey_responses", record)})
    assert [(e["score"], e["score_max"], e["is_background"]) for e in loaded.events()] == [
        (4, 5, False),
        (None, None, True),
    ]
    assert loaded.quarantine() == [(1, "score outside its scale")]
    loaded.assert_conserved()


def test_words_of_customers_and_agents_are_not_kept(tmp_path: Path) -> None:
    """No comment, subject or name is in the store's bytes."""
    loaded = read(tmp_path, audit(comment()))
    loaded.warehouse.execute("checkpoint store")
    stored = (tmp_path / "s.duckdb").read_bytes()
    assert b"secret words" not in stored
    assert b"ada@example.com" not in stored.lower()
