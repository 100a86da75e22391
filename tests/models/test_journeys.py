"""Models journeys and journey_steps: contacts from entry to conversion, expiry or cutoff."""

from __future__ import annotations

import pytest

from readable import micros
from worlds import DAY_US, Lab


@pytest.mark.parametrize(("late", "journeys"), [("04-01 09:00", 1), ("04-01 09:00:00.000001", 2)])
def test_a_gap_equal_to_the_expiry_stays(lab: Lab, late: str, journeys: int) -> None:
    """Thirty days to the microsecond are still one journey; one microsecond more opens the next."""
    lab.live(f"""
    at          | customer | event
    03-02 09:00 | anna     | catalog
    {late}      | anna     | cart
    """)
    assert len(lab.rows("from journeys")) == journeys


def test_the_company_does_not_prolong(lab: Lab) -> None:
    """Its contacts are steps; the expiry runs from the customer's own last event."""
    lab.live(
        """
    at          | customer | event | by
    03-01 09:00 | anna     | visit |
    03-04 09:00 | anna     | reply | company
    03-06 09:00 | anna     | visit |
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "journeys",
        """
    journey_id | step_count | started_at  | ended_at    | state
    e1         | 2          | 03-01 09:00 | 03-04 09:00 | dropped_off
    e3         | 1          | 03-06 09:00 | 03-06 09:00 | open
    """,
        order="journey_id",
    )


def test_the_company_begins_the_next_journey_and_the_customer_joins(lab: Lab) -> None:
    """A contact after the expiry opens a journey; the customer's return within the expiry of it belongs to it."""
    lab.live(
        """
    at          | customer | event | by
    03-01 09:00 | anna     | visit |
    03-10 09:00 | anna     | call  | company
    03-14 09:00 | anna     | visit |
    03-18 09:00 | anna     | cart  |
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "journeys",
        """
    journey_id | entry_touchpoint | last_touchpoint | step_count | session_count
    e1         | visit            | visit           | 1          | 1
    e2         | call             | cart            | 3          | 2
    """,
        order="journey_id",
    )


def test_a_contact_at_the_expiry_does_not_prolong(lab: Lab) -> None:
    """The company's contact just within the expiry belongs to the journey, and the next one after it does not."""
    lab.live(
        """
    at          | customer | event | by
    03-01 09:00 | anna     | visit |
    03-05 09:00 | anna     | call  | company
    03-06 09:00 | anna     | call  | company
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "journeys",
        """
    journey_id | contact_count
    e1         | 2
    e3         | 1
    """,
        order="journey_id",
    )


def test_a_customer_who_returns_too_late_begins_anew(lab: Lab) -> None:
    """More than the expiry after the company's contact is another journey."""
    lab.live(
        """
    at                    | customer | event | by
    03-01 09:00           | anna     | call  | company
    03-05 09:00:00.000001 | anna     | visit |
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "journeys",
        """
    journey_id | session_count
    e1         | 0
    e2         | 1
    """,
        order="journey_id",
    )


def test_background_is_no_step_and_no_activity(lab: Lab) -> None:
    """Delivery records open no journey, are no steps and do not keep one alive."""
    lab.live(
        """
    at          | customer | event  | background
    03-01 09:00 | anna     | visit  |
    03-04 09:00 | anna     | opened | yes
    03-06 09:00 | anna     | visit  |
    03-01 09:00 | ben      | opened | yes
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "journeys",
        """
    journey_id | customer_id | step_count
    e1         | anna        | 1
    e3         | anna        | 1
    """,
        order="journey_id",
    )


def test_background_named_under_steps_counts(lab: Lab) -> None:
    """`journeys.steps` makes steps and activities of a background touchpoint."""
    lab.live(
        """
    at          | customer | event  | background
    03-01 09:00 | anna     | visit  |
    03-04 09:00 | anna     | opened | yes
    03-06 09:00 | anna     | visit  |
    """,
        journeys={"expiry": "4 days", "steps": ["opened"]},
    )
    lab.expect(
        "select touchpoint, step_number from journey_steps",
        """
    touchpoint | step_number
    visit      | 1
    opened     | 2
    visit      | 3
    """,
        order="step_number",
    )


def test_the_goal_ends_a_journey_where_it_is_told_to(lab: Lab) -> None:
    """With `ends_on: goal` the next contact opens a journey, in the same session too."""
    log = """
    at    | customer | event    | value
    09:00 | anna     | catalog  |
    09:05 | anna     | purchase | 10
    09:06 | anna     | purchase | 5
    09:10 | anna     | catalog  |
    """
    lab.live(log, journeys={"ends_on": "goal"})
    lab.expect(
        "journeys",
        """
    journey_id | state     | is_open | step_count | value | session_count | converted_at
    e1         | converted | no      | 2          | 10    | 1             | 03-02 09:05
    e3         | converted | no      | 1          | 5     | 1             | 03-02 09:06
    e4         | open      | yes     | 1          |       | 1             |
    """,
        order="journey_id",
    )
    lab.live(log)
    lab.expect(
        "journeys",
        """
    journey_id | state     | is_open | step_count | value | converted_at
    e1         | converted | yes     | 3          | 15    | 03-02 09:05
    """,
    )


def test_activity_before_the_goal_says_nothing_about_the_next_journey(lab: Lab) -> None:
    """After the goal a company contact opens a journey, which runs from that contact on."""
    lab.live(
        """
    at          | customer | event    | by
    03-01 09:00 | anna     | purchase |
    03-04 09:00 | anna     | call     | company
    03-06 09:00 | anna     | call     | company
    03-08 09:00 | anna     | visit    |
    """,
        journeys={"expiry": "4 days", "ends_on": "goal"},
    )
    lab.expect(
        "journeys",
        """
    journey_id | contact_count
    e1         | 1
    e2         | 3
    """,
        order="journey_id",
    )


@pytest.mark.parametrize(("beyond_us", "state"), [(0, "open"), (1, "dropped_off")])
def test_open_up_to_the_expiry(lab: Lab, beyond_us: int, state: str) -> None:
    """At the expiry a journey is still open, a microsecond later it is dropped off."""
    lab.live(
        """
    at          | customer | event
    03-02 09:00 | anna     | catalog
    """,
        cutoff=micros("03-02 09:00") + 30 * DAY_US + beyond_us,
    )
    lab.expect(
        "journeys",
        f"""
    state
    {state}
    """,
    )


def test_never_expires(lab: Lab) -> None:
    """`expiry: never` makes a customer one journey that keeps its repeats."""
    lab.live(
        """
    at          | customer | event
    03-02 09:00 | anna     | visit
    11-02 09:00 | anna     | visit
    """,
        journeys={"expiry": "never"},
    )
    lab.expect(
        "journeys",
        """
    state | step_count | contact_count | throughput_seconds
    open  | 2          | 2             | 2.1168e+07
    """,
    )


def test_repeats_collapse_and_loops_stay(lab: Lab) -> None:
    """Consecutive contacts at a touchpoint are one step, whose gap runs from the end of the one before."""
    log = """
    at       | customer | event   | channel
    09:00    | anna     | catalog | web
    09:00:10 | anna     | catalog | app
    09:00:30 | anna     | cart    | web
    09:01    | anna     | catalog | web
    """
    lab.live(log)
    lab.expect(
        "journey_steps",
        """
    step_number | touchpoint | channel | started_at     | ended_at       | repeat_count | gap_seconds | next_touchpoint | next_gap_seconds
    1           | catalog    | web     | 03-02 09:00    | 03-02 09:00:10 | 2            |             | cart            | 20
    2           | cart       | web     | 03-02 09:00:30 | 03-02 09:00:30 | 1            | 20          | catalog         | 30
    3           | catalog    | web     | 03-02 09:01    | 03-02 09:01    | 1            | 30          |                 |
    """,
        order="step_number",
    )
    lab.live(log, journeys={"repeats": "keep"})
    lab.expect(
        "journey_steps",
        """
    step_number | touchpoint | repeat_count | gap_seconds
    1           | catalog    | 1            |
    2           | catalog    | 1            | 10
    3           | cart       | 1            | 20
    4           | catalog    | 1            | 30
    """,
        order="step_number",
    )


def test_background_between_repeats_does_not_part_them(lab: Lab) -> None:
    """A delivery record between two contacts at one touchpoint leaves them one step."""
    lab.live("""
    at    | customer | event   | background
    09:00 | anna     | catalog |
    09:01 | anna     | sent    | yes
    09:02 | anna     | catalog |
    09:03 | anna     | opened  | yes
    """)
    lab.expect(
        "journey_steps",
        """
    touchpoint | repeat_count | started_at  | ended_at
    catalog    | 2            | 03-02 09:00 | 03-02 09:02
    """,
    )


def test_steps_end_with_their_journey(lab: Lab) -> None:
    """The same touchpoint in the next journey is that journey's first step, with no gap and no predecessor."""
    lab.live(
        """
    at          | customer | event
    03-01 09:00 | anna     | visit
    03-20 09:00 | anna     | visit
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "journey_steps",
        """
    journey_id | step_number | touchpoint | gap_seconds | next_touchpoint | ended_at
    e1         | 1           | visit      |             |                 | 03-01 09:00
    e2         | 1           | visit      |             |                 | 03-20 09:00
    """,
        order="journey_id",
    )


def test_a_runaway_session_flags_its_journey(lab: Lab) -> None:
    """The journey stays in the tables, marked, and out of every rate; the customer is marked too."""
    lab.live(
        """
    at    | customer | event
    09:00 | bot      | ad
    09:00 | bot      | catalog
    09:00 | bot      | purchase
    09:00 | anna     | catalog
    09:01 | anna     | purchase
    """,
        sessions={"max_events": 2},
    )
    lab.expect(
        "journeys",
        """
    customer_id | is_flagged | state
    bot         | yes        | converted
    anna        | no         | converted
    """,
        order="journey_id",
    )
    assert "ad" not in {row["from_touchpoint"] for row in lab.rows("from transitions")}
    assert {row["journey_count"] for row in lab.rows("from variants")} == {1}
    assert [row["entered"] for row in lab.rows("from stage_funnel where stage_number = 2")] == [1, 1]
    assert {row["journey_count"] for row in lab.rows("from step_flow")} == {1}
    lab.expect(
        "customers",
        """
    customer_id | is_flagged
    bot         | yes
    anna        | no
    """,
        order="first_seen_at, event_count desc",
    )


def test_furthest_stage_is_by_order_not_by_time(lab: Lab) -> None:
    """A journey that falls back keeps the latest stage it reached; unmapped touchpoints have none."""
    lab.live("""
    at    | customer | event | stage
    09:00 | anna     | x     | purchase
    09:01 | anna     | y     | awareness
    09:00 | ben      | zz    |
    """)
    lab.expect(
        "journeys",
        """
    customer_id | furthest_stage
    anna        | purchase
    ben         |
    """,
        order="journey_id",
    )


def test_the_goal_by_the_company_converts_too(lab: Lab) -> None:
    """A deal that the company records as won is the goal, though no session has it."""
    lab.live(
        """
    at    | customer | event    | by      | value
    09:00 | anna     | catalog  |         |
    10:00 | anna     | deal won | company | 99.5
    """,
        goal="deal won",
    )
    lab.expect(
        "journeys",
        """
    state     | converted_at | value | session_count
    converted | 03-02 10:00  | 99.5  | 1
    """,
    )


def test_without_a_goal_nothing_converts(lab: Lab) -> None:
    """`goal: null` leaves every journey open or dropped off."""
    lab.live(
        """
    at    | customer | event
    09:00 | anna     | purchase
    """,
        goal=None,
    )
    lab.expect(
        "journeys",
        """
    state
    open
    """,
    )
