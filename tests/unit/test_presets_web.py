"""Presets of web analytics: tiny records in the genuine shape, and the events that they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journey_mining.sources.presets import load_preset
from unit.loaded import Loaded, csv_text, identifier_hash, json_lines, load, pseudonym, utc

DAY = 1_714_557_600_000_000
"""2024-05-01T10:00:00Z."""
ENRICHED = list(load_preset("snowplow").tables["enriched"].columns)


def ga4(**changes: Any) -> dict[str, Any]:
    """A page view as the BigQuery export writes it."""
    params = {"page_location": "https://shop.example.com/product/7?utm_source=x", "ga_session_id": 1714557600}
    event = {
        "event_date": "20240501",
        "event_timestamp": str(DAY),
        "event_name": "page_view",
        "event_params": [
            ga4_param(name, value) for name, value in {**params, **changes.pop("params", {})}.items()
        ],
        "user_pseudo_id": "111.222",
        "stream_id": "42",
        "device": {"category": "mobile", "operating_system": "iOS"},
        "traffic_source": {"name": "(direct)", "medium": "cpc", "source": "first-ever"},
    }
    return {**event, **changes}


def ga4_param(name: str, value: object) -> dict[str, Any]:
    kind = "int_value" if isinstance(value, int) else "string_value"
    return {"key": name, "value": {kind: str(value)}}


def snowplow(**changes: str) -> dict[str, str]:
    """A page view of the atomic events table."""
    event = {
        "app_id": "site",
        "platform": "web",
        "etl_tstamp": "2024-05-01 10:00:09.000",
        "collector_tstamp": "2024-05-01 10:00:05.250",
        "event": "page_view",
        "event_id": "c6ef3124-b53a-4b13-a233-0088f79dcbcb",
        "user_id": "",
        "domain_userid": "bc2e92ec6c204a14",
        "network_userid": "ecdff4d0-9175-40ac-a8bb-325c49733607",
        "domain_sessionid": "f1",
        "page_url": "https://shop.example.com/pricing/?utm_source=n",
        "derived_tstamp": "2024-05-01 10:00:04.750",
        "event_name": "page_view",
        "dvce_type": "Computer",
        "dvce_ismobile": "0",
        "useragent": "Mozilla/5.0 (X11; Linux x86_64)",
        "mkt_source": "", "mkt_medium": "", "mkt_campaign": "", "mkt_clickid": "",
        "refr_medium": "", "refr_source": "", "se_category": "", "se_action": "", "se_value": "",
        "tr_orderid": "", "tr_total": "", "tr_currency": "",
    }  # fmt: skip
    return {**event, **changes}


def atomic(folder: Path, *records: dict[str, str]) -> Loaded:
    return load(folder, "snowplow", {"events.csv": csv_text(*records)})


GA4_CASES = {
    "a page view": (
        {},
        {"event_name": "page_view", "initiator": "customer", "is_background": False, "page_path": "/product/:id",
         "device": "mobile", "session_hint": pseudonym("session", "1714557600"), "kinds": "cookie", "channel": "web"},
    ),
    "a known user": ({"user_id": "u1"}, {"kinds": "cookie user_id"}),
    "consent denied": ({"user_pseudo_id": None}, {"kinds": "", "identity_key": None}),
    "sent by the tag itself": ({"event_name": "session_start"}, {"is_background": True}),
    "the session's campaign": (
        {"session_traffic_source_last_click": {"manual_campaign": {"source": "google", "medium": "cpc", "campaign_name": "brand"}}},
        {"channel": "paid_search", "campaign_source": "google", "campaign_name": "brand"},
    ),
    "a click id without a campaign": ({"collected_traffic_source": {"gclid": "Cj0K"}}, {"channel": "paid_search"}),
    "never the user's first source": ({}, {"campaign_source": None, "campaign_medium": None}),
    "a purchase": (
        {"event_name": "purchase", "ecommerce": {"purchase_revenue": "12.5", "transaction_id": "T1"},
         "params": {"currency": "EUR"}},
        {"event_name": "purchase", "value": 12.5, "currency": "EUR", "object_type": "order", "object_id": "T1"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GA4_CASES)
def test_ga4_event(tmp_path: Path, case: str) -> None:
    """An event of the BigQuery export, by what its fields say."""
    changes, expected = GA4_CASES[case]
    (event,) = load(tmp_path, "ga4", {"events_20240501.jsonl": json_lines(ga4(**changes))}).events()
    assert {name: event[name] for name in expected} == expected
    assert event["occurred_us"] == DAY


def test_ga4_integers_may_be_strings_or_numbers(tmp_path: Path) -> None:
    """A tool that writes 1714557600000000 where another writes the string exports the same event."""
    loaded = load(
        tmp_path, "ga4", {"a.jsonl": json_lines(ga4()), "b.jsonl": json_lines(ga4(event_timestamp=DAY))}
    )
    assert loaded.counts() == [(1, 1, 0, 0), (1, 0, 1, 0)]


def test_ga4_parameters_in_another_order_are_the_same_event(tmp_path: Path) -> None:
    """The daily table is rewritten for three days, with the parameters in any order."""
    again = ga4()
    again["event_params"] = again["event_params"][::-1]
    loaded = load(tmp_path, "ga4", {"a.jsonl": json_lines(ga4(), again, ga4(event_name="scroll"))})
    assert loaded.counts() == [(3, 2, 1, 0)]


def ga4_table(*records: dict[str, Any]) -> pa.Table:
    """The records with the integers that Parquet has."""
    rows = json.loads(json.dumps(records))
    for row in rows:
        row["event_timestamp"] = int(row["event_timestamp"])
        for param in row["event_params"]:
            value = param["value"]
            number = value.get("int_value")
            param["value"] = {
                "string_value": value.get("string_value"),
                "int_value": int(number) if number else None,
            }
    return pa.Table.from_pylist(rows)


def test_ga4_parquet_and_json_lines_give_the_same_event_ids(tmp_path: Path) -> None:
    """The same day in both formats is one day."""
    records = [
        ga4(),
        ga4(user_id="u1", event_timestamp=str(DAY + 1)),
        ga4(event_name="scroll", params={"percent_scrolled": 90}),
    ]
    path = tmp_path / "events.parquet"
    pq.write_table(ga4_table(*records), path)
    loaded = load(tmp_path, "ga4", {"events.jsonl": json_lines(*records)}).read_paths([path])
    assert loaded.warehouse.value("select count(*) from staged_events") == 3
    assert loaded.warehouse.value("select count(*) from duplicates") == 3
    loaded.assert_conserved()


SNOWPLOW_CASES = {
    "a page view": (
        {},
        {"event_name": "page_view", "initiator": "customer", "is_background": False, "channel": "web",
         "page_path": "/pricing", "device": "desktop", "session_hint": pseudonym("session", "f1"), "kinds": "cookie network_cookie",
         "received_us": utc("2024-05-01T10:00:05.250")},
    ),
    "a known user": ({"user_id": "u1"}, {"kinds": "cookie network_cookie user_id"}),
    "an open page": ({"event": "page_ping", "event_name": "page_ping"}, {"event_name": "page_ping", "is_background": True}),
    "a structured event": (
        {"event": "struct", "event_name": "event", "se_category": "shop", "se_action": "add-to-basket", "se_value": "9.5"},
        {"event_name": "add-to-basket", "value": 9.5},
    ),
    "an order": (
        {"event": "transaction", "event_name": "transaction", "tr_orderid": "o1", "tr_total": "80", "tr_currency": "eur"},
        {"event_name": "transaction", "value": 80.0, "currency": "EUR", "object_type": "order", "object_id": "o1"},
    ),
    "a campaign": (
        {"mkt_source": "google", "mkt_medium": "cpc", "mkt_campaign": "spring"},
        {"channel": "paid_search", "campaign_source": "google", "campaign_name": "spring"},
    ),
    "a click id": ({"mkt_clickid": "abc"}, {"channel": "paid_search"}),
    "from a search engine": ({"refr_medium": "search", "refr_source": "Google"}, {"channel": "organic_search"}),
    "from a social network": ({"refr_medium": "social", "refr_source": "Facebook"}, {"channel": "organic_social"}),
    "from another site": ({"refr_medium": "unknown"}, {"channel": "referral"}),
    "from a page of the site": ({"refr_medium": "internal"}, {"channel": "web", "campaign_source": None}),
    "an app": ({"platform": "mob", "dvce_type": "Mobile", "dvce_ismobile": "1"}, {"channel": "app", "device": "mobile"}),
    "a robot by its name": (
        {"useragent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, {"initiator": "system", "is_background": True},
    ),
    "a robot by the list": (
        {"contexts_com_iab_snowplow_spiders_and_robots_1_0_0": '[{"spiderOrRobot":true,"category":"SPIDER"}]'},
        {"initiator": "system", "is_background": True},
    ),
    "without cookies": ({"domain_userid": "", "network_userid": ""}, {"kinds": "", "identity_key": None}),
}  # fmt: skip


@pytest.mark.parametrize("case", SNOWPLOW_CASES)
def test_snowplow_event(tmp_path: Path, case: str) -> None:
    """An event of the atomic table, by what its fields say; its time is UTC without saying so."""
    changes, expected = SNOWPLOW_CASES[case]
    (event,) = atomic(tmp_path, snowplow(**changes)).events()
    assert {name: event[name] for name in expected} == expected
    assert event["occurred_us"] == utc("2024-05-01T10:00:04.750")


def test_snowplow_without_a_derived_time_happened_when_it_was_collected(tmp_path: Path) -> None:
    (event,) = atomic(tmp_path, snowplow(derived_tstamp="")).events()
    assert event["occurred_us"] == utc("2024-05-01T10:00:05.250")


def test_snowplow_event_that_arrives_twice_counts_as_it_was_first_collected(tmp_path: Path) -> None:
    """The pipeline delivers at least once: the id decides, whatever the collector's time."""
    late = snowplow(collector_tstamp="2024-05-03 08:00:00.000", derived_tstamp="2024-05-02 00:00:00.000")
    loaded = atomic(tmp_path, late, snowplow())
    assert loaded.counts() == [(2, 1, 1, 0)]
    assert loaded.events()[0]["line"] == 3


def test_snowplow_enriched_file_has_neither_header_nor_quotes(tmp_path: Path) -> None:
    """131 tab-separated fields, in which a quote is a plain character; the same event as in the atomic table."""
    event = {**snowplow(), "page_title": 'The "best" pric"e'}
    line = "\t".join(event.get(name, "") for name in ENRICHED) + "\n"
    loaded = atomic(tmp_path, snowplow()).read({"run=2024-05-01/part-0001.tsv": line})
    assert len(ENRICHED) == 131
    assert loaded.counts() == [(1, 1, 0, 0), (1, 0, 1, 0)]


def test_snowplow_enriched_line_of_another_width_is_quarantined(tmp_path: Path) -> None:
    line = "\t".join(snowplow().get(name, "") for name in ENRICHED) + "\n"
    loaded = load(tmp_path, "snowplow", {"a.tsv": line + "short\tline\n"})
    assert loaded.quarantine() == [(2, "2 fields where the header has 131")]
    loaded.assert_conserved()


def test_snowplow_context_tables_are_not_events(tmp_path: Path) -> None:
    """The tables of contexts have other columns; they are left to the caller to report."""
    context = csv_text(
        {"root_id": "1", "root_tstamp": "2024-05-01 10:00:00.000", "useragentFamily": "Chrome"}
    )
    loaded = load(tmp_path, "snowplow", {"events.csv": csv_text(snowplow()), "ua.csv": context})
    assert loaded.unrecognised == ["ua.csv"]


def test_cookies_are_hashed_with_the_key(tmp_path: Path) -> None:
    """HMAC-SHA-256 of '<kind>:<value>', its first 128 bits."""
    loaded = atomic(tmp_path, snowplow(user_id="u1"))
    assert loaded.hashes(loaded.events()[0]) == {
        identifier_hash("user_id", "u1"),
        identifier_hash("cookie", "bc2e92ec6c204a14"),
        identifier_hash("network_cookie", "ecdff4d0-9175-40ac-a8bb-325c49733607"),
    }
