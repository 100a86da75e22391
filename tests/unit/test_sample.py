"""The sample company: the same bytes for the same arguments, honest books, and planted effects that can be seen."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
import yaml
from tests.unit.sample_exports import (
    checkouts,
    exported_identifiers,
    exported_links,
    files_of,
    first_waits,
    iso,
    normalised,
    owners_of,
    read_answers,
    read_documents,
    read_event,
    read_events,
    read_rows,
    read_web_lines,
    sharing_people,
    users_of_cookies,
    visits_by_user,
)

from journey_mining.errors import ConfigError
from journey_mining.sample import SampleSummary, company, customers_for_events, write_company

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
SAMPLE_ARGUMENTS = {"customers": 700, "days": 100, "seed": 7}
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
Company = tuple[Path, SampleSummary]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The arguments of data/sample, drawn again."""
    out = tmp_path_factory.mktemp("company")
    return out, write_company(out, **SAMPLE_ARGUMENTS)


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company large enough to measure effects in its raw exports."""
    out = tmp_path_factory.mktemp("larger")
    write_company(out, customers=6_000, days=60, seed=11, web_format="parquet")
    return out


def test_sample_in_the_repository_is_regenerated_byte_for_byte(drawn: Company) -> None:
    """data/sample is exactly what its README's command writes."""
    expected, found = files_of(SAMPLE), files_of(drawn[0])
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if expected[name] != found[name]] == []


def test_readme_names_the_command_that_regenerates_the_sample() -> None:
    arguments = " ".join(f"--{name} {value}" for name, value in SAMPLE_ARGUMENTS.items())
    assert f"journey-mining sample {arguments} --out" in (SAMPLE / "README.md").read_text(encoding="utf-8")


def test_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if "journeys/" not in str(path)) < 5_000_000


def test_same_arguments_give_the_same_bytes_with_one_or_two_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several blocks, written by one process or by two, packed files included."""
    monkeypatch.setattr(company, "BLOCK_CUSTOMERS", 30)
    for workers in (1, 2):
        write_company(tmp_path / str(workers), customers=80, days=14, seed=3, workers=workers)
    one, two = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("1", "2")
    )
    assert one == two


def test_another_seed_gives_another_company(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_company(tmp_path / str(seed), customers=40, days=14, seed=seed)
    one, two = (files_of(tmp_path / seed) for seed in ("1", "2"))
    assert all(one[name] != two[name] for name in one if name.startswith("web/"))


def test_blocks_do_not_share_identifiers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owned identifier has one owner, also across blocks."""
    monkeypatch.setattr(company, "BLOCK_CUSTOMERS", 100)
    write_company(tmp_path, customers=400, days=21, seed=5, workers=1)
    owners = defaultdict(set)
    for row in read_rows(tmp_path / "truth" / "identifiers.csv"):
        if row["status"] == "owned":
            owners[row["identifier_type"], row["identifier"]].add(row["true_customer"])
    assert {len(found) for found in owners.values()} == {1}


def is_json(line: bytes) -> bool:
    """Whether a whole document can be read from the line."""
    try:
        return bool(json.loads(line))
    except ValueError:
        return False


def test_ledger_adds_up_with_the_web_files(drawn: Company) -> None:
    """Per daily file: lines = events + duplicates + broken + refused, each counted from the bytes."""
    seen: set[bytes] = set()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name, line in read_web_lines(drawn[0]):
        event = read_event(line)
        if b'"analytics_storage":"No"' in line and is_json(line):
            counts[f"web/{name}"].update(["line_count", "refused_count"])
            continue
        kind = "broken_count" if event is None else "duplicate_count" if line in seen else "event_count"
        seen |= {line} if event else set()
        counts[f"web/{name}"].update(["line_count", kind])
        if kind == "event_count" and event and event["event_date"] not in name:
            counts[f"web/{name}"]["late_count"] += 1
    for row in read_rows(drawn[0] / "truth" / "ledger.csv"):
        assert int(row["line_count"]) == sum(
            int(row[f"{k}_count"]) for k in ("event", "duplicate", "broken", "refused")
        )
        if row["file"].startswith("web/"):
            expected = {name: int(value) for name, value in row.items() if name != "file" and value != "0"}
            assert counts[row["file"]] == expected


@pytest.mark.parametrize(
    ("prefix", "key", "identity"),
    [
        ("crm/contacts", "contacts", "vid"),
        ("crm/deals", "results", "id"),
        ("crm/email_events", "events", "id"),
        ("crm/form_submissions", "results", "conversionId"),
        ("support/users", "users", "id"),
        ("support/tickets", "tickets", "id"),
        ("support/ticket_audits", "audits", "id"),
        ("support/satisfaction_ratings", "satisfaction_ratings", "id"),
    ],
)
def test_ledger_adds_up_with_the_documents(drawn: Company, prefix: str, key: str, identity: str) -> None:
    """Records and distinct records of a kind are what the ledger says."""
    rows = [row for row in read_rows(drawn[0] / "truth" / "ledger.csv") if row["file"].startswith(prefix)]
    records = read_documents(drawn[0], f"{prefix}*.json", key)
    assert len(records) == sum(int(row["line_count"]) for row in rows)
    assert len({record[identity] for record in records}) == sum(int(row["event_count"]) for row in rows)


@pytest.mark.parametrize("survey", ["nps", "ces"])
def test_ledger_adds_up_with_the_surveys(drawn: Company, survey: str) -> None:
    answers = read_answers(drawn[0] / "survey" / f"{survey}.csv")
    rows = {row["file"]: row for row in read_rows(drawn[0] / "truth" / "ledger.csv")}
    row = rows[f"survey/{survey}.csv"]
    assert len(answers) == int(row["line_count"])
    assert len({answer["ResponseId"] for answer in answers}) == int(row["event_count"])


def test_every_kind_of_broken_line_is_there(drawn: Company) -> None:
    broken = [line for _, line in read_web_lines(drawn[0]) if read_event(line) is None]
    assert sum(b"\xff" in line for line in broken) == 2
    assert sum(not line.endswith(b"}") for line in broken) == 2
    assert sum(b'"event_timestamp":"8640000000000000000"' in line for line in broken) == 2
    assert sum(b'"event_name":""' in line for line in broken) == 2


def test_late_events_stand_one_to_three_days_later(drawn: Company) -> None:
    delays = Counter()
    for name, line in read_web_lines(drawn[0]):
        event = read_event(line)
        if event:
            held, own = (datetime.strptime(text, "%Y%m%d") for text in (name[7:15], event["event_date"]))
            delays[(held - own).days] += 1
    assert set(delays) == {0, 1, 2, 3}
    assert delays[0] > 0.98 * delays.total()


def test_event_date_is_the_company_day_across_the_clock_change(drawn: Company) -> None:
    """29 March 2026 has 23 hours in Berlin; events before and after fall into their local day."""
    days = Counter()
    for event in read_events(drawn[0]):
        local = datetime.fromtimestamp(int(event["event_timestamp"]) / 1e6, UTC).astimezone(BERLIN)
        assert local.strftime("%Y%m%d") == event["event_date"]
        days[event["event_date"]] += 1
    assert len(days) == SAMPLE_ARGUMENTS["days"] == len(list((drawn[0] / "web").iterdir()))
    assert days["20260329"] > 0


def test_weekends_are_quieter(larger: Path) -> None:
    query = "select event_date, count(*) from read_parquet(?) group by all"
    with duckdb.connect() as connection:
        counts = connection.execute(query, [str(larger / "web" / "*.parquet")]).fetchall()
    mean: dict[bool, list[int]] = defaultdict(list)
    for day, count in counts[14:]:
        mean[date.fromisoformat(day).weekday() == 5].append(count)
    assert sum(mean[True]) / len(mean[True]) < 0.9 * sum(mean[False]) / len(mean[False])


def test_survey_cells_are_local_times_of_the_zone_in_the_third_header_row(drawn: Company) -> None:
    """Answers are in New York's wall-clock time; in UTC they lie in the sample's period."""
    for survey, question in (("nps", "Q_NPS"), ("ces", "Q_CES")):
        rows = read_rows(drawn[0] / "survey" / f"{survey}.csv")
        assert json.loads(rows[1]["RecordedDate"]) == {
            "ImportId": "recordedDate",
            "timeZone": "America/New_York",
        }
        assert "," in rows[0][question] or "\n" in rows[0][question]
        for row in rows[2:]:
            moment = datetime.fromisoformat(row["RecordedDate"]).replace(tzinfo=NEW_YORK)
            assert datetime(2026, 3, 2, tzinfo=BERLIN) <= moment < datetime(2026, 6, 10, tzinfo=BERLIN)
            assert row[question] == "" or 0 <= int(row[question]) <= 10


def test_every_identifier_of_the_exports_is_in_the_truth(drawn: Company) -> None:
    """Cookies, users, addresses, phones and ids all have an owner, or are listed as shared or poisoned."""
    out = drawn[0]
    rows = read_rows(out / "truth" / "identifiers.csv")
    known = {(row["identifier_type"], row["identifier"]) for row in rows}
    anywhere = {row["identifier"] for row in rows if row["status"] == "poisoned"}
    lost = {pair for pair in exported_identifiers(out) if pair not in known and pair[1] not in anywhere}
    assert lost == set()


def test_shared_inbox_is_over_the_cap_and_placeholders_occur(drawn: Company) -> None:
    out = drawn[0]
    users = read_documents(out, "support/users*.json", "users")
    assert len({user["external_id"] for user in users if user["email"] == "support@example.com"}) > 20
    found = Counter(value for _, value in exported_identifiers(out))
    assert found["test@test.com"] > 0
    assert found["undefined"] > 0


def test_family_devices_have_two_people(drawn: Company) -> None:
    counts = Counter(map(len, users_of_cookies(drawn[0]).values()))
    assert counts[2] >= 3
    assert set(counts) == {1, 2}


def test_merged_contacts_name_both_contacts_and_a_time(drawn: Company) -> None:
    merged = [c for c in read_documents(drawn[0], "crm/contacts*.json", "contacts") if c["merge-audits"]]
    assert merged
    for contact in merged:
        audit = contact["merge-audits"][0]
        assert audit["canonical-vid"] == contact["vid"]
        assert contact["merged-vids"] == [audit["vid-to-merge"]]
        assert {profile["vid"] for profile in contact["identity-profiles"]} == {
            contact["vid"],
            audit["vid-to-merge"],
        }
        assert audit["timestamp"] > int(contact["properties"]["createdate"]["value"])


def test_denied_consent_leaves_no_identifier(drawn: Company) -> None:
    denied = [e for e in read_events(drawn[0]) if e["privacy_info"]["analytics_storage"] == "No"]
    assert denied
    keys = {param["key"] for event in denied for param in event["event_params"]}
    assert not any("user_pseudo_id" in event or "user_id" in event for event in denied)
    assert "ga_session_id" not in keys


def test_addresses_leak_into_some_query_strings(drawn: Company) -> None:
    locations = [
        param["value"].get("string_value", "") for e in read_events(drawn[0]) for param in e["event_params"]
    ]
    assert any(re.search(r"[?&]email=[^&]+%40example\.", location) for location in locations)
    assert any("gclid=" in location for location in locations)


def test_names_are_reserved_ones(drawn: Company) -> None:
    """Addresses are under example.*, phones in blocks kept for fiction."""
    phones = re.compile(r"\+1 ?\d{3}-?555-?01\d\d|\+49 ?(30 ?23125|69 ?90009|40 ?66969|89 ?99998) ?\d{3}")
    for kind, value in exported_identifiers(drawn[0]):
        if kind == "email" and value not in ("", "test@test.com"):
            assert value.lower().split("@")[1] in ("example.com", "example.org", "example.net")
        if kind == "phone" and value:
            assert phones.fullmatch(value)


def test_payment_fails_on_mobile(larger: Path) -> None:
    """Planted: an error in 35 % of mobile checkouts against 4 %, and so about 20 points fewer purchases."""
    found = checkouts(larger)
    mobile, desktop = found["mobile"], found["desktop"]
    assert mobile[1] / mobile[0] == pytest.approx(0.35, abs=0.06)
    assert desktop[1] / desktop[0] == pytest.approx(0.04, abs=0.03)
    assert desktop[2] / desktop[0] - mobile[2] / mobile[0] == pytest.approx(0.20, abs=0.07)


def test_slow_answers_cost_repeat_purchases(larger: Path) -> None:
    """Planted: after a first reply later than 48 hours, checkouts drop to 30 %."""
    counts = {True: [0, 0], False: [0, 0]}
    visits = visits_by_user(larger)
    users = {
        user["id"]: user.get("external_id") for user in read_documents(larger, "support/users*.json", "users")
    }
    waits = first_waits(larger)
    for ticket in read_documents(larger, "support/tickets*.json", "tickets"):
        opened = datetime.fromisoformat(ticket["created_at"])
        if ticket["id"] in waits and ticket["tags"] == ["order"]:
            after = (opened + timedelta(hours=48)).timestamp() * 1e6
            later = [
                bought for start, _, bought in visits.get(users[ticket["requester_id"]], []) if start > after
            ]
            group = counts[waits[ticket["id"]] > timedelta(hours=48)]
            group[0] += len(later)
            group[1] += sum(later)
    slow, fast = (counts[key][1] / counts[key][0] for key in (True, False))
    assert slow < 0.6 * fast


def test_slow_answers_lower_ratings(larger: Path) -> None:
    """Planted: 30 % good ratings after a slow answer against 86 %."""
    waits, scores = first_waits(larger), defaultdict(Counter)
    for rating in read_documents(larger, "support/satisfaction_ratings*.json", "satisfaction_ratings"):
        if rating["score"] != "offered":
            scores[waits[rating["ticket_id"]] > timedelta(hours=48)][rating["score"].split()[0]] += 1
    assert scores[True]["good"] / scores[True].total() == pytest.approx(0.30, abs=0.12)
    assert scores[False]["good"] / scores[False].total() == pytest.approx(0.86, abs=0.08)


def test_paid_social_assists_but_never_closes(larger: Path) -> None:
    """Planted: no purchase whose last medium other than direct is paid_social; more purchases after such visits."""
    counts = {True: [0, 0], False: [0, 0]}
    for visits in visits_by_user(larger).values():
        assisted = False
        for _, medium, bought in visits:
            assert not (bought and medium == "paid_social")
            counts[assisted][0] += 1
            counts[assisted][1] += bought
            assisted |= medium == "paid_social"
    rate = {key: bought / total for key, (total, bought) in counts.items()}
    assert rate[True] > 1.2 * rate[False]
    planted = json.loads((larger / "truth" / "planted.json").read_text(encoding="utf-8"))
    assert planted["measured"]["purchases_last_non_direct_paid_social"] == 0


def test_truth_sessions_match_the_raw_events(drawn: Company) -> None:
    """Sessions of customers seen on the web alone, rebuilt from the lines with a loop over sorted events."""
    owners = owners_of(drawn[0], "cookie") | owners_of(drawn[0], "user_id")
    moments = defaultdict(list)
    for event in read_events(drawn[0]):
        owner = owners.get(event.get("user_id", "")) or owners.get(event.get("user_pseudo_id", ""))
        if owner and event["event_name"] not in ("session_start", "first_visit", "scroll", "user_engagement"):
            moments[owner].append(int(event["event_timestamp"]))
    sessions = defaultdict(list)
    for row in read_rows(drawn[0] / "truth" / "sessions.csv"):
        sessions[row["true_customer"]].append(row)
    only_web = {who for who, rows in sessions.items() if {row["sources"] for row in rows} == {"web"}}
    only_web -= sharing_people(drawn[0])
    assert len(only_web) > 200
    for who in only_web:
        assert rebuild_sessions(moments[who]) == [
            (row["started_at"], int(row["event_count"])) for row in sessions[who]
        ]


def rebuild_sessions(moments: list[int]) -> list[tuple[str, int]]:
    found: list[list[int]] = []
    for moment in sorted(moments):
        if found and moment - found[-1][-1] <= 30 * 60 * 1_000_000:
            found[-1].append(moment)
        else:
            found.append([moment])
    return [(iso(session[0]), len(session)) for session in found]


def test_linked_groups_are_what_the_exports_can_join(drawn: Company) -> None:
    """The groups of truth/identifiers.csv are the components of the links in the exports, guards applied."""
    expected = defaultdict(set)
    for row in read_rows(drawn[0] / "truth" / "identifiers.csv"):
        if row["true_customer"]:
            expected[row["linked_group"]].add((row["identifier_type"], normalised(row["identifier"])))
    nodes = {node for group in expected.values() for node in group}
    parent = {node: node for node in nodes}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while parent[node] != node:
            node = parent[node]
        return node

    for first, second in exported_links(drawn[0]):
        if first in nodes and second in nodes:
            parent[root(first)] = root(second)
    found = defaultdict(set)
    for node in nodes:
        found[root(node)].add(node)
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, expected.values()))


def test_rules_of_journey_yaml_name_the_steps_of_the_truth(drawn: Company) -> None:
    """The web rules, evaluated by DuckDB, give the step sequences of customers seen on the web alone."""
    rules = yaml.safe_load((drawn[0] / "journey.yaml").read_text(encoding="utf-8"))["touchpoints"]
    owners = owners_of(drawn[0], "cookie") | owners_of(drawn[0], "user_id")
    rows = []
    for number, event in enumerate(read_events(drawn[0])):
        owner = owners.get(event.get("user_id", "")) or owners.get(event.get("user_pseudo_id", ""))
        location = next(
            p["value"]["string_value"] for p in event["event_params"] if p["key"] == "page_location"
        )
        path = urlsplit(location).path
        rows.append((owner, int(event["event_timestamp"]), number, event["event_name"], path))
    named = name_steps(rules, [row for row in rows if row[0]])
    checked = 0
    for row in read_rows(drawn[0] / "truth" / "journeys.csv"):
        steps = row["touchpoints"].split(" > ")
        if row["true_customer"] in named and row["is_fully_linked"] == "1" and row["journey_number"] == "1":
            begun = [name for moment, name in named[row["true_customer"]] if moment <= row["ended_at"]]
            if not set(steps) & OUTSIDE_THE_WEB and begun:
                checked += 1
                assert [name for name, _ in groupby(begun)] == steps
    assert checked > 200


OUTSIDE_THE_WEB = {
    "newsletter click", "support request", "agent reply", "ticket solved", "support rating", "survey answer",
    "sales follow-up", "unsubscribe", "sign in", "lead form",
}  # fmt: skip


def name_steps(rules: list[dict[str, Any]], rows: list[tuple[Any, ...]]) -> dict[str, list[tuple[str, str]]]:
    """Per customer the time and touchpoint of each event that is no background."""
    cases = " ".join(f"when {rule['when']} then {number}" for number, rule in enumerate(rules))
    frame = pd.DataFrame(rows, columns=["owner", "moment", "number", "event_name", "page_path"])
    query = f"""
        select owner, moment, case {cases} end
        from (select *, 'web' as source, 'customer' as initiator, null as object_type, null as status,
            null as score_kind from events) order by owner, moment, number
    """
    steps = defaultdict(list)
    with duckdb.connect() as connection:
        connection.register("events", frame)
        for owner, moment, rule in connection.execute(query).fetchall():
            if not rules[rule].get("background"):
                steps[owner].append((iso(moment), rules[rule]["name"]))
    return steps


def test_truth_journeys_are_ordered_and_converted_by_a_purchase(drawn: Company) -> None:
    """Journeys are numbered, 30 days of silence apart, and converted exactly where they hold a purchase."""
    previous: dict[str, tuple[int, datetime]] = {}
    for row in read_rows(drawn[0] / "truth" / "journeys.csv"):
        steps = row["touchpoints"].split(" > ")
        assert int(row["converted"]) == ("purchase" in steps)
        assert len(steps) == int(row["step_count"])
        assert all(first != second for first, second in pairwise(steps))
        number, last = previous.get(row["true_customer"], (0, None))
        assert int(row["journey_number"]) == number + 1
        started = datetime.fromisoformat(row["started_at"])
        assert last is None or started - last > timedelta(days=30)
        previous[row["true_customer"]] = (number + 1, datetime.fromisoformat(row["last_activity_at"]))


def test_truth_purchases_match_the_raw_events(drawn: Company) -> None:
    """Purchases with an identifier are exactly those in the converted journeys' repeat-free steps, or more."""
    events = [e for e in read_events(drawn[0]) if e["event_name"] == "purchase"]
    orders = {event["ecommerce"]["transaction_id"] for event in events}
    assert len(orders) == len(events)
    rows = read_rows(drawn[0] / "truth" / "journeys.csv")
    steps = sum(row["touchpoints"].split(" > ").count("purchase") for row in rows)
    known = sum("user_pseudo_id" in event for event in events)
    assert steps <= known <= steps + 3


def test_parquet_has_the_same_events_as_json_lines(drawn: Company, tmp_path: Path) -> None:
    """Both formats hold the same distinct sane events, with integers in Parquet and strings in JSON."""
    write_company(tmp_path, **SAMPLE_ARGUMENTS, web_format="parquet")
    query = """
        select distinct event_timestamp, event_name, coalesce(user_pseudo_id, ''), coalesce(user_id, ''),
            list_filter(event_params, lambda p: p.key = 'page_location')[1].value.string_value, len(event_params)
        from read_parquet(?) where event_timestamp < 4e15 and event_name <> ''
    """
    with duckdb.connect() as connection:
        found = set(connection.execute(query, [str(tmp_path / "web" / "*.parquet")]).fetchall())
    expected = set()
    for event in read_events(drawn[0]):
        location = next(
            p["value"]["string_value"] for p in event["event_params"] if p["key"] == "page_location"
        )
        identity = (event.get("user_pseudo_id", ""), event.get("user_id", ""))
        moment, names = int(event["event_timestamp"]), len(event["event_params"])
        expected.add((moment, event["event_name"], *identity, location, names))
    assert found == expected


def test_summary_counts_what_was_written(drawn: Company) -> None:
    out, summary = drawn
    assert summary.files == sum(path.is_file() for path in out.rglob("*"))
    assert summary.web_lines == sum(1 for _ in read_web_lines(out))
    assert summary.journeys == len(read_rows(out / "truth" / "journeys.csv"))
    assert not list(out.glob(".parts*"))


def test_number_of_customers_can_be_derived_from_events(tmp_path: Path) -> None:
    customers = customers_for_events(20_000, 60, 1)
    assert write_company(tmp_path, customers, 60, 1).web_events == pytest.approx(20_000, rel=0.2)


@pytest.mark.parametrize(("customers", "days"), [(0, 30), (10, 3)])
def test_impossible_sizes_are_refused(tmp_path: Path, customers: int, days: int) -> None:
    with pytest.raises(ConfigError, match="cannot be drawn"):
        write_company(tmp_path, customers, days, 1)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        write_company(tmp_path, 10, 14, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_company_of_one_customer_can_be_written(tmp_path: Path) -> None:
    assert write_company(tmp_path, 1, 7, 1).customers == 1
