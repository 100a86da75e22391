"""Models unit_stages, strict_stages and stage_funnel: who reached each stage, went on, left or is still open."""

from __future__ import annotations

import pytest

from worlds import Lab

STAGES = ["first", "second", "third"]


def funnel(lab: Lab, unit: str, expected: str) -> None:
    """The rows of one unit."""
    lab.expect(f"from stage_funnel where unit = '{unit}'", expected, order="stage_number")


def test_entered_is_converted_and_dropped_off_and_open(lab: Lab) -> None:
    """A unit that stays in a stage is open until its expiry, then dropped off; rates leave open units out."""
    lab.live(
        """
    at          | customer | event | stage
    03-01 09:00 | anna     | a     | first
    03-01 10:00 | anna     | b     | second
    03-01 12:00 | anna     | c     | third
    03-01 09:00 | ben      | a     | first
    03-01 09:00 | dora     | a     | first
    03-01 09:20 | dora     | b     | second
    03-20 09:00 | cleo     | a     | first
    """,
        stages=STAGES,
        journeys={"expiry": "4 days"},
        cutoff="03-20 09:00",
    )
    funnel(
        lab,
        "journeys",
        """
    stage  | stage_number | entered | converted | dropped_off | open | skipped | strict_entered | conversion_rate | median_seconds
    first  | 1            | 4       | 2         | 1           | 1    | 0       | 4              | 0.666667        | 2400
    second | 2            | 2       | 1         | 1           | 0    | 0       | 2              | 0.5             | 7200
    third  | 3            | 1       | 1         | 0           | 0    | 0       | 1              |                 |
    """,
    )


def test_a_skip_counts_as_reaching_and_shows(lab: Lab) -> None:
    """Who reaches the third stage without the second has entered it, with a skip; the strict funnel stops there."""
    lab.live(
        """
    at    | customer | event | stage
    09:00 | anna     | a     | first
    09:01 | anna     | c     | third
    09:00 | ben      | c     | third
    """,
        stages=STAGES,
    )
    funnel(
        lab,
        "customers",
        """
    stage  | entered | converted | skipped | strict_entered | median_seconds
    first  | 2       | 2         | 1       | 1              |
    second | 2       | 2         | 2       | 0              |
    third  | 2       | 2         | 0       | 0              |
    """,
    )


def test_strict_means_in_order(lab: Lab) -> None:
    """Second before first is not strict, even within one instant; later in the right order is."""
    lab.live(
        """
    at    | customer | event | stage
    09:00 | anna     | b     | second
    09:00 | anna     | a     | first
    09:00 | ben      | b     | second
    09:00 | ben      | a     | first
    09:05 | ben      | b     | second
    """,
        stages=STAGES,
    )
    funnel(
        lab,
        "journeys",
        """
    stage  | entered | strict_entered
    first  | 2       | 2
    second | 2       | 1
    third  | 0       | 0
    """,
    )


def test_customers_join_their_journeys(lab: Lab) -> None:
    """A customer's stages come from all journeys, in order; one open journey keeps the customer open."""
    lab.live(
        """
    at          | customer | event | stage
    03-01 09:00 | anna     | a     | first
    03-10 09:00 | anna     | b     | second
    """,
        stages=STAGES,
        journeys={"expiry": "4 days"},
    )
    funnel(
        lab,
        "customers",
        """
    stage  | entered | converted | dropped_off | open | skipped | strict_entered | median_seconds
    first  | 1       | 1         | 0           | 0    | 0       | 1              | 777600
    second | 1       | 0         | 0           | 1    | 0       | 1              |
    third  | 0       | 0         | 0           | 0    | 0       | 0              |
    """,
    )
    funnel(
        lab,
        "journeys",
        """
    stage  | entered | converted | dropped_off | open | skipped | strict_entered
    first  | 2       | 1         | 1           | 0    | 1       | 1
    second | 1       | 0         | 0           | 1    | 0       | 0
    third  | 0       | 0         | 0           | 0    | 0       | 0
    """,
    )


def test_a_flagged_journey_keeps_no_customer_open(lab: Lab) -> None:
    """What a machine does with a customer's account does not make the customer's own, expired journey open."""
    lab.live(
        """
    at          | customer | event | stage
    03-01 09:00 | anna     | a     | first
    03-10 09:00 | anna     | a     | first
    03-10 09:01 | anna     | a     | first
    03-10 09:02 | anna     | b     | second
    """,
        stages=STAGES,
        journeys={"expiry": "4 days"},
        sessions={"max_events": 2},
    )
    for unit in ("customers", "journeys"):
        funnel(
            lab,
            unit,
            """
        stage  | entered | converted | dropped_off | open | conversion_rate
        first  | 1       | 0         | 1           | 0    | 0
        second | 0       | 0         | 0           | 0    |
        third  | 0       | 0         | 0           | 0    |
        """,
        )


def test_a_converted_journey_that_may_go_on_is_open_in_its_stage(lab: Lab) -> None:
    """The goal does not mature a later stage: until the expiry the journey may still reach it."""
    lab.live(
        """
    at    | customer | event    | stage
    09:00 | anna     | purchase | second
    """,
        stages=STAGES,
    )
    funnel(
        lab,
        "journeys",
        """
    stage  | entered | converted | dropped_off | open | conversion_rate
    first  | 1       | 1         | 0           | 0    | 1
    second | 1       | 0         | 0           | 1    |
    third  | 0       | 0         | 0           | 0    |
    """,
    )


def test_unmapped_touchpoints_enter_no_stage(lab: Lab) -> None:
    """They are steps, and no stage entry; a stage left for one of them is not entered anew."""
    lab.live(
        """
    at    | customer | event | stage
    09:00 | anna     | a     | first
    09:01 | anna     | zz    |
    09:02 | anna     | a     | first
    09:03 | anna     | b     | second
    09:04 | anna     | a     | first
    09:00 | ben      | zz    |
    """,
        stages=STAGES,
    )
    lab.expect(
        "from unit_stages where unit = 'journeys'",
        """
    stage_number | reached_at  | entry_count
    1            | 03-02 09:00 | 2
    2            | 03-02 09:03 | 1
    """,
        order="stage_number",
    )
    lab.expect(
        "from strict_stages where unit = 'customers'",
        """
    stage_number
    1
    2
    """,
        order="stage_number",
    )


@pytest.mark.parametrize("unit", ["customers", "journeys"])
def test_a_stage_that_nobody_reached_has_its_row(lab: Lab, unit: str) -> None:
    """Every configured stage is listed, with zeros and no rate."""
    lab.live("""
    at    | customer | event
    09:00 | anna     | zz
    """)
    rows = lab.rows(f"from stage_funnel where unit = '{unit}'")
    assert [(row["entered"], row["conversion_rate"]) for row in rows] == [(0, None)] * 5
