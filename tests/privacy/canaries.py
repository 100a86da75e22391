"""Canaries: made-up people whose words can be found again in any byte, the exports that hold them, and the search."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb

FORBIDDEN = (
    "zqanna", "zqbruno", "zqwobbleworth", "493055501771", "0305550177", "zquser7781", "zqcookie9931", "zqtoken",
    "zqfreetext", "zqdenied", "zqagent", "zqsession", "zqclick", "zquser0",
)  # fmt: skip
"""Cores of identifiers and texts of records that are read or refused: none may be anywhere but in the exports."""
QUARANTINED = ("zqbroken",)
"""Cores that stand in broken records only: the private store keeps them."""
EMAIL = "zqanna.wobble@canary-mail.example"
SPELLINGS = (
    EMAIL,
    EMAIL.upper(),
    f"  {EMAIL.title()}  ",
    quote(EMAIL, safe=""),
    quote(quote(EMAIL, safe=""), safe=""),
)
PHONES = ("+49 30 5550 1771", "004930 55501771", "+49-30-5550-1771", "%2B493055501771")
NAME = "Zqwobbleworth O'Canary"
TIME_US = 1767261600_000000
"""2026-01-01 10:00 UTC."""
_PACKED, _INFLATED = 4 << 20, 64 << 20
HASHED = (
    EMAIL,
    EMAIL.upper(),
    "+493055501771",
    "zquser7781",
    "zqcookie9931",
    "zqsession17",
    f"email:{EMAIL}",
)
"""What an unkeyed hash could stand for."""


def write_exports(folder: Path, rows: int) -> Path:
    """The journey.yaml of a company with canaries in every place that a vendor's export has for them."""
    for name in ("web", "crm", "support", "survey"):
        (folder / name).mkdir(parents=True)
    _write_ga4(folder / "web" / "events_20260101.jsonl.gz")
    _write_snowplow(folder / "web" / "atomic.csv")
    _write_crm(folder / "crm")
    _write_support(folder / "support")
    _write_survey(folder / "survey" / "nps.csv")
    _write_table(folder / "log.csv", rows)
    (folder / "journey.yaml").write_text(
        "home: journeys\nmemory_limit: 112MB\nthreads: 2\nsources:\n"
        "  log: {system: table, path: log.csv, timezone: UTC, columns: {actor: agent, object_id: thing}}\n"
        "  ga: {system: ga4, path: web/*.jsonl.gz}\n  snow: {system: snowplow, path: web/atomic.csv}\n"
        "  crm: {system: hubspot, path: crm/}\n  support: {system: zendesk, path: support/}\n"
        "  survey: {system: qualtrics, path: survey/*.csv, timezone: UTC}\n",
        encoding="utf-8",
    )
    return folder / "journey.yaml"


def _visit(number: int, location: str, consent: str = "Yes", **more: Any) -> dict[str, Any]:
    text = [
        ("page_location", location),
        ("page_title", f"{NAME} zqfreetext"),
        ("term", EMAIL),
        ("q", "zqfreetext"),
    ]
    params = [{"key": key, "value": {"string_value": value}} for key, value in text]
    params.append({"key": "ga_session_id", "value": {"string_value": "zqsession17"}})
    return {
        "event_timestamp": str(TIME_US + number * 60_000_000), "event_name": "page_view", "event_params": params,
        "user_pseudo_id": "zqcookie9931", "user_id": "zquser7781", "stream_id": "1",
        "privacy_info": {"analytics_storage": consent, "ads_storage": "Yes"},
        "collected_traffic_source": {"gclid": "zqclick1", "manual_campaign_name": f"win back {EMAIL}"}, **more,
    }  # fmt: skip


def _write_ga4(path: Path) -> None:
    base = "https://zqbruno:zqtoken1@shop.example"
    places = [
        f"/account/{spelling.strip()}/edit?email={spelling.strip()}&token=zqtoken2#zqtoken3"
        for spelling in SPELLINGS
    ]
    places += [f"/call/{quote(phone)}?tel={quote(phone)}" for phone in PHONES]
    places += [
        "/reset/zqtoken4AbCdEf0123456789XyZ",
        "/x;jsessionid=zqtoken5",
        "/s/q=zqfreetext",
        "/y%3Femail=zqanna",
    ]
    events = [_visit(number, base + place) for number, place in enumerate(places)]
    events.append(_visit(90, base, event_name=f"mail to {EMAIL}", ecommerce={"transaction_id": EMAIL}))
    events.append(_visit(91, base + "/zqdenied", "No", user_id="zqdenied1", user_pseudo_id="zqdenied2"))
    events.append({"event_timestamp": "zqbroken-time", "event_name": "page_view", "user_id": "zqbroken1"})
    lines = [json.dumps(event) for event in events] + ['{"event_name": "zqbroken2", ']
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


def _write_snowplow(path: Path) -> None:
    preferences = "unstruct_event_com_snowplowanalytics_snowplow_consent_preferences_1_0_0"
    row = {
        "event_id": "e1", "event": "struct", "event_name": "event", "collector_tstamp": "2026-01-01 11:00:00", "user_id": "zquser7781",
        "domain_userid": "zqcookie9931", "network_userid": "zqcookie9931n", "domain_sessionid": "zqsession18",
        "page_url": f"https://shop.example/u/{EMAIL}?q=zqfreetext", "se_action": f"share with {EMAIL}", "se_label": "zqfreetext",
        "mkt_campaign": "call +49 30 5550 1771", "user_ipaddress": "203.0.113.7", "page_title": NAME, "tr_orderid": PHONES[0], preferences: "",
    }  # fmt: skip
    denied = {
        **row,
        "event_id": "e2",
        "user_id": "zqdenied3",
        "page_url": "/zqdenied",
        preferences: '{"eventType": "deny_all"}',
    }
    _write_csv(
        path,
        [
            row,
            denied,
            {
                **dict.fromkeys(row, ""),
                "event_id": "e3",
                "collector_tstamp": "zqbroken3",
                "user_id": "zqbroken4",
            },
        ],
    )


def _write_crm(folder: Path) -> None:
    contact = {
        "vid": 501, "properties": {
            "email": {"value": EMAIL.upper()}, "phone": {"value": PHONES[0]}, "firstname": {"value": "zqanna"},
            "lastname": {"value": NAME}, "customer_id": {"value": "zquser7781"}, "createdate": {"value": "1767261600000"},
            "notes": {"value": "zqfreetext"},
        },
        "identity-profiles": [], "merge-audits": [], "form-submissions": [],
    }  # fmt: skip
    (folder / "contacts.json").write_text(json.dumps({"contacts": [contact]}))
    form = {
        "conversionId": f"zqtoken6-{EMAIL}", "formId": "f", "submittedAt": 1767265200000, "pageUrl": f"https://shop.example/f?email={EMAIL}",
        "values": [{"name": "email", "value": EMAIL}, {"name": "message", "value": "zqfreetext"}, {"name": "phone", "value": PHONES[1]}],
    }  # fmt: skip
    (folder / "forms.json").write_text(json.dumps({"results": [form]}))
    mails = [
        {
            "id": f"{kind}-7",
            "type": kind,
            "created": 1767268800000,
            "recipient": EMAIL,
            "subject": "zqfreetext",
            "url": f"https://x.example/?e={EMAIL}",
        }
        for kind in ("SENT", "CLICK")
    ]
    (folder / "mails.json").write_text(json.dumps({"events": mails}))
    deal = {
        "id": "7",
        "properties": {
            "dealname": NAME,
            "dealstage": f"waiting for {EMAIL}",
            "createdate": "2026-01-01T10:00:00Z",
        },
    }
    history = {"dealstage": [{"value": f"waiting for {EMAIL}", "timestamp": "2026-01-01T12:00:00Z"}]}
    deal |= {"propertiesWithHistory": history, "associations": {"contacts": {"results": [{"id": "501"}]}}}
    (folder / "deals.json").write_text(json.dumps({"results": [deal]}))


def _write_support(folder: Path) -> None:
    user = {
        "id": 31,
        "role": "end-user",
        "email": EMAIL,
        "phone": PHONES[2],
        "name": NAME,
        "external_id": "zquser7781",
        "created_at": "2026-01-01T09:00:00Z",
    }
    agent = {
        **user,
        "id": 32,
        "role": "agent",
        "name": "zqagent",
        "email": "zqagent@shop.example",
        "external_id": None,
    }
    (folder / "users.json").write_text(json.dumps({"users": [user, agent]}))
    ticket = {
        "id": 9, "requester_id": 31, "status": "solved", "created_at": "2026-01-02T10:00:00Z", "via": {"channel": "email", "source": {"from": {"address": EMAIL}}},
        "subject": f"zqfreetext from {NAME}", "description": f"call me: {PHONES[0]}", "recipient": EMAIL,
    }  # fmt: skip
    (folder / "tickets.json").write_text(json.dumps({"tickets": [ticket]}))
    comment = {"id": 1, "type": "Comment", "body": f"zqfreetext {EMAIL}", "public": True, "author_id": 31}
    change = {
        "id": 2,
        "type": "Change",
        "field_name": "status",
        "value": f"waits for {EMAIL}",
        "previous_value": "new",
    }
    audit = {
        "id": 77,
        "ticket_id": 9,
        "created_at": "2026-01-02T11:00:00Z",
        "author_id": 31,
        "events": [comment, change],
    }
    (folder / "ticket_audits.json").write_text(json.dumps({"audits": [audit]}))
    rating = {
        "id": 5,
        "score": "good",
        "comment": f"zqfreetext {NAME}",
        "ticket_id": 9,
        "requester_id": 31,
        "created_at": "2026-01-03T10:00:00Z",
    }
    (folder / "ratings.json").write_text(json.dumps({"satisfaction_ratings": [rating]}))


def _write_survey(path: Path) -> None:
    head = [
        "ResponseId",
        "EndDate",
        "RecordedDate",
        "Finished",
        "RecipientEmail",
        "RecipientFirstName",
        "ExternalReference",
        "IPAddress",
        "Q_NPS",
        "Q_WHY",
    ]
    row = [
        "R_zqtoken8",
        "2026-01-04 10:00:00",
        "2026-01-04 10:00:00",
        "1",
        EMAIL,
        NAME,
        "zquser7781",
        "203.0.113.7",
        "9",
        f"zqfreetext\n{EMAIL}",
    ]
    bad = [
        "R_zqbroken5",
        "zqbroken6",
        "zqbroken6",
        "1",
        "zqbroken@canary.example",
        "",
        "",
        "",
        "9",
        "zqbroken7",
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, head, [f'{{"ImportId":"{name}"}}' for name in head], row, bad])


def _write_table(path: Path, rows: int) -> None:
    """A log with many customers, so that a run with little memory spills, and a few hostile lines."""
    head = [
        "customer_id",
        "occurred_at",
        "touchpoint",
        "email",
        "phone",
        "cookie",
        "agent",
        "thing",
        "status",
        "session_id",
        "note",
    ]
    named = [
        [
            "zquser7781",
            "2026-01-05 10:00:00",
            f"chat with {spelling}",
            spelling,
            phone,
            "zqcookie9931",
            NAME,
            EMAIL,
            f"told {EMAIL}",
            "zqsession19",
            "zqfreetext",
        ]
        for spelling, phone in zip(SPELLINGS, (*PHONES, "(030) 555 0177"), strict=True)
    ]
    named.append(["zqbroken8", "zqbroken9", "home", "", "", "", "", "", "", "", "zqbroken"])
    many = (
        [
            f"zquser0{n % 40_000:06d}",
            f"2026-01-{1 + n % 27:02d} {n % 24:02d}:{n // 24 % 60:02d}:00",
            f"page {n % 7}",
            "",
            "",
            f"zqcookie9931-{n % 50_000}",
            "",
            "",
            "",
            "",
            "zqfreetext",
        ]
        for n in range(rows)
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *named, *many])


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def find_canaries(paths: Iterable[Path], cores: tuple[str, ...] = FORBIDDEN) -> list[tuple[str, str]]:
    """(file, core) wherever a core stands in a file's bytes, whatever its spelling; and hashes that need no key."""
    folded = {needle: core for core in cores for needle in _spelled(core)}
    exact = {needle: core for core in cores for needle in _in_base64(core)} | dict.fromkeys(_hashes(), "hash")
    found = set()
    for path in paths:
        for layer in _layers(path.read_bytes()):
            lower = layer.lower()
            found |= {(str(path), core) for needle, core in folded.items() if needle in lower}
            found |= {(str(path), core) for needle, core in exact.items() if needle in layer}
    return sorted(found)


def _spelled(core: str) -> Iterator[bytes]:
    """A core in lower case as it is, in UTF-16, hexadecimal and percent-encoded."""
    plain = core.encode()
    yield from (plain, core.encode("utf-16-le")[:-1], plain.hex().encode())
    yield "".join(f"%{byte:02x}" for byte in plain).encode()


def _in_base64(core: str) -> Iterator[bytes]:
    """A core in the three forms that base64 has for it, without the characters that its neighbours decide."""
    for text in {core, core.upper(), core.capitalize()}:
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + text.encode())
            whole = coded[(0, 2, 3)[shift] : len(coded) - (0 if (len(text) + shift) % 3 == 0 else 4)]
            yield whole


def _hashes() -> Iterator[bytes]:
    for text in HASHED:
        for name in ("md5", "sha1", "sha256"):
            digest = hashlib.new(name, text.encode()).digest()
            yield from (digest.hex().encode(), digest[:16], digest[:16][::-1])


def _layers(content: bytes) -> Iterator[bytes]:
    """The bytes, and what every gzip or zlib stream in them inflates to."""
    yield content
    view = memoryview(content)
    for start in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x9c\xda]", content):
        for bits in (31, 15):
            try:
                inflated = zlib.decompressobj(bits).decompress(
                    view[start.start() : start.start() + _PACKED], _INFLATED
                )
            except zlib.error:
                continue
            if len(inflated) > 8:
                yield inflated


def find_in_rows(database: Path, cores: tuple[str, ...] = FORBIDDEN) -> list[tuple[str, str]]:
    """(table.column, core) wherever a text or blob holds a core: packed columns hide from a search of bytes."""
    found = []
    pattern = "(" + "|".join(cores) + ")"
    with duckdb.connect(str(database), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, column_name, data_type from duckdb_columns() where not internal and data_type in ('VARCHAR', 'BLOB')"
        ).fetchall()
        for table, column, kind in columns:
            text = f'"{column}"::varchar' if kind == "BLOB" else f'"{column}"'
            query = f'select distinct regexp_extract(lower({text}), $pattern) from "{table}" where regexp_matches(lower({text}), $pattern)'
            found += [
                (f"{table}.{column}", core)
                for (core,) in connection.execute(query, {"pattern": pattern}).fetchall()
            ]
    return found
