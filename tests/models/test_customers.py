"""Models customers and touchpoints."""

from __future__ import annotations

from worlds import Lab


def test_a_customer_in_numbers(lab: Lab) -> None:
    """Background and company events count as events, not as sessions; sources are listed once, sorted."""
    lab.live(
        """
    at          | customer     | event | source | by      | background
    03-01 09:00 | anna         | sent  | shop   | company | yes
    03-02 09:00 | anna         | page  | shop   |         |
    03-02 09:01 | anna+email:a | page  | crm    |         |
    03-03 09:00 | anna         | call  | crm    | company |
    03-20 09:00 | email:a      | page  | shop   |         |
    """,
        sources=["shop", "crm"],
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "customers",
        """
    customer_id | first_seen_at | last_seen_at | event_count | session_count | journey_count | identifier_count | sources   | is_flagged
    anna        | 03-01 09:00   | 03-20 09:00  | 5           | 2             | 2             | 2                | crm, shop | no
    """,
    )


def test_someone_who_was_only_written_to(lab: Lab) -> None:
    """A customer with delivery records only has no journey and no session."""
    lab.live("""
    at    | customer | event | background
    09:00 | anna     | sent  | yes
    09:00 | ben      | page  |
    """)
    lab.expect(
        "customers",
        """
    customer_id | event_count | session_count | journey_count
    anna        | 1           | 0             | 0
    ben         | 1           | 1             | 1
    """,
        order="journey_count",
    )


def test_touchpoints_are_described_by_their_most_frequent_kind(lab: Lab) -> None:
    """Channel and stage are those of most events; counts include nobody's events and stop at the cutoff."""
    lab.live(
        """
    at    | customer | event | channel
    09:00 | anna     | cart  | web
    09:01 |          | cart  | app
    09:02 | anna     | cart  | app
    09:03 | ben      | zz    |
    09:04 | ben      | later |
    09:04 | ben      | cart  | web
    09:05 | ben      | cart  | web
    """,
        cutoff="09:03",
    )
    lab.expect(
        "touchpoints",
        """
    touchpoint | channel | stage         | is_background | is_goal | event_count | customer_count | rule
    cart       | app     | consideration | no            | no      | 3           | 1              | given
    zz         | unknown |               | no            | no      | 1           | 1              | given
    """,
        order="touchpoint",
    )
