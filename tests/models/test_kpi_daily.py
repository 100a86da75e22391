"""Models kpi_daily and events: days in the configured time zone."""

from __future__ import annotations

from worlds import Lab


def test_days_are_local(lab: Lab) -> None:
    """Berlin leaves winter time at 01:00 UTC of 29 March 2026: midnight moves from 23:00 to 22:00 UTC."""
    lab.live(
        """
    at                    | customer | event
    03-28 22:59:59.999999 | anna     | page
    03-28 23:00           | anna     | page
    03-29 00:59:59.999999 | anna     | page
    03-29 01:00           | anna     | page
    03-29 21:59:59.999999 | anna     | page
    03-29 22:00           | anna     | page
    """,
        timezone="Europe/Berlin",
    )
    lab.expect(
        "select event_id, local_date from events",
        """
    event_id | local_date
    e1       | 03-28
    e2       | 03-29
    e3       | 03-29
    e4       | 03-29
    e5       | 03-29
    e6       | 03-30
    """,
        order="event_id",
    )


def test_zones_of_a_quarter_of_an_hour(lab: Lab) -> None:
    """Kathmandu is 5 h 45 min ahead: its day begins at 18:15 UTC."""
    lab.live(
        """
    at                    | customer | event
    03-02 18:14:59.999999 | anna     | page
    03-02 18:15           | anna     | page
    """,
        timezone="Asia/Kathmandu",
    )
    lab.expect(
        "select event_id, local_date from events",
        """
    event_id | local_date
    e1       | 03-02
    e2       | 03-03
    """,
        order="event_id",
    )


def test_days_before_1970_are_local_too(lab: Lab) -> None:
    """Microseconds are negative there, and the last quarter of an hour before 1970 is in no day of 1970."""
    day = 86_400_000_000
    lab.live([{"at": at, "customer": "anna", "event": "page"} for at in (-day - 1, -day, -1, 0)])
    lab.expect(
        "select event_id, local_date from events",
        """
    event_id | local_date
    e1       | 12-30
    e2       | 12-31
    e3       | 12-31
    e4       | 01-01
    """,
        order="event_id",
    )


def test_figures_of_a_day(lab: Lab) -> None:
    """Events of all, customers with a contact of their own, and what began or converted on the day."""
    lab.live("""
    at          | customer | event    | by      | background | value
    03-02 23:50 | anna     | page     |         |            |
    03-03 00:10 | anna     | purchase |         |            | 10.25
    03-03 00:11 | anna     | sent     | company | yes        |
    03-03 12:00 | ben      | opened   |         | yes        |
    03-03 13:00 |          | page     |         |            |
    03-04 09:00 | cleo     | call     | company |            |
    """)
    lab.expect(
        "kpi_daily",
        """
    local_date | event_count | customer_count | session_count | journey_count | converted_count | value
    03-02      | 1           | 1              | 1             | 1             | 0               |
    03-03      | 4           | 1              | 0             | 0             | 1               | 10.25
    03-04      | 1           | 0              | 0             | 1             | 0               |
    """,
        order="local_date",
    )
