"""Models variants and channel_switches: sequences of touchpoints, and moves between channels."""

from __future__ import annotations

from worlds import Lab


def test_variants_are_ranked_by_frequency(lab: Lab) -> None:
    """Share, cumulative share, conversion of matured journeys, and the median throughput."""
    lab.live(
        """
    at          | customer | event
    03-01 09:00 | anna     | ad
    03-01 09:01 | anna     | purchase
    03-01 09:00 | ben      | ad
    03-01 09:03 | ben      | purchase
    03-01 09:00 | cleo     | ad
    03-20 09:00 | dora     | ad
    03-20 09:00 | dora     | ad
    03-01 09:00 | emil     | page
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "variants",
        """
    variant_rank | variant       | step_count | journey_count | customer_count | converted_count | conversion_rate | share | cumulative_share | median_throughput_seconds
    1            | ad            | 1          | 2             | 2              | 0               | 0               | 0.4   | 0.4              | 0
    2            | ad > purchase | 2          | 2             | 2              | 2               | 1               | 0.4   | 0.8              | 120
    3            | page          | 1          | 1             | 1              | 0               | 0               | 0.2   | 1                | 0
    """,
        order="variant_rank",
    )


def test_a_separator_within_a_name_does_not_join_variants(lab: Lab) -> None:
    """`a > b` as one touchpoint is another variant than `a` followed by `b`."""
    lab.live("""
    at    | customer | event
    09:00 | anna     | a > b
    09:00 | ben      | a
    09:01 | ben      | b
    """)
    assert len(lab.rows("from variants")) == 2


def test_switches_between_channels(lab: Lab) -> None:
    """Consecutive steps in different channels; the rate is that of matured journeys with such a switch."""
    lab.live(
        """
    at          | customer | event    | channel
    03-01 09:00 | anna     | page     | web
    03-01 09:01 | anna     | cart     | web
    03-01 09:02 | anna     | call     | phone
    03-01 09:03 | anna     | purchase | web
    03-01 09:04 | anna     | call     | phone
    03-01 09:00 | ben      | page     | web
    03-01 09:01 | ben      | call     | phone
    03-20 09:00 | cleo     | page     | web
    03-20 09:01 | cleo     | call     | phone
    """,
        journeys={"expiry": "4 days"},
    )
    lab.expect(
        "channel_switches",
        """
    from_channel | to_channel | switch_count | journey_count | customer_count | conversion_rate
    phone        | web        | 1            | 1             | 1              | 1
    web          | phone      | 4            | 3             | 3              | 0.5
    """,
        order="from_channel",
    )


def test_a_switch_does_not_span_journeys(lab: Lab) -> None:
    """The last step of one journey and the first of the next are no switch."""
    lab.live(
        """
    at          | customer | event | channel
    03-01 09:00 | anna     | page  | web
    03-20 09:00 | anna     | call  | phone
    """,
        journeys={"expiry": "4 days"},
    )
    assert lab.rows("from channel_switches") == []


def test_a_flagged_journey_is_no_variant_and_no_switch(lab: Lab) -> None:
    """What no person can have done is in neither table."""
    lab.live(
        """
    at    | customer | event | channel
    09:00 | bot      | page  | web
    09:01 | bot      | call  | phone
    09:02 | bot      | page  | web
    09:00 | anna     | page  | web
    09:01 | anna     | call  | phone
    """,
        sessions={"max_events": 2},
    )
    lab.expect(
        "channel_switches",
        """
    from_channel | to_channel | switch_count | customer_count
    web          | phone      | 1            | 1
    """,
    )
    lab.expect(
        "variants",
        """
    variant     | journey_count | share
    page > call | 1             | 1
    """,
    )
