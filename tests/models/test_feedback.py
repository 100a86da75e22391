"""Models scored_events and feedback: scores on their own scales, with the touchpoint that they speak of."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from worlds import Lab


def answers(lab: Lab, kind: str, low: float, high: float, scores: list[float | None]) -> dict[str, float]:
    """The feedback row of one touchpoint with these answers; None is an invitation without an answer."""
    body = "\n".join(
        f"e{n} | {kind} | {'' if s is None else s} | {'' if s is None else low} | {'' if s is None else high} | call | retention"
        for n, s in enumerate(scores)
    )
    lab.given(
        "scored_events", "event_id | score_kind | score | score_min | score_max | touchpoint | stage\n" + body
    )
    lab.build("feedback")
    return lab.rows("from feedback where touchpoint = 'call'")[0]


@pytest.mark.parametrize(
    ("low", "high", "scores", "top"),
    [
        (1, 5, [1, 3, 4, 5, 5, None], 3),
        (0, 1, [0, 1, 1], 2),
        (1, 3, [1, 2, 3], 1),
        (1, 4, [2, 3, 4], 2),
        (1, 7, [5, 6, 7], 2),
    ],
)
def test_csat_is_the_share_of_the_top_answers(
    lab: Lab, low: float, high: float, scores: list[float | None], top: int
) -> None:
    """The top two of a scale, the top one where there are fewer than four answers; Wilson interval."""
    row = answers(lab, "csat", low, high, scores)
    count = sum(score is not None for score in scores)
    assert row["response_count"] == count
    assert row["score"] == pytest.approx(top / count)
    assert (row["score_low"], row["score_high"]) == pytest.approx(
        proportion_confint(top, count, method="wilson"), abs=1e-8
    )


def test_nps_is_promoters_minus_detractors(lab: Lab) -> None:
    """9 and 10 promote, 0 to 6 detract; the interval is that of the mean of +100, 0 and -100."""
    row = answers(lab, "nps", 0, 10, [10, 9, 8, 7, 6, 0, 10])
    points = np.array([100, 100, 0, 0, -100, -100, 100])
    half = 1.959963984540054 * points.std(ddof=1) / np.sqrt(len(points))
    assert row["score"] == pytest.approx(points.mean())
    assert (row["score_low"], row["score_high"]) == pytest.approx(
        (points.mean() - half, points.mean() + half)
    )


def test_ces_is_the_mean(lab: Lab) -> None:
    """On its own scale, with the normal interval."""
    scores = [1, 5, 7, 7]
    row = answers(lab, "ces", 1, 7, [*scores])
    half = 1.959963984540054 * np.std(scores, ddof=1) / 2
    assert (row["score"], row["score_low"], row["score_high"]) == pytest.approx((5, 5 - half, 5 + half))


def test_one_answer_has_no_normal_interval(lab: Lab) -> None:
    """Nothing is known of the spread, so the interval is blank."""
    row = answers(lab, "ces", 1, 7, [4])
    assert (row["score"], row["score_low"], row["score_high"]) == (4, None, None)


def test_csat_without_a_scale_has_neither_score_nor_interval(lab: Lab) -> None:
    """Which answers are the top ones is not known."""
    lab.given(
        "scored_events",
        "event_id | score_kind | score | score_min | score_max | touchpoint | stage\ne1 | csat | 5 | | 5 | call |",
    )
    lab.build("feedback")
    row = lab.rows("from feedback where touchpoint = 'call'")[0]
    assert (row["response_count"], row["score"], row["score_low"], row["score_high"]) == (1, None, None, None)


def test_scales_are_not_mixed(lab: Lab) -> None:
    """The same kind on two scales is two rows."""
    lab.given(
        "scored_events",
        """
    event_id | score_kind | score | score_min | score_max | touchpoint | stage
    e1       | csat       | 5     | 1         | 5         | call       | retention
    e2       | csat       | 1     | 0         | 1         | call       | retention
    """,
    )
    lab.build("feedback")
    lab.expect(
        "from feedback where touchpoint is not null",
        """
    score_min | score_max | response_count | invited_count | response_rate
    0         | 1         | 1              |               |
    1         | 5         | 1              |               |
    """,
        order="score_min",
    )


def test_response_rate_counts_invitations(lab: Lab) -> None:
    """Answers over invitations, by touchpoint and by stage; invitations alone show no row."""
    lab.given(
        "scored_events",
        """
    event_id | score_kind | score | score_min | score_max | touchpoint | stage
    e1       | csat       |       |           |           | call       | retention
    e2       | csat       |       |           |           | call       | retention
    e3       | csat       |       |           |           | chat       | retention
    e4       | csat       |       |           |           | chat       | retention
    e5       | csat       | 4     | 1         | 5         | call       | retention
    """,
    )
    lab.build("feedback")
    lab.expect(
        "feedback",
        """
    stage     | touchpoint | response_count | invited_count | response_rate
    retention | call       | 1              | 2             | 0.5
    retention |            | 1              | 4             | 0.25
    """,
        order="touchpoint nulls last",
    )


def test_answers_without_an_invitation_do_not_exceed_the_whole(lab: Lab) -> None:
    """Who answered was invited, though the source recorded fewer invitations."""
    lab.given(
        "scored_events",
        """
    event_id | score_kind | score | score_min | score_max | touchpoint | stage
    e1       | csat       |       |           |           | call       | retention
    e2       | csat       | 4     | 1         | 5         | call       | retention
    e3       | csat       | 1     | 1         | 5         | call       | retention
    """,
    )
    lab.build("feedback")
    lab.expect(
        "from feedback where touchpoint = 'call'",
        """
    response_count | invited_count | response_rate | score
    2              | 2             | 1             | 0.5
    """,
    )


def test_a_score_speaks_of_the_last_contact_before_it(lab: Lab) -> None:
    """Within 72 hours, inclusive; delivery records and other answers are not spoken of."""
    lab.live("""
    at                    | customer | event  | kind | score | low | high | background | stage
    03-01 09:00           | anna     | call   |      |       |     |      |            | retention
    03-01 09:01           | anna     | sent   |      |       |     |      | yes        |
    03-01 09:02           | anna     | survey | nps  | 9     | 0   | 10   |            | retention
    03-04 09:00           | anna     | survey | csat | 5     | 1   | 5    |            | retention
    03-04 09:00:00.000001 | anna     | survey | ces  | 5     | 1   | 7    |            | retention
    03-01 09:00           | ben      | zz     |      |       |     |      |            |
    03-01 09:05           | ben      | survey | nps  | 3     | 0   | 10   |            |
    03-01 09:00           | cleo     | survey | nps  | 3     | 0   | 10   |            |
    03-01 09:00           |          | survey | nps  | 3     | 0   | 10   |            |
    """)
    lab.expect(
        "scored_events",
        """
    event_id | score_kind | touchpoint | stage
    e3       | nps        | call       | retention
    e4       | csat       | call       | retention
    e5       | ces        |            |
    e7       | nps        | zz         |
    e8       | nps        |            |
    e9       | nps        |            |
    """,
        order="event_id",
    )
    lab.expect(
        "feedback",
        """
    score_kind | stage     | touchpoint | response_count | score
    ces        |           |            | 1              | 5
    csat       | retention | call       | 1              | 1
    csat       | retention |            | 1              | 1
    nps        | retention | call       | 1              | 100
    nps        | retention |            | 1              | 100
    nps        |           | zz         | 1              | -100
    nps        |           |            | 3              | -100
    """,
        order="score_kind, stage nulls last, touchpoint nulls last",
    )


def test_an_event_at_the_same_instant_after_the_answer_is_not_before_it(lab: Lab) -> None:
    """The total order decides what came before an answer."""
    lab.live("""
    at    | customer | event  | kind | score | low | high | sequence
    09:00 | anna     | survey | nps  | 9     | 0   | 10   | 1
    09:00 | anna     | call   |      |       |     |      | 2
    """)
    lab.expect(
        "scored_events",
        """
    event_id | touchpoint
    e1       |
    """,
    )
