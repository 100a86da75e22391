"""Plain readers of the sample company's raw exports, and what can be counted there without any of the library."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

Pair = tuple[str, str]
"""Identifier type, identifier."""


def files_of(folder: Path) -> dict[str, bytes]:
    """Content by relative name; what is compressed is unpacked, since zlib's versions pack differently."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith("journeys/"):
            found[name] = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return found


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_web_lines(out: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((out / "web").iterdir()):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            yield path.name, line


def read_event(line: bytes) -> dict[str, Any] | None:
    """The event on a line, or None if the line is broken in one of the four planted ways."""
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    is_sane = event["event_name"] and int(event["event_timestamp"]) < 4_102_444_800_000_000
    return event if is_sane else None


@cache
def read_events(out: Path) -> list[dict[str, Any]]:
    """Every distinct sane event of the web export."""
    lines = dict.fromkeys(line for _, line in read_web_lines(out))
    return [event for event in map(read_event, lines) if event]


def read_documents(out: Path, pattern: str, key: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted(out.glob(pattern)):
        found += json.loads(path.read_text(encoding="utf-8"))[key]
    return found


def read_answers(path: Path) -> list[dict[str, str]]:
    return read_rows(path)[2:]


def exported_identifiers(out: Path) -> Iterator[Pair]:
    """Every identifier in the exports, as written."""
    for event in read_events(out):
        yield "cookie", event.get("user_pseudo_id", "")
        yield "user_id", event.get("user_id", "")
    yield from crm_identifiers(out)
    for user in read_documents(out, "support/users*.json", "users"):
        if user["role"] == "end-user":
            yield "requester_id", str(user["id"])
            for kind, name in (("email", "email"), ("phone", "phone"), ("user_id", "external_id")):
                yield kind, user[name] or ""
    for survey in ("nps", "ces"):
        for answer in read_answers(out / "survey" / f"{survey}.csv"):
            yield "email", answer["RecipientEmail"]
            yield "user_id", answer["ExternalReference"]


def crm_identifiers(out: Path) -> Iterator[Pair]:
    """Those of contacts, e-mail events and forms."""
    for contact in read_documents(out, "crm/contacts*.json", "contacts"):
        yield from (("contact_id", str(vid)) for vid in (contact["vid"], *contact["merged-vids"]))
        for kind, name in (("email", "email"), ("phone", "phone"), ("user_id", "customer_id")):
            yield kind, contact["properties"].get(name, {"value": ""})["value"]
        identities = [
            identity for profile in contact["identity-profiles"] for identity in profile["identities"]
        ]
        yield from ((identity["type"].lower(), identity["value"]) for identity in identities)
    for event in read_documents(out, "crm/email_events*.json", "events"):
        yield "email", event["recipient"]
    for form in read_documents(out, "crm/form_submissions*.json", "results"):
        yield "email", next(value["value"] for value in form["values"] if value["name"] == "email")


def normalised(value: str) -> str:
    return re.sub(r"[ -]", "", value) if value.startswith("+") else value.lower()


def users_of_cookies(out: Path) -> dict[str, set[str]]:
    """The accounts that were logged in on each cookie."""
    users = defaultdict(set)
    for event in read_events(out):
        if event.get("user_id", "undefined") != "undefined" and "user_pseudo_id" in event:
            users[event["user_pseudo_id"]].add(event["user_id"])
    return users


def exported_links(out: Path) -> Iterator[tuple[Pair, Pair]]:
    """Pairs of identifiers that stand in one record; a cookie with two accounts links nothing."""
    shared = {cookie for cookie, users in users_of_cookies(out).items() if len(users) > 1}
    for event in read_events(out):
        if event.get("user_pseudo_id", "") not in shared:
            yield ("cookie", event.get("user_pseudo_id", "")), ("user_id", event.get("user_id", ""))
    for contact in read_documents(out, "crm/contacts*.json", "contacts"):
        yield from contact_links(contact)
    for user in read_documents(out, "support/users*.json", "users"):
        for kind, name in (("email", "email"), ("phone", "phone"), ("user_id", "external_id")):
            yield ("requester_id", str(user["id"])), (kind, normalised(user.get(name) or ""))
    for survey in ("nps", "ces"):
        for answer in read_answers(out / "survey" / f"{survey}.csv"):
            yield ("email", answer["RecipientEmail"]), ("user_id", answer["ExternalReference"])


def contact_links(contact: dict[str, Any]) -> Iterator[tuple[Pair, Pair]]:
    """Those of one CRM contact, merged ones included."""
    here = ("contact_id", str(contact["vid"]))
    for kind, name in (("email", "email"), ("phone", "phone"), ("user_id", "customer_id")):
        yield here, (kind, normalised(contact["properties"].get(name, {"value": ""})["value"]))
    for profile in contact["identity-profiles"]:
        yield here, ("contact_id", str(profile["vid"]))
        for identity in profile["identities"]:
            yield (
                ("contact_id", str(profile["vid"])),
                (identity["type"].lower(), normalised(identity["value"])),
            )


def owners_of(out: Path, kind: str) -> dict[str, str]:
    rows = read_rows(out / "truth" / "identifiers.csv")
    return {
        r["identifier"]: r["true_customer"]
        for r in rows
        if r["identifier_type"] == kind and r["status"] == "owned"
    }


def sharing_people(out: Path) -> set[str]:
    rows = read_rows(out / "truth" / "identifiers.csv")
    return {row["true_customer"] for row in rows if row["status"] == "shared_device"}


def iso(moment_us: int) -> str:
    whole, micros = divmod(moment_us, 1_000_000)
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{micros:06d}Z"


def first_waits(out: Path) -> dict[int, timedelta]:
    """Time to the first comment by somebody other than the requester, per ticket."""
    opened: dict[int, tuple[int, datetime]] = {}
    waits: dict[int, timedelta] = {}
    for audit in read_documents(out, "support/ticket_audits*.json", "audits"):
        moment, comments = datetime.fromisoformat(audit["created_at"]), [e["type"] for e in audit["events"]]
        requester, since = opened.setdefault(audit["ticket_id"], (audit["author_id"], moment))
        if "Comment" in comments and audit["author_id"] != requester:
            waits.setdefault(audit["ticket_id"], moment - since)
    return waits


def visits_by_user(out: Path) -> dict[str, list[tuple[int, str, bool]]]:
    """Start, medium and purchase of each visit of people with one known user id, from the raw events."""
    query = """
        select user_id, min(event_timestamp), any_value(session_traffic_source_last_click.manual_campaign.medium),
            bool_or(event_name = 'purchase')
        from read_parquet(?) where user_id like 'u_%' and event_timestamp < 4e15
        group by user_id, user_pseudo_id, list_filter(event_params, lambda p: p.key = 'ga_session_id')
        order by 1, 2
    """
    with duckdb.connect() as connection:
        rows = connection.execute(query, [str(out / "web" / "*.parquet")]).fetchall()
    visits = defaultdict(list)
    for user, *visit in rows:
        visits[user].append(tuple(visit))
    return visits


def checkouts(out: Path) -> dict[str, tuple[int, int, int]]:
    """Checkouts, errors and purchases by device category, from the raw events."""
    query = """
        select device.category, count(*) filter (event_name = 'begin_checkout'),
            count(*) filter (event_name = 'checkout_error'), count(*) filter (event_name = 'purchase')
        from (select distinct * from read_parquet(?)) where event_timestamp < 4e15 group by all
    """
    with duckdb.connect() as connection:
        rows = connection.execute(query, [str(out / "web" / "*.parquet")]).fetchall()
    return {category: (started, failed, bought) for category, started, failed, bought in rows}
