"""Model positions: where each event stands in its customer's life, and the total order among events."""

from __future__ import annotations

import pytest

from worlds import Lab

ORDINALS = "select event_id, event_ordinal from positions"


def test_equal_times_are_ordered_by_source_precedence(lab: Lab) -> None:
    """The source that is configured first comes first, whatever its sequence number."""
    lab.live(
        """
    at    | customer | event | source | sequence
    09:00 | anna     | a     | second | 1
    09:00 | anna     | z     | first  | 9
    """,
        sources=["first", "second"],
    )
    lab.expect(
        ORDINALS,
        """
    event_id | event_ordinal
    e2       | 1
    e1       | 2
    """,
        order="event_ordinal",
    )


def test_within_a_source_by_its_own_sequence(lab: Lab) -> None:
    """Then the sequence number of the source decides, before the name."""
    lab.live("""
    at    | customer | event | sequence
    09:00 | anna     | a     | 2
    09:00 | anna     | z     | 1
    """)
    lab.expect(
        ORDINALS,
        """
    event_id | event_ordinal
    e2       | 1
    e1       | 2
    """,
        order="event_ordinal",
    )


def test_then_by_name_and_then_by_id(lab: Lab) -> None:
    """Without a sequence the event's name decides, and at last its id."""
    lab.live("""
    at    | customer | event | sequence
    09:00 | anna     | z     | 0
    09:00 | anna     | b     | 0
    09:00 | anna     | b     | 0
    """)
    lab.expect(
        ORDINALS,
        """
    event_id | event_ordinal
    e2       | 1
    e3       | 2
    e1       | 3
    """,
        order="event_ordinal",
    )


def test_nobodys_events_have_no_position(lab: Lab) -> None:
    """An event without a customer is in `events` only: no session, no journey, no step."""
    lab.live("""
    at    | customer | event
    09:00 |          | catalog
    09:00 | anna     | cart
    """)
    lab.expect(
        "select event_id, customer_id, session_id, journey_id from events",
        """
    event_id | customer_id | session_id | journey_id
    e1       |             |            |
    e2       | anna        | e2         | e2
    """,
        order="event_id",
    )


@pytest.mark.parametrize(("when", "journey"), [("03-06 09:00", "e2"), ("03-06 09:00:00.000001", "")])
def test_background_belongs_to_the_journey_that_is_alive(lab: Lab, when: str, journey: str) -> None:
    """Up to the expiry after the last activity a delivery record gets the journey, later none."""
    lab.live(
        f"""
    at          | customer | event  | by      | background
    03-01 09:00 | anna     | sent   | company | yes
    03-02 09:00 | anna     | visit  |         |
    03-04 09:00 | anna     | reply  | company |
    {when}      | anna     | opened | system  | yes
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "select event_id, journey_id from events",
        f"""
    event_id | journey_id
    e1       |
    e2       | e2
    e3       | e2
    e4       | {journey}
    """,
        order="event_id",
    )


def test_background_belongs_to_a_journey_that_the_company_began(lab: Lab) -> None:
    """Such a journey is alive from the company's contact on."""
    lab.live(
        """
    at          | customer | event | by      | background
    03-01 09:00 | anna     | visit |         |
    03-09 09:00 | anna     | call  | company |
    03-10 09:00 | anna     | sent  | company | yes
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "select event_id, journey_id from events",
        """
    event_id | journey_id
    e1       | e1
    e2       | e2
    e3       | e2
    """,
        order="event_id",
    )


def test_background_after_the_goal_belongs_to_no_journey(lab: Lab) -> None:
    """Where the goal ends the journey, a receipt that is sent afterwards is in none."""
    lab.live(
        """
    at    | customer | event    | by      | background
    09:00 | anna     | purchase |         |
    09:01 | anna     | sent     | company | yes
    """,
        journeys={"ends_on": "goal"},
    )
    lab.expect(
        "select event_id, journey_id from events",
        """
    event_id | journey_id
    e1       | e1
    e2       |
    """,
        order="event_id",
    )


def test_the_cutoff_leaves_later_events_out(lab: Lab) -> None:
    """An event at the cutoff counts, one a microsecond later does not."""
    lab.live(
        """
    at              | customer | event
    09:00           | anna     | catalog
    09:05           | anna     | cart
    09:05:00.000001 | anna     | cart
    09:05:00.000001 | anna     | purchase
    """,
        cutoff="09:05",
    )
    lab.expect(
        "events",
        """
    event_id | touchpoint
    e1       | catalog
    e2       | cart
    """,
        order="event_id",
    )
    lab.expect(
        "select state from journeys",
        """
    state
    open
    """,
    )
