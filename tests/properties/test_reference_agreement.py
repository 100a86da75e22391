"""The SQL tables equal the slow, obvious reference, row by row, on random small logs."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import reference
from depth import examples
from reference import Event, Rules
from worlds import DAY_US, MINUTE_US, Lab, event_id, hash_of

STAGES = ["awareness", "consideration", "purchase", "retention", "advocacy"]
TOUCHPOINTS = {"ad": 1, "page": 2, "cart": 3, "purchase": 3, "call": 4, "review": 5, "odd": None}
LIMIT_US, EXPIRY_US = 30 * MINUTE_US, 2 * DAY_US
START_US = 1_772_409_600_000_000
GAPS = [
    0,
    0,
    1,
    1,
    MINUTE_US,
    MINUTE_US,
    LIMIT_US - 1,
    LIMIT_US,
    LIMIT_US + 1,
    DAY_US,
    EXPIRY_US - 1,
    EXPIRY_US,
    EXPIRY_US + 1,
    3 * DAY_US,
]

EVENT = st.fixed_dictionaries(
    {
        "gap": st.sampled_from(GAPS),
        "customer": st.sampled_from(["anna", "anna", "anna", "ben", "cleo", None]),
        "event": st.sampled_from(list(TOUCHPOINTS)),
        "channel": st.sampled_from(["web", "mail"]),
        "by": st.sampled_from(["customer", "customer", "customer", "company", "system"]),
        "background": st.sampled_from([False, False, False, True]),
        "source": st.sampled_from(["log", "second"]),
        "sequence": st.integers(0, 2),
        "value": st.sampled_from([None, 1.5, 20.0]),
    }
)
EVENTS = st.lists(EVENT, min_size=12, max_size=40)
SETTINGS = st.fixed_dictionaries(
    {
        "ends_on": st.sampled_from(["expiry", "goal"]),
        "repeats": st.sampled_from(["collapse", "keep"]),
        "by_channel": st.sampled_from([True, False]),
        "max_events": st.sampled_from([2, 1, 10_000]),
        "flow_steps": st.integers(2, 4),
        "after_us": st.sampled_from([None, 0, EXPIRY_US, EXPIRY_US + 1]),
        "early": st.booleans(),
        "reversed": st.booleans(),
    }
)


def written(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The drawn log with times for gaps; the time runs on across customers, so gaps of one add up."""
    at = START_US
    rows = []
    for row in drawn:
        at += row["gap"]
        rows.append(
            {
                **row,
                "at": at,
                "stage": STAGES[TOUCHPOINTS[row["event"]] - 1] if TOUCHPOINTS[row["event"]] else None,
            }
        )
    return rows


def as_events(rows: list[dict[str, Any]], names: list[str], cutoff: int) -> list[Event]:
    """The same log as the reference reads it; the goal is the touchpoint where the log has it, else the stage."""
    has_touchpoint = any(row["event"] == "purchase" for row in rows if row["at"] <= cutoff)
    return [
        Event(
            number, row["at"], row["customer"], row["event"], TOUCHPOINTS[row["event"]], row["channel"], row["by"],
            row["background"], names.index(row["source"]), row["sequence"],
            not row["background"]
            and (row["event"] == "purchase" if has_touchpoint else TOUCHPOINTS[row["event"]] == 3),
            row["value"],
        )
        for number, row in enumerate(rows, 1)
    ]  # fmt: skip


@examples(10)
@given(drawn=EVENTS, chosen=SETTINGS)
def test_sql_equals_the_reference(
    shared_lab: Lab, drawn: list[dict[str, Any]], chosen: dict[str, Any]
) -> None:
    """Sessions, journeys, steps, transitions, funnel, step flow, variants and switches are what the definitions say."""
    rows = written(drawn)
    if chosen["reversed"]:
        rows.reverse()
    times = sorted(row["at"] for row in rows) or [START_US]
    cutoff = times[len(times) // 2] if chosen["early"] else times[-1] + (chosen["after_us"] or 0)
    rules = Rules(
        cutoff=cutoff,
        inactivity=LIMIT_US,
        expiry=EXPIRY_US,
        ends_on_goal=chosen["ends_on"] == "goal",
        collapses=chosen["repeats"] == "collapse",
        by_channel=chosen["by_channel"],
        max_events=chosen["max_events"],
        flow_steps=chosen["flow_steps"],
    )
    shared_lab.live(
        rows,
        cutoff,
        sources=["log", "second"],
        sessions={
            "by": ["customer", "channel"] if chosen["by_channel"] else "customer",
            "max_events": rules.max_events,
        },
        journeys={"expiry": "2 days", "ends_on": chosen["ends_on"], "repeats": chosen["repeats"]},
        report={"flow_steps": rules.flow_steps},
    )
    world = reference.derive(as_events(rows, ["log", "second"], cutoff), rules)
    compare_rows(shared_lab, world)
    compare_figures(shared_lab, world)


def compare_rows(lab: Lab, world: reference.World) -> None:
    """Sessions, journeys, steps, and the journey of every event."""
    assert {
        (row["session_id"], row["event_count"], row["is_flagged"]) for row in lab.rows("from sessions")
    } == {(event_id(session.id), len(session.events), session.is_flagged) for session in world.sessions}
    assert {
        (
            row["journey_id"],
            row["customer_id"],
            row["state"],
            row["is_open"],
            row["is_flagged"],
            row["contact_count"],
        )
        for row in lab.rows("from journeys")
    } == {
        (event_id(j.id), hash_of(j.customer), j.state, j.is_alive, j.is_flagged, len(j.contacts))
        for j in world.journeys
    }
    assert {
        (
            row["journey_id"],
            row["step_number"],
            row["touchpoint"],
            row["repeat_count"],
            row["gap_seconds"],
            row["channel"],
        )
        for row in lab.rows("from journey_steps")
    } == {
        (event_id(j.id), number, step.touchpoint, len(step.events), step.gap_seconds, step.events[0].channel)
        for j in world.journeys
        for number, step in enumerate(j.steps, 1)
    }
    by_customer = {name: [j for j in world.journeys if j.customer == name] for name in world.lives}
    expected = {
        event_id(event.number): reference.journey_of(event, by_customer[name], world.rules)
        for name, life in world.lives.items()
        for event in life
    }
    found = {
        row["event_id"]: row["journey_id"] for row in lab.rows("from events where customer_id is not null")
    }
    assert found == {key: None if number is None else event_id(number) for key, number in expected.items()}


def compare_figures(lab: Lab, world: reference.World) -> None:
    """Every aggregate."""
    compare(lab, "transitions", ("from_touchpoint", "to_touchpoint"), reference.count_transitions(world))
    compare(lab, "stage_funnel", ("unit", "stage_number"), reference.count_funnel(world))
    compare(
        lab, "variants", ("variant",), {(text,): row for text, row in reference.count_variants(world).items()}
    )
    compare(lab, "channel_switches", ("from_channel", "to_channel"), reference.count_channel_switches(world))
    flow = {key: {"journey_count": count} for key, count in reference.count_step_flow(world).items()}
    compare(lab, "step_flow", ("anchor", "step_number", "from_touchpoint", "to_touchpoint"), flow)


def compare(lab: Lab, table: str, key: tuple[str, ...], expected: dict[Any, dict[str, object]]) -> None:
    """The table has these rows and no others; figures agree to nine digits."""
    found = {tuple(row[column] for column in key): row for row in lab.rows(f"from {table}")}
    assert set(found) == set(expected), table
    for name, figures in expected.items():
        for column, value in figures.items():
            assert is_same(found[name][column], value), (table, name, column, found[name][column], value)


def is_same(found: Any, expected: Any) -> bool:
    """Equal, or close where they are floats."""
    if isinstance(expected, float) and found is not None:
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    return bool(found == expected)
