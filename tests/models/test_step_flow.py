"""Model step_flow: true counts of (step, from, to), forward from the start and backward from the goal."""

from __future__ import annotations

from worlds import Lab

LOG = """
at          | customer | event
03-01 09:00 | anna     | ad
03-01 09:01 | anna     | page
03-01 09:02 | anna     | cart
03-01 09:03 | anna     | purchase
03-01 09:04 | anna     | page
03-01 09:00 | ben      | page
03-01 09:01 | ben      | purchase
03-01 09:00 | cleo     | ad
03-20 09:00 | dora     | ad
"""
EXPIRY = {"expiry": "4 days"}


def test_forward(lab: Lab) -> None:
    """The flow ends at the goal in mid-journey, at the end, or beyond the last shown step."""
    lab.live(LOG, journeys=EXPIRY, report={"flow_steps": 2})
    lab.expect(
        "from step_flow where anchor = 'start'",
        """
    step_number | from_touchpoint | to_touchpoint   | journey_count
    0           | __start__       | ad              | 3
    0           | __start__       | page            | 1
    1           | ad              | __dropped_off__ | 1
    1           | ad              | __open__        | 1
    1           | ad              | page            | 1
    1           | page            | purchase        | 1
    2           | page            | __beyond__      | 1
    2           | purchase        | __converted__   | 1
    """,
        order="step_number, from_touchpoint, to_touchpoint",
    )


def test_forward_stops_at_the_goal(lab: Lab) -> None:
    """What follows the goal is not in the flow."""
    lab.live(LOG, journeys=EXPIRY, report={"flow_steps": 6})
    lab.expect(
        "from step_flow where anchor = 'start' and step_number > 2",
        """
    step_number | from_touchpoint | to_touchpoint | journey_count
    3           | cart            | purchase      | 1
    4           | purchase        | __converted__ | 1
    """,
        order="step_number",
    )


def test_backward(lab: Lab) -> None:
    """Counted back from the goal: to the beginning, or to steps that are not shown."""
    lab.live(LOG, journeys=EXPIRY, report={"flow_steps": 3})
    lab.expect(
        "from step_flow where anchor = 'conversion'",
        """
    step_number | from_touchpoint | to_touchpoint | journey_count
    1           | cart            | purchase      | 1
    1           | page            | purchase      | 1
    2           | __start__       | page          | 1
    2           | page            | cart          | 1
    3           | __beyond__      | page          | 1
    """,
        order="step_number, from_touchpoint",
    )


def test_a_journey_of_the_goal_alone(lab: Lab) -> None:
    """It comes from the start and goes to the goal, in both directions."""
    lab.live("""
    at    | customer | event
    09:00 | anna     | purchase
    """)
    lab.expect(
        "step_flow",
        """
    anchor     | step_number | from_touchpoint | to_touchpoint | journey_count
    conversion | 1           | __start__       | purchase      | 1
    start      | 0           | __start__       | purchase      | 1
    start      | 1           | purchase        | __converted__ | 1
    """,
        order="anchor, step_number",
    )
