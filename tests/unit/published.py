"""A small published database, computed from a log in plain Python, so that its tables agree with each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import pandas as pd

from unit.random_logs import CUTOFF, EXPIRY, GOAL, STAGES, Journey, Log


def write_published(path: Path, log: Log) -> Path:
    """The path of a new published database holding the contract's tables for the log."""
    with duckdb.connect(str(path)) as connection:
        for name, (columns, rows) in _tables(log).items():
            connection.execute(f'create table "{name}" ({columns})')
            rows = list(rows)
            if rows:
                connection.register("rows", pd.DataFrame(rows, dtype=object))
                connection.execute(f'insert into "{name}" select * from rows')
                connection.unregister("rows")
        connection.execute("create macro share(part, whole) as part / whole")
        connection.execute("comment on macro share is 'A share. Example: select share(1, 2)'")
    return path


def _tables(log: Log) -> dict[str, tuple[str, Iterable[tuple[Any, ...]]]]:
    """Column definitions and rows of each table."""
    return {
        "settings": ("name varchar, value varchar", _settings(log)),
        "stages": ("stage varchar, stage_number int", [(s, n + 1) for n, s in enumerate(STAGES)]),
        "events": (
            "event_id int, occurred_at timestamp, touchpoint varchar, value double, currency varchar,"
            "stage varchar, is_background boolean",
            _events(log),
        ),
        "customers": (
            "customer_id int, journey_count int, event_count int, is_flagged boolean, sources varchar",
            _customers(log),
        ),
        "touchpoints": (
            "touchpoint varchar, channel varchar, stage varchar, event_count bigint, customer_count bigint, rule varchar",
            _touchpoints(log),
        ),
        "stage_channels": (
            "stage varchar, channel varchar, step_count bigint, journey_count bigint, customer_count bigint, step_share double",
            _stage_channels(log),
        ),
        "journeys": (
            "journey_id int, customer_id int, started_at timestamp, ended_at timestamp, state varchar, step_count int,"
            "entry_channel varchar, entry_touchpoint varchar, last_touchpoint varchar, furthest_stage varchar,"
            "converted_at timestamp, value double, throughput_seconds double, is_flagged boolean",
            _journeys(log),
        ),
        "journey_steps": (
            "journey_id int, step_number int, customer_id int, touchpoint varchar, channel varchar, stage varchar,"
            "started_at timestamp, repeat_count int, gap_seconds double",
            _steps(log),
        ),
        "transitions": (
            "from_touchpoint varchar, to_touchpoint varchar, transition_count bigint, journey_count bigint,"
            "customer_count bigint, probability double, probability_into double, median_gap_seconds double,"
            "p90_gap_seconds double, p95_gap_seconds double, conversion_rate double, conversion_rate_low double,"
            "conversion_rate_high double, lift double",
            transition_rows(log),
        ),
        "stage_funnel": (
            "unit varchar, stage varchar, stage_number int, entered bigint, converted bigint, dropped_off bigint,"
            '"open" bigint, skipped bigint, strict_entered bigint, conversion_rate double, conversion_rate_low double,'
            "conversion_rate_high double, median_seconds double",
            _funnel(log),
        ),
        "step_flow": (
            "anchor varchar, step_number int, from_touchpoint varchar, to_touchpoint varchar, journey_count bigint",
            flow_rows(log),
        ),
        "variants": (
            "variant_id varchar, variant varchar, step_count int, journey_count bigint, customer_count bigint,"
            "converted_count bigint, conversion_rate double, share double, cumulative_share double,"
            "median_throughput_seconds double, variant_rank int",
            _variants(log),
        ),
        "channel_switches": ("from_channel varchar, to_channel varchar, switch_count bigint", []),
        "feedback": (
            "stage varchar, touchpoint varchar, score_kind varchar, score_min double, score_max double,"
            "response_count bigint, score double, score_low double, score_high double, invited_count bigint,"
            "response_rate double",
            FEEDBACK if log.with_feedback and log.journeys else [],
        ),
        "attribution": (
            "model varchar, channel varchar, conversions double, value double, share double, low double, high double,"
            "removal_effect double, sampling_error double, note varchar",
            list(_attribution(log)),
        ),
        "pain_points": (
            "finding varchar, kind varchar, signal varchar, touchpoint varchar, stage varchar, customers bigint, comparable_count bigint,"
            "conversion_with double, conversion_without double, difference double, low double, high double,"
            "at_stake double, at_stake_low double, at_stake_high double, matched_share double, p_value double,"
            "q_value double, first_at timestamp, last_at timestamp, judged_one_in bigint",
            PAIN_POINTS if log.journeys else [],
        ),
        "kpi_daily": (
            "local_date date, event_count bigint, journey_count bigint, converted_count bigint",
            _daily(log),
        ),
        **_health_tables(log),
    }


def _attribution(log: Log) -> Iterator[tuple[Any, ...]]:
    """First and last touch by channel, and the first's shares once more as the Markov model's."""
    converted = [
        journey for journey in log.journeys if journey.state == "converted" and not journey.is_flagged
    ]
    if not converted:
        yield (
            "markov",
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            "unavailable, because no path converts",
        )
    for model, place in (("first", 0), ("last", -1), ("markov", 0)):
        counts = Counter(log.catalog[journey.touchpoints[place]][1] for journey in converted)
        for channel, count in counts.items():
            low, high = wilson(count, len(converted))[1:]
            share = count / len(converted)
            yield model, channel, float(count), 80.0 * count, share, low, high, None, None, None


PAIN_POINTS: list[tuple[Any, ...]] = [
    (
        "pain point", "error", "<b>checkout error</b>", "<b>checkout error</b>", "consideration", 240, 900, 0.31, 0.72, 0.41, 0.34, 0.47, 98.4, 81.6, 112.8, 1.0, 1e-9,
        1e-8, CUTOFF, CUTOFF, 1,
    ),
    (
        "moment of delight", "touchpoint", "chat question", "chat question", "consideration", 60, 700, 0.97, 0.8, -0.17, -0.22, -0.08, 10.2, 4.8, 13.2, 0.9,
        1e-4, 1e-3, CUTOFF, CUTOFF, 1,
    ),
]  # fmt: skip

FEEDBACK: list[tuple[Any, ...]] = [
    ("consideration", None, "csat", 1, 5, 84, 0.71, 0.61, 0.80, 300, 0.28),
    ("consideration", "chat question", "csat", 1, 5, 41, 0.55, 0.41, 0.69, 120, 0.34),
    ("purchase", None, "csat", 1, 5, 132, 0.83, 0.76, 0.88, 400, 0.33),
    ("purchase", None, "ces", 1, 7, 61, 5.2, 4.8, 5.6, 200, 0.305),
    ("advocacy", None, "nps", 0, 10, 58, 34.0, 15.0, 52.0, 190, 0.305),
    ("advocacy", None, "csat", 1, 5, 3, 1.0, 0.44, 1.0, 9, 0.33),
]


def _health_tables(log: Log) -> dict[str, tuple[str, Iterable[tuple[Any, ...]]]]:
    """Sources, quarantine, run, audits and identity flags."""
    events = sum(len(journey.touchpoints) for journey in log.journeys)
    web, crm = events // 2, events - events // 2
    return {
        "quarantine_summary": (
            "source varchar, reason varchar, record_count bigint, first_file varchar, example_line bigint",
            [("web", "time is not a timestamp", 12, "web/2025-01.jsonl", 44)] if events else [],
        ),
        "source_files": (
            "file_id int, source varchar, system varchar, table_name varchar, path varchar, sha256 varchar,"
            "byte_count bigint, record_count bigint, event_count bigint, duplicate_count bigint,"
            "quarantined_count bigint, refused_count bigint, first_event_at timestamp, last_event_at timestamp, status varchar",
            [
                (
                    1,
                    "web",
                    "ga4",
                    "events",
                    "web/2025-01.jsonl",
                    "0" * 64,
                    10_000,
                    web + 19,
                    web,
                    7,
                    12,
                    0,
                    *_span(log),
                    "read",
                ),
                (
                    2,
                    "crm",
                    "hubspot",
                    "contacts",
                    "crm/contacts.csv",
                    "1" * 64,
                    9_000,
                    crm,
                    crm,
                    0,
                    0,
                    0,
                    *_span(log),
                    "read",
                ),
            ]
            if events
            else [],
        ),
        "runs": (
            "run_id varchar, cutoff_at timestamp, started_at timestamp, seconds double, version varchar,"
            "config_fingerprint varchar, model_fingerprint varchar, event_count bigint, customer_count bigint,"
            "journey_count bigint, unmapped_share double, stitched_share double, late_count bigint",
            [
                (
                    "run-1",
                    CUTOFF,
                    CUTOFF,
                    3.2,
                    "0.1.0",
                    "abc",
                    "def",
                    events,
                    len({j.customer for j in log.journeys}),
                    len(log.journeys),
                    0.031,
                    0.62,
                    18,
                )
            ],
        ),
        "audits": (
            "audit varchar, severity varchar, status varchar, offending_count bigint, detail varchar",
            [
                ("lines are conserved", "stop", "passed", 0, None),
                ("sessions are human", "warn", "warned", 2, "2 sessions over 24 hours"),
            ],
        ),
        "identity_flags": (
            "identifier_type varchar, identifier_hash varchar, reason varchar, link_count bigint",
            [("email", "deadbeefcafe", "shared", 31), ("cookie", "feedfacefeed", "poisoned", 900)]
            if events
            else [],
        ),
    }


def _span(log: Log) -> tuple[datetime, datetime]:
    """The first and the last moment of the log."""
    return min(j.times[0] for j in log.journeys), max(j.times[-1] for j in log.journeys)


def _settings(log: Log) -> list[tuple[str, str]]:
    """Settings as the pipeline writes them: text."""
    return [
        ("goal", GOAL), ("timezone", "Europe/Berlin"), ("inactivity_seconds", "1800"),
        ("expiry_seconds", str(int(EXPIRY.total_seconds()))), ("min_cell", str(log.min_cell)),
        ("title", "Northwind Outdoor"),
    ]  # fmt: skip


def _events(log: Log) -> Iterator[tuple[Any, ...]]:
    for journey in log.journeys:
        for name, moment in zip(journey.touchpoints, journey.times, strict=True):
            paid = name == GOAL
            value, currency = (80.0, "EUR") if paid else (None, None)
            yield journey.number, moment, name, value, currency, log.catalog[name][0], False


def _customers(log: Log) -> list[tuple[Any, ...]]:
    events: Counter[int] = Counter()
    journeys: Counter[int] = Counter()
    for journey in log.journeys:
        events[journey.customer] += len(journey.touchpoints)
        journeys[journey.customer] += 1
    return [(c, journeys[c], events[c], False, "crm, web" if c % 3 else "web") for c in journeys]


def _touchpoints(log: Log) -> list[tuple[Any, ...]]:
    events: Counter[str] = Counter()
    customers: dict[str, set[int]] = defaultdict(set)
    for journey in log.journeys:
        for name in journey.touchpoints:
            events[name] += 1
            customers[name].add(journey.customer)
    return [
        (
            name,
            log.catalog[name][1],
            log.catalog[name][0],
            events[name],
            len(customers[name]),
            f"rule {number}",
        )
        for number, name in enumerate(events)
    ]


def _journeys(log: Log) -> Iterator[tuple[Any, ...]]:
    for journey in log.journeys:
        stages = [log.catalog[name][0] for name in journey.touchpoints]
        reached = [STAGES.index(stage) for stage in stages if stage]
        goal_at = journey.times[journey.goal_step - 1] if journey.goal_step else None
        first, last = journey.touchpoints[0], journey.touchpoints[-1]
        yield (
            journey.number, journey.customer, journey.times[0], journey.times[-1], journey.state,
            len(journey.touchpoints), log.catalog[first][1], first, last,
            STAGES[max(reached)] if reached else None, goal_at, 80.0 * journey.touchpoints.count(GOAL) or None,
            (journey.times[-1] - journey.times[0]).total_seconds(), journey.is_flagged,
        )  # fmt: skip


def _steps(log: Log) -> Iterator[tuple[Any, ...]]:
    for journey in log.journeys:
        before = None
        for number, (name, moment) in enumerate(
            zip(journey.touchpoints, journey.times, strict=True), start=1
        ):
            stage, channel = log.catalog[name]
            gap = (moment - before).total_seconds() if before else None
            yield journey.number, number, journey.customer, name, channel, stage, moment, 1 + number % 2, gap
            before = moment


def _stage_channels(log: Log) -> list[tuple[Any, ...]]:
    steps: Counter[tuple[str, str]] = Counter()
    journeys: dict[tuple[str, str], set[int]] = defaultdict(set)
    customers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for journey in log.journeys:
        for name in journey.touchpoints if not journey.is_flagged else ():
            stage, channel = log.catalog[name]
            if stage is not None:
                steps[stage, channel] += 1
                journeys[stage, channel].add(journey.number)
                customers[stage, channel].add(journey.customer)
    totals: Counter[str] = Counter()
    for (stage, _), number in steps.items():
        totals[stage] += number
    return [
        (*key, number, len(journeys[key]), len(customers[key]), number / totals[key[0]])
        for key, number in steps.items()
    ]


def wilson(successes: int, trials: int) -> tuple[float | None, float | None, float | None]:
    """Rate and 95 % Wilson bounds, or Nones without trials."""
    if not trials:
        return None, None, None
    z, rate = 1.959963984540054, successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return rate, max(0.0, centre - half), min(1.0, centre + half)


def transition_rows(log: Log) -> list[tuple[Any, ...]]:
    """Rows of the transitions table."""
    count: Counter[tuple[str, str]] = Counter()
    journeys: dict[tuple[str, str], set[Journey]] = defaultdict(set)
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    for journey in log.journeys:
        path = ("__start__", *journey.touchpoints, "__end__")
        for position, pair in enumerate(pairwise(path)):
            count[pair] += 1
            journeys[pair].add(journey)
            if 0 < position < len(journey.times):
                gaps[pair].append((journey.times[position] - journey.times[position - 1]).total_seconds())
    out, into = Counter[str](), Counter[str]()
    for (source, target), number in count.items():
        out[source] += number
        into[target] += number
    base = wilson(*_matured(log.journeys))[0]
    rows = []
    for (source, target), number in sorted(count.items()):
        rate, low, high = wilson(*_matured(journeys[source, target]))
        gap = sorted(gaps[source, target])
        rows.append((
            source, target, number, len(journeys[source, target]), len({j.customer for j in journeys[source, target]}),
            number / out[source], number / into[target], median(gap) if gap else None,
            gap[int(0.9 * (len(gap) - 1))] if gap else None, gap[int(0.95 * (len(gap) - 1))] if gap else None,
            rate, low, high, rate / base if rate is not None and base else None,
        ))  # fmt: skip
    return rows


def _matured(journeys: Iterable[Journey]) -> tuple[int, int]:
    """Converted journeys and matured journeys."""
    states = Counter(journey.state for journey in journeys)
    return states["converted"], states["converted"] + states["dropped_off"]


def _funnel(log: Log) -> Iterator[tuple[Any, ...]]:
    units: dict[str, dict[int, list[Journey]]] = {
        "customers": defaultdict(list),
        "journeys": defaultdict(list),
    }
    for journey in log.journeys:
        units["customers"][journey.customer].append(journey)
        units["journeys"][journey.number].append(journey)
    for unit, members in units.items():
        firsts = [_first_entries(log, group) for group in members.values()]
        still = [max(j.times[-1] for j in group) >= CUTOFF - EXPIRY for group in members.values()]
        for level, stage in enumerate(STAGES):
            entered = [n for n, first in enumerate(firsts) if any(k >= level for k in first)]
            gone_on = [n for n in entered if any(k > level for k in firsts[n])]
            stayed = [n for n in entered if n not in set(gone_on)]
            last = level == len(STAGES) - 1
            converted = len(entered) if last else len(gone_on)
            is_open = 0 if last else sum(still[n] for n in stayed)
            dropped = 0 if last else len(stayed) - is_open
            skipped = sum(level not in firsts[n] for n in entered)
            waits = [
                min(t for k, t in firsts[n].items() if k > level) - firsts[n][level]
                for n in gone_on
                if level in firsts[n]
            ]
            rate = (None, None, None) if last else wilson(converted, converted + dropped)
            seconds = median(abs(w.total_seconds()) for w in waits) if waits else None
            yield (
                unit,
                stage,
                level + 1,
                len(entered),
                converted,
                dropped,
                is_open,
                skipped,
                None,
                *rate,
                seconds,
            )


def _first_entries(log: Log, group: list[Journey]) -> dict[int, datetime]:
    """The first entry of each stage number."""
    first: dict[int, datetime] = {}
    for journey in group:
        for name, moment in zip(journey.touchpoints, journey.times, strict=True):
            stage = log.catalog[name][0]
            if stage:
                level = STAGES.index(stage)
                first[level] = min(first.get(level, moment), moment)
    return first


def flow_rows(log: Log, limit: int = 8) -> list[tuple[Any, ...]]:
    """Rows of the step_flow table, for both anchors."""
    count: Counter[tuple[str, int, str, str]] = Counter()
    for journey in log.journeys:
        path = journey.touchpoints[: journey.goal_step] if journey.goal_step else journey.touchpoints
        end = {"converted": "__converted__", "open": "__open__", "dropped_off": "__dropped_off__"}[
            journey.state
        ]
        ahead = ["__start__", *path[:limit], "__beyond__" if len(path) > limit else end]
        for number, pair in enumerate(pairwise(ahead)):
            count["start", number, *pair] += 1
        if journey.goal_step:
            back = ["__start__", *path] if len(path) <= limit else ["__beyond__", *path[-limit:]]
            for number, pair in enumerate(pairwise(reversed(back)), start=1):
                count["conversion", number, pair[1], pair[0]] += 1
    return [(*key, number) for key, number in sorted(count.items())]


def _variants(log: Log) -> Iterator[tuple[Any, ...]]:
    groups: dict[tuple[str, ...], list[Journey]] = defaultdict(list)
    for journey in log.journeys:
        groups[journey.touchpoints].append(journey)
    seen = 0
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    for rank, (path, group) in enumerate(ranked, start=1):
        seen += len(group)
        converted, matured = _matured(group)
        seconds = median((j.times[-1] - j.times[0]).total_seconds() for j in group)
        yield (
            f"v{rank}", " > ".join(path), len(path), len(group), len({j.customer for j in group}), converted,
            converted / matured if matured else None, len(group) / len(log.journeys), seen / len(log.journeys),
            seconds, rank,
        )  # fmt: skip


def _daily(log: Log) -> list[tuple[Any, ...]]:
    started = Counter(journey.times[0].date() for journey in log.journeys)
    return [(day, number, number, 0) for day, number in sorted(started.items())]
