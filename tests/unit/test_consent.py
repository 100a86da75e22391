"""Consent at the door: a record without it becomes no event, is not kept, and is still counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journey_mining.config import Source
from journey_mining.errors import ConfigError
from journey_mining.sources.consent import consent_rules
from journey_mining.sources.presets import load_preset
from unit.loaded import Loaded, csv_text, json_lines, load

LOG = """customer_id,occurred_at,touchpoint,agreed
anna,2026-01-01 10:00:00,home,yes
ben,2026-01-01 11:00:00,home,no
cleo,2026-01-01 12:00:00,home,
dora,not a time,home,no
"""
MAPPED = {"timezone": "UTC", "columns": {"consent": "agreed"}}


def visit(consent: dict[str, Any] | None, name: str = "page_view") -> dict[str, Any]:
    """A GA4 event with these flags."""
    return {
        "event_timestamp": "1714557600000000", "event_name": name, "user_pseudo_id": f"cookie-{name}",
        "event_params": [], "privacy_info": consent,
        "collected_traffic_source": {"gclid": "g1"},
    }  # fmt: skip


def kept(found: Loaded) -> list[str]:
    """Names of the events."""
    return [event["event_name"] for event in found.events()]


def refused(found: Loaded) -> list[int]:
    """Refused items of each file; nothing of them may be left anywhere."""
    found.assert_conserved()
    return [file.refused_count for file in found.files]


def stored_bytes(found: Loaded) -> bytes:
    """Every byte that was written below the folder, but the exports."""
    found.warehouse.close()
    files = [path for path in found.folder.rglob("*") if path.is_file() and "export" not in path.parts]
    return b"".join(path.read_bytes() for path in files)


def test_only_records_of_which_the_rule_is_true_are_read(tmp_path: Path) -> None:
    """No and no answer are refusals alike; a record without consent is not quarantined for a fault either."""
    found = load(tmp_path, "table", {"log.csv": LOG}, consent="consent = 'yes'", **MAPPED)
    assert len(found.events()) == 1
    assert found.quarantine() == []
    assert refused(found) == [3]


def test_nothing_of_a_refused_record_is_written(tmp_path: Path) -> None:
    """Neither its identifiers nor its text stand in the store's bytes, those of other records in quarantine do."""
    log = LOG + "erik-broken,not a time,home,yes\n"
    found = load(tmp_path, "table", {"log.csv": log}, consent="consent = 'yes'", **MAPPED)
    content = stored_bytes(found)
    assert b"erik-broken" in content
    assert not [name for name in (b"ben", b"cleo", b"dora") if name in content]


@pytest.mark.parametrize(
    ("flags", "is_kept"),
    [
        (None, True),
        ({"analytics_storage": None}, True),
        ({"analytics_storage": "Yes", "ads_storage": "Yes"}, True),
        ({"analytics_storage": "Unset"}, True),
        ({"analytics_storage": "No", "ads_storage": "Yes"}, False),
        ({"analytics_storage": "no"}, False),
        ({"analytics_storage": "denied"}, False),
        ({"analytics_storage": "Yes", "ads_storage": "No"}, True),
    ],
)
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_ga4_events_whose_storage_was_refused_are_not_read(
    tmp_path: Path, flags: dict[str, Any] | None, is_kept: bool, form: str
) -> None:
    """analytics_storage decides; an answer that is not there is no refusal, and ads_storage is about advertising only."""
    events = [visit(flags), visit({"analytics_storage": "Yes"}, "scroll")]
    (tmp_path / "export").mkdir()
    path = tmp_path / "export" / f"events.{form}"
    if form == "jsonl":
        path.write_text(json_lines(*events))
    else:
        pq.write_table(
            pa.Table.from_pylist([{k: v for k, v in e.items() if k != "event_params"} for e in events]), path
        )
    found = Loaded(tmp_path, "ga4").read_paths([path])
    assert sorted(kept(found)) == (["page_view"] if is_kept else []) + ["scroll"]
    assert refused(found) == [0 if is_kept else 1]


def test_a_refusal_of_advertising_hides_the_click_id(tmp_path: Path) -> None:
    """The event stays, but the advertiser's click id does not make its channel a paid one."""
    flags = {"analytics_storage": "Yes", "ads_storage": "No"}
    found = load(
        tmp_path, "ga4", {"e.jsonl": json_lines(visit(flags), visit({"ads_storage": "Yes"}, "scroll"))}
    )
    assert {event["event_name"]: event["channel"] for event in found.events()} == {
        "page_view": "web", "scroll": "paid_search",
    }  # fmt: skip


def snowplow(**columns: Any) -> dict[str, Any]:
    """A row of the atomic table."""
    row = {
        "event_id": "e1",
        "event": "unstruct",
        "event_name": "page_view",
        "collector_tstamp": "2026-01-01 10:00:00",
    }
    preferences = "unstruct_event_com_snowplowanalytics_snowplow_consent_preferences_1_0_0"
    return {**row, "domain_userid": "d1", preferences: "", **columns}


@pytest.mark.parametrize(
    ("columns", "is_kept"),
    [
        ({}, True),
        ({"event_name": "consent_withdrawn"}, False),
        ({"event_name": "consent_granted"}, True),
        ({"preferences": {"eventType": "deny_all"}}, False),
        ({"preferences": {"event_type": "withdrawn"}}, False),
        ({"preferences": {"eventType": "accept_all"}}, True),
        ({"preferences": {"eventType": "pending"}}, True),
    ],
)
def test_snowplow_events_that_carry_a_refusal_are_not_read(
    tmp_path: Path, columns: dict[str, Any], is_kept: bool
) -> None:
    """Consent is told by the event itself or by its consent preferences; an answer still pending is no refusal."""
    row = snowplow(**columns)
    if "preferences" in row:
        row[next(key for key in row if key.endswith("_1_0_0"))] = json.dumps(row.pop("preferences"))
    found = load(tmp_path, "snowplow", {"events.csv": csv_text(row)})
    assert (len(found.events()), refused(found)) == ((1, [0]) if is_kept else (0, [1]))


COLUMN = "com_snowplowanalytics_snowplow_consent_preferences_1"


@pytest.mark.parametrize(
    "columns",
    [
        {f"unstruct_event_{COLUMN}_0_0": {"event_type": "deny_all"}},
        {f"unstruct_event_{COLUMN}": {"basis": "consent", "eventType": "withdrawn"}},
        {f"contexts_{COLUMN}": [{"event_type": "deny_all"}]},
        {f"unstruct_event_{COLUMN}": None, f"contexts_{COLUMN}": [{"event_type": "withdrawn"}]},
        {f"unstruct_event_{COLUMN}": '{\n "eventType":\t"deny_all"}'},
    ],
    ids=range(5),
)
def test_snowplow_refusals_in_columns_of_parquet_are_seen(tmp_path: Path, columns: dict[str, Any]) -> None:
    """As a structure, a list of structures or a text, with any blanks, and whichever of the two columns tells it."""
    path = tmp_path / "part.parquet"
    plain = {name: value for name, value in snowplow().items() if COLUMN not in name}
    pq.write_table(pa.Table.from_pylist([{**plain, **columns}, {**plain, "event_id": "e2"}]), path)
    found = Loaded(tmp_path, "snowplow").read_paths([path])
    assert (len(found.events()), refused(found)) == (1, [1])


@pytest.mark.parametrize("column", ["contexts", "unstruct_event"])
def test_snowplow_enriched_lines_that_carry_a_refusal_are_not_read(tmp_path: Path, column: str) -> None:
    """The consent preferences stand in a context or in the event of a tab-separated line."""
    names = list(load_preset("snowplow").tables["enriched"].columns)
    data = {
        "schema": "iglu:com.snowplowanalytics.snowplow/consent_preferences/jsonschema/1-0-0",
        "data": {"eventType": "deny_all"},
    }
    lines = []
    for number, note in enumerate((json.dumps(data), "")):
        row = {
            "event_id": f"e{number}",
            "event": "unstruct",
            "event_name": "x",
            "collector_tstamp": "2026-01-01 10:00:00",
        }
        row[column] = note
        lines.append("\t".join(row.get(name, "") for name in names))
    found = load(tmp_path, "snowplow", {"part.tsv": "\n".join(lines) + "\n"})
    assert (len(found.events()), refused(found)) == (1, [1])


def test_an_opt_out_of_e_mail_is_no_refusal_of_analytics(tmp_path: Path) -> None:
    """HubSpot's unsubscription is an event like any other."""
    row = {"id": "1", "type": "STATUSCHANGE", "created": "1714557600000", "recipient": "a@b.example"}
    found = load(
        tmp_path, "hubspot", {"email.jsonl": json_lines({**row, "portalSubscriptionStatus": "UNSUBSCRIBED"})}
    )
    assert (kept(found), refused(found)) == (["email unsubscribed"], [0])


def test_a_rule_of_ones_own_goes_before_the_presets(tmp_path: Path) -> None:
    """`true` reads everything, on the user's own responsibility; a stricter rule refuses what the preset would take."""
    events = {"e.jsonl": json_lines(visit({"analytics_storage": "No"}), visit(None, "scroll"))}
    for rule, names in {
        "true": ["page_view", "scroll"],
        "lower(privacy_info.analytics_storage) = 'yes'": [],
    }.items():
        folder = tmp_path / str(len(names))
        folder.mkdir()
        assert sorted(kept(load(folder, "ga4", events, consent=rule))) == names


def test_a_quote_in_a_rule_hides_no_column(tmp_path: Path) -> None:
    """The columns that it names between two texts with a quote are read as well."""
    rule = """touchpoint <> '"' and consent = 'yes' and status <> '"'"""
    head, *rows = LOG.splitlines()
    log = "".join(f"{line}\n" for line in (f"{head},status", *(f"{row},new" for row in rows)))
    found = load(tmp_path, "table", {"log.csv": log}, consent=rule, **MAPPED)
    assert (len(found.events()), refused(found)) == (1, [3])


def test_the_rule_holds_in_every_table_that_has_its_columns(tmp_path: Path) -> None:
    """A column of one table leaves the records of the others alone."""
    rules = consent_rules(
        "crm", Source(system="hubspot", path="x", consent="recipient <> 'a'"), load_preset("hubspot")
    )
    assert set(rules) == {"email_events"}


def test_a_lookup_without_consent_explains_nothing(tmp_path: Path) -> None:
    """Rows of a lookup are left out, and count as nothing."""
    contents = {
        "deals.csv": csv_text({"deal_id": "7", "property_createdate": "2026-01-01 10:00:00"}),
        "links.csv": csv_text({"deal_id": "7", "contact_id": "501"}),
    }
    for number, (rule, kinds) in enumerate({"true": "contact_id", "contact_id <> '501'": ""}.items()):
        (tmp_path / str(number)).mkdir()
        found = load(tmp_path / str(number), "hubspot", contents, consent=rule)
        assert [event["kinds"] for event in found.events()] == [kinds]
        found.assert_conserved()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("consents = 'yes'", "unknown column 'consents'.*did you mean 'consent'"),
        ("consent", "not true or false"),
        ("consent = 'yes'; drop table files", "not a SQL predicate|uses"),
        ("consent = getenv('HOME')", "uses ANONYMOUS"),
        ("exists (select 1)", "uses"),
        ("consent in (select path from files)", "uses"),
        ("read_text('x') = consent", "uses"),
        ("consent = $inner_pad", "uses"),
        ("files.path = 'x'", "unknown column 'files.path'"),
        ("consent = '" + "x" * 20_000 + "'", "longer than"),
        ("not (" * 200 + "consent = 'a'" + ")" * 200, "too deeply|not a SQL predicate"),
    ],
)
def test_a_rule_is_a_predicate_and_nothing_else(rule: str, message: str) -> None:
    """What is not on the allow-list of rules is refused, with the place of the setting."""
    with pytest.raises(ConfigError, match=f"(?s)journey.yaml:3.*({message})"):
        consent_rules(
            "log", Source(system="table", path="x", consent=rule), load_preset("table"), "journey.yaml:3"
        )
