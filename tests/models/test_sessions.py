"""Models channel_sessions and sessions: runs of a customer's own events."""

from __future__ import annotations

from worlds import Lab

SESSIONS = "select * from sessions"


def test_a_gap_equal_to_the_limit_stays(lab: Lab) -> None:
    """Thirty minutes to the microsecond are still one session."""
    lab.live("""
    at    | customer | event
    09:00 | anna     | catalog
    09:30 | anna     | cart
    """)
    lab.expect(
        SESSIONS,
        """
    session_id | customer_id | started_at  | ended_at    | event_count | entry_touchpoint | exit_touchpoint
    e1         | anna        | 03-02 09:00 | 03-02 09:30 | 2           | catalog          | cart
    """,
    )


def test_one_microsecond_more_splits(lab: Lab) -> None:
    """A gap over the limit opens a new session."""
    lab.live("""
    at              | customer | event
    09:00           | anna     | catalog
    09:30:00.000001 | anna     | cart
    """)
    lab.expect(
        SESSIONS,
        """
    session_id | event_count | started_at
    e1         | 1           | 03-02 09:00
    e2         | 1           | 03-02 09:30:00.000001
    """,
        order="started_at",
    )


def test_midnight_does_not_split(lab: Lab) -> None:
    """A session runs on over midnight."""
    lab.live("""
    at          | customer | event
    03-02 23:59 | anna     | catalog
    03-03 00:01 | anna     | cart
    """)
    lab.expect(
        SESSIONS,
        """
    session_id | event_count
    e1         | 2
    """,
    )


def test_what_others_do_is_in_no_session(lab: Lab) -> None:
    """A reply of the company and a delivery record neither open, join nor prolong a session."""
    lab.live("""
    at    | customer | event   | by       | background
    08:50 | anna     | mail    | company  | yes
    09:00 | anna     | catalog | customer |
    09:20 | anna     | reply   | company  |
    09:25 | anna     | opened  | customer | yes
    09:31 | anna     | cart    | customer |
    """)
    lab.expect(
        "select event_id, session_id from events",
        """
    event_id | session_id
    e1       |
    e2       | e2
    e3       |
    e4       |
    e5       | e5
    """,
        order="event_id",
    )


def test_customers_do_not_share_a_session(lab: Lab) -> None:
    """Two people at the same time have two sessions; nobody's event has none."""
    lab.live("""
    at    | customer | event
    09:00 | anna     | catalog
    09:00 | ben      | catalog
    09:01 |          | catalog
    09:02 | anna     | cart
    """)
    lab.expect(
        SESSIONS,
        """
    session_id | customer_id | event_count
    e1         | anna        | 2
    e2         | ben         | 1
    """,
        order="session_id",
    )


def test_by_customer_and_channel(lab: Lab) -> None:
    """With `by: [customer, channel]` each channel has its own sessions (model channel_sessions)."""
    log = """
    at    | customer | event   | channel
    09:00 | anna     | catalog | web
    09:10 | anna     | chat    | chat
    09:29 | anna     | cart    | web
    10:00 | anna     | chat    | chat
    """
    lab.live(log, sessions={"by": ["customer", "channel"]})
    lab.expect(
        SESSIONS,
        """
    session_id | channel | event_count | entry_touchpoint | exit_touchpoint
    e1         | web     | 2           | catalog          | cart
    e2         | chat    | 1           | chat             | chat
    e4         | chat    | 1           | chat             | chat
    """,
        order="session_id",
    )
    lab.expect(
        "select count(*) as session_count from channel_sessions",
        """
    session_count
    4
    """,
    )


def test_the_limit_by_channel(lab: Lab) -> None:
    """Within a channel, too, a gap equal to the limit stays, one more splits, and a reply neither joins nor prolongs."""
    lab.live(
        """
    at                    | customer | event | channel | by
    03-02 08:50           | anna     | reply | web     | company
    03-02 09:00           | anna     | page  | web     |
    03-02 09:30           | anna     | page  | web     |
    03-02 09:40           | anna     | reply | web     | company
    03-02 10:00:00.000001 | anna     | page  | web     |
    """,
        sessions={"by": ["customer", "channel"]},
    )
    lab.expect(
        SESSIONS,
        """
    session_id | event_count
    e2         | 2
    e5         | 1
    """,
        order="session_id",
    )


def test_by_customer_needs_no_channel_sessions(lab: Lab) -> None:
    """By default channel_sessions is empty and channels share a session."""
    lab.live("""
    at    | customer | event   | channel
    09:00 | anna     | catalog | web
    09:10 | anna     | chat    | chat
    """)
    assert lab.rows("from channel_sessions") == []
    lab.expect(
        SESSIONS,
        """
    session_id | channel | event_count
    e1         | web     | 2
    """,
    )


def test_a_session_that_no_person_makes_is_flagged(lab: Lab) -> None:
    """Longer than max_session, or more events than max_events; at the limits it is a person's."""
    log = """
    at          | customer | event
    03-02 09:00 | anna     | a
    03-02 19:00 | anna     | b
    03-02 09:00 | ben      | a
    03-02 19:00 | ben      | b
    03-02 19:00:00.000001 | ben | c
    03-02 09:00 | cleo     | a
    03-02 09:01 | cleo     | b
    03-02 09:02 | cleo     | c
    03-02 09:03 | cleo     | d
    """
    lab.live(log, sessions={"inactivity": "10 hours", "max_session": "10 hours", "max_events": 3})
    lab.expect(
        SESSIONS,
        """
    customer_id | is_flagged
    anna        | no
    ben         | yes
    cleo        | yes
    """,
        order="event_count",
    )


def test_a_session_with_the_goal_is_converted(lab: Lab) -> None:
    """is_converted tells whether the goal was reached in the session itself."""
    lab.live("""
    at    | customer | event
    09:00 | anna     | catalog
    10:00 | anna     | purchase
    """)
    lab.expect(
        SESSIONS,
        """
    session_id | is_converted | journey_id
    e1         | no           | e1
    e2         | yes          | e1
    """,
        order="session_id",
    )
