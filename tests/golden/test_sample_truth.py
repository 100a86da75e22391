"""What the pipeline infers of the sample company against what its generator planted; figures are printed with -s."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from math import comb
from typing import Any

import duckdb
import pytest

from journey_mining.runs import RunContext
from journey_mining.sources.load import register_functions
from journey_mining.warehouse import load_macros

Row = dict[str, str]
PREFIXES = {"contact_id": "hubspot:", "requester_id": "zendesk:"}


@pytest.fixture(scope="module")
def found(sample_run: RunContext) -> duckdb.DuckDBPyConnection:
    """The published database with its private store and the macros."""
    assert sample_run.published is not None
    connection = duckdb.connect()
    register_functions(connection)
    load_macros(connection)
    store = sample_run.home.store_of(sample_run.published.name)
    connection.execute(f"attach '{sample_run.published / 'journeys.duckdb'}' as published (read_only)")
    connection.execute(f"attach '{store}' as store (read_only)")
    connection.execute("set search_path = 'published.main,store.main'")
    return connection


def truth(run: RunContext, name: str) -> list[Row]:
    """The rows of one truth file."""
    with (run.config.path.parent / "truth" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pair_scores(pairs: Iterable[tuple[Any, Any]]) -> tuple[float, float]:
    """Pairwise (precision, recall) of a clustering from (found cluster, true cluster) of every item."""
    both: Counter[tuple[Any, Any]] = Counter(pairs)
    by_found: Counter[Any] = Counter()
    by_truth: Counter[Any] = Counter()
    for (one, other), count in both.items():
        by_found[one] += count
        by_truth[other] += count
    together = sum(comb(count, 2) for count in both.values())
    return (
        together / max(1, sum(comb(count, 2) for count in by_found.values())),
        together / max(1, sum(comb(count, 2) for count in by_truth.values())),
    )


@pytest.fixture(scope="module")
def customer_of(sample_run: RunContext, found: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Any]:
    """(identifier type, raw identifier of the truth) -> customer found for it."""
    pads = sample_run.pads
    mapping = {}
    for row in truth(sample_run, "identifiers"):
        content = PREFIXES.get(row["identifier_type"], "") + row["identifier"]
        answer = found.execute(
            "select customer_id from store.identities where identifier_hash = "
            "identifier_hash_of($kind, identifier_normal($kind, $content), $inner, $outer)",
            {"kind": row["identifier_type"], "content": content, "inner": pads.inner, "outer": pads.outer},
        ).fetchall()
        if answer:
            mapping[row["identifier_type"], row["identifier"]] = answer[0][0]
    return mapping


def test_identities_are_recovered(sample_run: RunContext, customer_of: dict[tuple[str, str], Any]) -> None:
    """Identifiers that the exports can join are joined, and no two people become one."""
    owned = [row for row in truth(sample_run, "identifiers") if row["status"] == "owned"]
    known = [row for row in owned if (row["identifier_type"], row["identifier"]) in customer_of]
    assert len(known) / len(owned) > 0.97
    pairs = [(customer_of[row["identifier_type"], row["identifier"]], row) for row in known]
    linked = pair_scores((customer, row["linked_group"]) for customer, row in pairs)
    true = pair_scores((customer, row["true_customer"]) for customer, row in pairs)
    print(f"\nidentity, against what can be joined: precision {linked[0]:.4f}, recall {linked[1]:.4f}")
    print(f"identity, against the true customers: precision {true[0]:.4f}, recall {true[1]:.4f}")
    assert linked == (1.0, 1.0)
    assert true[0] == 1.0
    assert true[1] > 0.8


def test_shared_identifiers_are_listed(sample_run: RunContext, found: duckdb.DuckDBPyConnection) -> None:
    """The shared inbox and the family devices are flagged, and nothing else is."""
    rows = truth(sample_run, "identifiers")
    distinct = {
        (row["identifier_type"], row["identifier"]) for row in rows if row["status"].startswith("shared")
    }
    shared = Counter(kind for kind, _ in distinct)
    flagged = found.execute(
        "select identifier_type, count(*) from identity_flags where reason = 'shared' group by all"
    ).fetchall()
    assert dict(flagged) == dict(shared)


def _share(found_rows: Counter[Any], true_rows: Counter[Any]) -> tuple[float, float]:
    hits = (found_rows & true_rows).total()
    return hits / max(1, found_rows.total()), hits / max(1, true_rows.total())


def test_sessions_are_recovered(sample_run: RunContext, found: duckdb.DuckDBPyConnection) -> None:
    """Sessions of customers whom the exports can know begin when, end when and hold what they truly did."""
    rows = found.execute(
        "select started_at::varchar, ended_at::varchar, event_count from sessions"
    ).fetchall()
    all_true = truth(sample_run, "sessions")
    planted = Counter(
        (_plain(row["started_at"]), _plain(row["ended_at"]), int(row["event_count"]))
        for row in all_true
        if row["is_fully_linked"] == "1"
    )
    _, recall = _share(Counter((a, b, n) for a, b, n in rows), planted)
    everything = Counter(
        (_plain(row["started_at"]), _plain(row["ended_at"]), int(row["event_count"])) for row in all_true
    )
    overall = _share(Counter((a, b, n) for a, b, n in rows), everything)
    print(
        f"\nsessions of fully linked customers: recall {recall:.4f}; all: precision {overall[0]:.4f}, recall {overall[1]:.4f}"
    )
    assert recall > 0.99
    assert overall[0] > 0.94


def _plain(text: str) -> str:
    text = text.removesuffix("Z").replace("T", " ")
    return text.rstrip("0").rstrip(".") if "." in text else text


def test_journeys_are_recovered(sample_run: RunContext, found: duckdb.DuckDBPyConnection) -> None:
    """Journeys of customers whom the exports can know have the true bounds, result and touchpoints."""
    rows = found.execute(
        """select j.started_at::varchar, j.ended_at::varchar, (j.state = 'converted')::int::varchar,
            (select string_agg(s.touchpoint, ' > ' order by s.step_number) from journey_steps as s where s.journey_id = j.journey_id)
        from journeys as j"""
    ).fetchall()
    planted = Counter(
        (_plain(row["started_at"]), _plain(row["ended_at"]), row["converted"], row["touchpoints"])
        for row in truth(sample_run, "journeys")
        if row["is_fully_linked"] == "1"
    )
    everything = Counter(
        (_plain(row["started_at"]), _plain(row["ended_at"]), row["converted"], row["touchpoints"])
        for row in truth(sample_run, "journeys")
    )
    inferred = Counter((_plain(a), _plain(b), c, d) for a, b, c, d in rows)
    _, recall = _share(inferred, planted)
    overall = _share(inferred, everything)
    print(
        f"\njourneys of fully linked customers: recall {recall:.4f}; all: precision {overall[0]:.4f}, recall {overall[1]:.4f}"
    )
    assert recall > 0.98


def test_every_file_is_accounted_for(sample_run: RunContext, found: duckdb.DuckDBPyConnection) -> None:
    """Records, repeats, broken and refused lines of each file are the planted ones, whatever its system."""
    counted = {
        path: (records, repeated, quarantined, refused)
        for path, records, repeated, quarantined, refused in found.execute(
            """select f.path, f.record_count, count(distinct d.line) filter (where d.item = 1), f.quarantined_count,
                f.refused_count
            from store.files as f left join store.duplicates as d using (file_no)
            group by all"""
        ).fetchall()
    }
    planted = {
        row["file"]: tuple(int(row[f"{kind}_count"]) for kind in ("line", "duplicate", "broken", "refused"))
        for row in truth(sample_run, "ledger")
    }
    assert counted == planted


def test_planted_effects_are_visible(sample_run: RunContext, found: duckdb.DuckDBPyConnection) -> None:
    """The failing mobile checkout and the channel that only assists show in the published tables as planted."""
    planted = json.loads((sample_run.config.path.parent / "truth" / "planted.json").read_text())["measured"]
    errors = dict(
        found.execute(
            "select case when device = 'mobile' then 'mobile' else 'other' end, count(*) from events "
            "where event_name = 'checkout_error' group by all"
        ).fetchall()
    )
    assert errors == {
        "mobile": planted["mobile_errors_with_consent"],
        "other": planted["other_devices_errors_with_consent"],
    }
    last = found.execute(
        """with touched as (
            select p.event_id, e.channel, row_number() over (partition by p.event_id order by e.occurred_us desc, e.event_id) as n
            from events as p inner join events as e
                on p.customer_id = e.customer_id and e.occurred_us <= p.occurred_us and not e.is_background and e.system = 'ga4'
            where p.touchpoint = 'purchase' and e.channel not in ('direct', 'web')
        ) select count(*) filter (where channel = 'paid_social'), count(*) from touched where n = 1"""
    ).fetchall()[0]
    assert planted["purchases_last_non_direct_paid_social"] == 0
    assert last[0] <= 0.01 * last[1], "a visit that the exports cannot link may hide the last channel, rarely"


def test_scores_keep_their_scales(found: duckdb.DuckDBPyConnection) -> None:
    """NPS on 0 to 10, CES on 1 to 7 and CSAT as good or bad stay apart."""
    scales = defaultdict(set)
    for kind, low, high in found.execute("select score_kind, score_min, score_max from feedback").fetchall():
        scales[kind].add((low, high))
    assert scales == {"nps": {(0.0, 10.0)}, "ces": {(1.0, 7.0)}, "csat": {(0.0, 1.0)}}


def test_nothing_personal_is_published(sample_run: RunContext, found: duckdb.DuckDBPyConnection) -> None:
    """No identifier of the truth stands in the bytes of what is published, nor in the private store outside quarantine."""
    assert sample_run.published is not None
    raw = {row["identifier"] for row in truth(sample_run, "identifiers") if row["status"] == "owned"}
    raw = {text for text in raw if len(text) >= 8}
    for path in [path for path in sample_run.published.rglob("*") if path.is_file()]:
        content = path.read_bytes()
        leaked = [text for text in raw if text.encode() in content]
        assert not leaked, (path.name, leaked[:3])
    columns = found.execute(
        "select table_name, column_name from duckdb_columns() where database_name = 'store' and data_type = 'VARCHAR'"
    ).fetchall()
    for table, column in columns:
        leaked = found.execute(
            f'select "{column}" from store.main."{table}" where "{column}" in (select unnest($raw)) limit 3',
            {"raw": list(raw)},
        ).fetchall()
        assert not leaked, (table, column, leaked)


def test_the_failing_payment_is_the_first_pain_point(found: duckdb.DuckDBPyConnection) -> None:
    """Of all that customers meet, the planted checkout error ranks first, and its loss is of the planted size."""
    rows = found.execute(
        "select signal, conversion_with, conversion_without from pain_points where finding = 'pain point'"
    )
    signal, with_error, without = rows.fetchall()[0]
    assert signal == "checkout error"
    assert with_error < 0.5 < 0.75 < without


def test_paid_social_is_never_last_but_takes_part(found: duckdb.DuckDBPyConnection) -> None:
    """The last contact that is not direct credits it with nothing; the chain of contacts does."""
    shares = found.execute("select model, share from attribution where channel = 'paid_social'").fetchall()
    by_model = dict(shares)
    assert by_model["last_non_direct"] == 0
    assert by_model["markov"] > 0.05
    assert by_model["participation"] > 0.2


def test_every_model_of_the_run_credits_all_conversions(found: duckdb.DuckDBPyConnection) -> None:
    """The conversions of a model are those of the journeys, and so is their value."""
    converted, value = found.execute(
        "select count(*), sum(value) from journeys where state = 'converted' and not is_flagged"
    ).fetchall()[0]
    sums = found.execute(
        "select model, sum(conversions), sum(value) from attribution where model <> 'participation' group by model"
    ).fetchall()
    assert len(sums) == 8
    for _, credited, credited_value in sums:
        assert credited == pytest.approx(converted)
        assert credited_value == pytest.approx(value)
