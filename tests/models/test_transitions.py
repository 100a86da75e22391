"""Model transitions: directly-follows counts with the boundary nodes."""

from __future__ import annotations

import pytest

from worlds import Lab

LOG = """
at       | customer | event
09:00    | anna     | ad
09:01    | anna     | page
09:03    | anna     | ad
09:04    | anna     | page
09:05    | anna     | purchase
09:00    | ben      | ad
09:02    | ben      | page
10:00    | cleo     | page
"""


def test_every_move_is_counted(lab: Lab) -> None:
    """Times, journeys and customers are counted apart: a loop counts its journey once."""
    lab.live(LOG)
    lab.expect(
        "transitions",
        """
    from_touchpoint | to_touchpoint | transition_count | journey_count | customer_count | median_gap_seconds
    __start__       | ad            | 2                | 2             | 2              |
    __start__       | page          | 1                | 1             | 1              |
    ad              | page          | 3                | 2             | 2              | 60
    page            | __end__       | 2                | 2             | 2              |
    page            | ad            | 1                | 1             | 1              | 120
    page            | purchase      | 1                | 1             | 1              | 60
    purchase        | __end__       | 1                | 1             | 1              |
    """,
        order="from_touchpoint, to_touchpoint",
    )


@pytest.mark.parametrize(
    ("column", "total"), [("from_touchpoint", "probability"), ("to_touchpoint", "probability_into")]
)
def test_probabilities_sum_to_one(lab: Lab, column: str, total: str) -> None:
    """Out of every source, and into every target."""
    lab.live(LOG)
    sums = lab.rows(f"select {column}, sum({total}) as whole from transitions group by {column}")
    assert [row["whole"] for row in sums] == pytest.approx([1.0] * len(sums))


def test_conversion_counts_matured_journeys_and_what_comes_after(lab: Lab) -> None:
    """The denominator leaves open journeys out; a move at or after the goal leads to no goal."""
    lab.given(
        "journeys",
        """
    journey_id | customer_id | state       | is_flagged | entry_touchpoint
    j1         | anna        | converted   | no         | ad
    j2         | ben         | dropped_off | no         | ad
    j3         | cleo        | open        | no         | ad
    j4         | bot         | converted   | yes        | ad
    """,
    )
    lab.given(
        "journey_steps",
        """
    journey_id | customer_id | step_number | touchpoint | next_touchpoint | is_goal | next_gap_seconds
    j1         | anna        | 1           | ad         | purchase        | no      | 60
    j1         | anna        | 2           | purchase   | ad              | yes     | 0
    j1         | anna        | 3           | ad         |                 | no      |
    j2         | ben         | 1           | ad         | purchase        | no      | 30
    j3         | cleo        | 1           | ad         | purchase        | no      | 10
    j4         | bot         | 1           | ad         | purchase        | no      | 10
    """,
    )
    lab.build("transitions")
    lab.expect(
        "transitions",
        """
    from_touchpoint | to_touchpoint | transition_count | matured_count | conversion_rate | lift
    __start__       | ad            | 3                | 2             | 0.5             | 1
    ad              | __end__       | 1                | 1             | 0               | 0
    ad              | purchase      | 3                | 2             | 0.5             | 1
    purchase        | ad            | 1                | 1             | 0               | 0
    """,
        order="from_touchpoint, to_touchpoint",
    )


def test_what_happens_again_counts_journeys_and_customers_once(lab: Lab) -> None:
    """A move that comes before the goal and after it leads to it; the first step is no move from another one."""
    lab.given(
        "journeys",
        """
    journey_id | customer_id | state       | is_flagged | entry_touchpoint
    j1         | anna        | converted   | no         | ad
    j2         | anna        | dropped_off | no         | ad
    """,
    )
    lab.given(
        "journey_steps",
        """
    journey_id | customer_id | step_number | touchpoint | next_touchpoint | is_goal | next_gap_seconds
    j1         | anna        | 1           | ad         | purchase        | no      | 60
    j1         | anna        | 2           | purchase   | ad              | yes     | 60
    j1         | anna        | 3           | ad         | purchase        | no      | 60
    j1         | anna        | 4           | purchase   |                 | yes     |
    j2         | anna        | 1           | ad         |                 | no      |
    """,
    )
    lab.build("transitions")
    lab.expect(
        "transitions",
        """
    from_touchpoint | to_touchpoint | transition_count | journey_count | customer_count | conversion_rate
    __start__       | ad            | 2                | 2             | 1              | 0.5
    ad              | __end__       | 1                | 1             | 1              | 0
    ad              | purchase      | 2                | 1             | 1              | 1
    purchase        | __end__       | 1                | 1             | 1              | 0
    purchase        | ad            | 1                | 1             | 1              | 0
    """,
        order="from_touchpoint, to_touchpoint",
    )


def test_gaps_have_exact_quantiles(lab: Lab) -> None:
    """Median, 90th and 95th percentile interpolate between the gaps that were there."""
    gaps = [0, 10, 20, 30, 100]
    lab.given(
        "journeys",
        "journey_id | customer_id | state | is_flagged | entry_touchpoint\n"
        + "\n".join(f"j{n} | c{n} | open | no | ad" for n in range(len(gaps))),
    )
    lab.given(
        "journey_steps",
        (
            "journey_id | customer_id | step_number | touchpoint | next_touchpoint | is_goal | next_gap_seconds\n"
            + "\n".join(f"j{n} | c{n} | 1 | ad | page | no | {gap}" for n, gap in enumerate(gaps))
        ),
    )
    lab.build("transitions")
    lab.expect(
        "from transitions where to_touchpoint = 'page'",
        """
    median_gap_seconds | p90_gap_seconds | p95_gap_seconds | conversion_rate | lift
    20                 | 72              | 86              |                 |
    """,
    )


def test_nobody_converted(lab: Lab) -> None:
    """Without a base rate there is no lift, and the rates are zero with their interval."""
    lab.given(
        "journeys",
        """
    journey_id | customer_id | state       | is_flagged | entry_touchpoint
    j1         | anna        | dropped_off | no         | ad
    """,
    )
    lab.given(
        "journey_steps",
        """
    journey_id | customer_id | step_number | touchpoint | next_touchpoint | is_goal | next_gap_seconds
    j1         | anna        | 1           | ad         |                 | no      |
    """,
    )
    lab.build("transitions")
    lab.expect(
        "transitions",
        """
    from_touchpoint | conversion_rate | conversion_rate_low | conversion_rate_high | lift
    __start__       | 0               | 0                   | 0.793451             |
    ad              | 0               | 0                   | 0.793451             |
    """,
        order="from_touchpoint",
    )
