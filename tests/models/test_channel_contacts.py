"""Model channel_contacts: what attribution credits, one channel in one session of a journey."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from depth import examples
from journey_mining.analysis.credit import write_credit
from journey_mining.analysis.log import EventLog
from worlds import Lab

CREDITED = ("label", "contact_us", "journey_number", "customer_id", "is_converted", "worth", "goal_us")

# Minutes, customer, event, channel, background.
EVENT = st.tuples(
    st.integers(0, 300),
    st.sampled_from(["anna", "ben"]),
    st.sampled_from(["page", "call", "purchase"]),
    st.sampled_from(["web", "phone", "email", ""]),
    st.sampled_from(["", "yes"]),
)


def log_of(lab: Lab) -> EventLog:
    """The tables of the lab as a published log."""
    return EventLog(
        lab.warehouse.connection,
        lambda table: None,
        ("event_ordinal",),
        is_loaded=False,
        settings={"expiry_seconds": "1"},
    )


def test_a_channel_counts_once_a_session(lab: Lab) -> None:
    """At its first event there; after the goal it no longer counts; what is in the background never does."""
    lab.live("""
        at          | customer | event    | channel     | background
        03-01 09:00 | anna     | page     | paid_search |
        03-01 09:01 | anna     | mailing  | email       | yes
        03-01 09:02 | anna     | page     | direct      |
        03-01 09:03 | anna     | page     | paid_search |
        03-01 12:00 | anna     | page     | paid_search |
        03-01 12:01 | anna     | purchase | direct      |
        03-01 12:02 | anna     | call     | phone       |
        03-01 09:00 | ben      | page     | direct      |
    """)
    lab.expect(
        "channel_contacts",
        """
        customer_id | contact_number | channel     | is_before_goal
        anna        | 1              | paid_search | yes
        anna        | 2              | direct      | yes
        anna        | 3              | paid_search | yes
        anna        | 4              | direct      | yes
        anna        | 5              | phone       | no
        ben         | 1              | direct      | no
        """,
        order="customer_id, contact_number",
    )


@examples(8)
@given(st.lists(EVENT, min_size=1, max_size=20))
def test_the_contacts_are_those_that_other_columns_would_have(
    lab: Lab, events: list[tuple[int, str, str, str, str]]
) -> None:
    """Credit by channel, which reads this model, equals credit by a copy of the column, which reads the events."""
    lab.reset()
    lines = [
        f"03-01 {m // 60:02}:{m % 60:02} | {who} | {what} | {channel} | {hidden}"
        for m, who, what, channel, hidden in events
    ]
    lab.live("\n".join(["at | customer | event | channel | background", *lines]))
    log = log_of(lab)
    lab.warehouse.execute("alter table published.main.events add column copied varchar")
    lab.warehouse.execute("update published.main.events set copied = channel")
    asked = ", ".join(CREDITED)
    by_channel, by_copy = (
        lab.warehouse.rows(f"select {asked} from ({write_credit(log, column, None)})")
        for column in ("channel", "copied")
    )
    assert by_channel == by_copy
