"""Models stage_channels, unit_stages and strict_stages: stages by medium, by first contact, and in strict order."""

from __future__ import annotations

from worlds import Lab

# stage_channels


def test_channels_share_the_steps_of_a_stage(lab: Lab) -> None:
    """Shares are of the stage's own steps and add up to one; journeys and customers count once each."""
    lab.given(
        "journeys",
        """
    journey_id | is_flagged
    a1         | no
    a2         | no
    b1         | no
    """,
    )
    lab.given(
        "journey_steps",
        """
    journey_id | customer_id | stage    | channel
    a1         | anna        | purchase | web
    a1         | anna        | purchase | web
    a2         | anna        | purchase | web
    b1         | ben         | purchase | phone
    b1         | ben         | advocacy | web
    """,
    )
    lab.build("stage_channels")
    lab.expect(
        "stage_channels",
        """
    stage    | channel | step_count | journey_count | customer_count | step_share
    advocacy | web     | 1          | 1             | 1              | 1
    purchase | web     | 3          | 2             | 1              | 0.75
    purchase | phone   | 1          | 1             | 1              | 0.25
    """,
    )


def test_equal_channels_are_listed_by_name(lab: Lab) -> None:
    """The most frequent medium comes first; ties do not depend on the order of the steps."""
    lab.given(
        "journeys",
        """
    journey_id | is_flagged
    a1         | no
    """,
    )
    lab.given(
        "journey_steps",
        """
    journey_id | customer_id | stage    | channel
    a1         | anna        | purchase | web
    a1         | anna        | purchase | app
    a1         | anna        | purchase | sms
    a1         | anna        | purchase | sms
    """,
    )
    lab.build("stage_channels")
    lab.expect(
        "stage_channels",
        """
    channel | step_count
    sms     | 2
    app     | 1
    web     | 1
    """,
    )


def test_unmapped_steps_and_flagged_journeys_have_no_share(lab: Lab) -> None:
    """Neither counts, and neither makes the other shares smaller."""
    lab.given(
        "journeys",
        """
    journey_id | is_flagged
    a1         | no
    b1         | yes
    """,
    )
    lab.given(
        "journey_steps",
        """
    journey_id | customer_id | stage    | channel
    a1         | anna        | purchase | web
    a1         | anna        |          | web
    b1         | ben         | purchase | web
    b1         | ben         | purchase | app
    """,
    )
    lab.build("stage_channels")
    lab.expect(
        "stage_channels",
        """
    stage    | channel | step_count | journey_count | customer_count | step_share
    purchase | web     | 1          | 1             | 1              | 1
    """,
    )


# unit_stages


def given_steps(lab: Lab, steps: str, journeys: str) -> None:
    """The tables that unit_stages reads."""
    lab.given("journey_steps", steps)
    lab.given("journeys", journeys)


def test_a_stage_is_reached_at_its_first_contact(lab: Lab) -> None:
    """Later contacts in it do not move the time; an entry is a step whose stage before was another or none."""
    given_steps(
        lab,
        """
    journey_id | customer_id | step_number | stage_number | started_at
    a1         | anna        | 1           | 2            | 09:00
    a1         | anna        | 2           | 2            | 09:10
    a1         | anna        | 3           | 1            | 09:20
    a1         | anna        | 4           | 2            | 09:30
    """,
        """
    journey_id | is_flagged
    a1         | no
    """,
    )
    lab.build("unit_stages")
    lab.expect(
        "from unit_stages where unit = 'journeys'",
        """
    unit_id | stage_number | reached_at  | entry_count
    a1      | 1            | 03-02 09:20 | 1
    a1      | 2            | 03-02 09:00 | 2
    """,
        order="stage_number",
    )


def test_unmapped_steps_do_not_leave_a_stage(lab: Lab) -> None:
    """A step without a stage enters none, and coming back from it to the same stage is no new entry."""
    given_steps(
        lab,
        """
    journey_id | customer_id | step_number | stage_number | started_at
    a1         | anna        | 1           |              | 09:00
    a1         | anna        | 2           | 1            | 09:10
    a1         | anna        | 3           |              | 09:20
    a1         | anna        | 4           | 1            | 09:30
    """,
        """
    journey_id | is_flagged
    a1         | no
    """,
    )
    lab.build("unit_stages")
    lab.expect(
        "from unit_stages where unit = 'journeys'",
        """
    unit_id | stage_number | reached_at  | entry_count
    a1      | 1            | 03-02 09:10 | 1
    """,
    )


def test_steps_of_one_instant_are_entered_by_their_number(lab: Lab) -> None:
    """The number of a step breaks the tie, so 1, 2, 1 within an instant are two entries of stage 1."""
    given_steps(
        lab,
        """
    journey_id | customer_id | step_number | stage_number | started_at
    a1         | anna        | 3           | 1            | 09:00
    a1         | anna        | 1           | 1            | 09:00
    a1         | anna        | 2           | 2            | 09:00
    """,
        """
    journey_id | is_flagged
    a1         | no
    """,
    )
    lab.build("unit_stages")
    lab.expect(
        "from unit_stages where unit = 'journeys'",
        """
    stage_number | entry_count
    1            | 2
    2            | 1
    """,
        order="stage_number",
    )


def test_a_customer_reaches_a_stage_in_the_earliest_journey(lab: Lab) -> None:
    """Entries of all the customer's journeys add up; a journey begins outside every stage, and others' do not count."""
    given_steps(
        lab,
        """
    journey_id | customer_id | step_number | stage_number | started_at
    a1         | anna        | 1           | 1            | 03-01 09:00
    a2         | anna        | 1           | 1            | 03-05 09:00
    a2         | anna        | 2           | 2            | 03-05 10:00
    b1         | ben         | 1           | 2            | 03-02 09:00
    """,
        """
    journey_id | is_flagged
    a1         | no
    a2         | no
    b1         | no
    """,
    )
    lab.build("unit_stages")
    lab.expect(
        "unit_stages",
        """
    unit      | unit_id | stage_number | reached_at  | entry_count
    customers | anna    | 1            | 03-01 09:00 | 2
    customers | anna    | 2            | 03-05 10:00 | 1
    customers | ben     | 2            | 03-02 09:00 | 1
    journeys  | a1      | 1            | 03-01 09:00 | 1
    journeys  | a2      | 1            | 03-05 09:00 | 1
    journeys  | a2      | 2            | 03-05 10:00 | 1
    journeys  | b1      | 2            | 03-02 09:00 | 1
    """,
        order="unit, unit_id, stage_number",
    )


def test_flagged_journeys_reach_no_stage(lab: Lab) -> None:
    """A journey that no person makes counts neither itself nor for its customer."""
    given_steps(
        lab,
        """
    journey_id | customer_id | step_number | stage_number | started_at
    a1         | anna        | 1           | 1            | 03-01 09:00
    a2         | anna        | 1           | 2            | 03-05 09:00
    """,
        """
    journey_id | is_flagged
    a1         | yes
    a2         | no
    """,
    )
    lab.build("unit_stages")
    lab.expect(
        "unit_stages",
        """
    unit      | unit_id | stage_number
    customers | anna    | 2
    journeys  | a2      | 2
    """,
        order="unit",
    )


# strict_stages


def given_walks(lab: Lab, text: str, flagged: str = "none") -> None:
    """Steps of journeys, whose ids are those of their first events: these are in the order in which they are listed.

    A later event of each of them comes after all of these.
    """
    lab.given("journey_steps", text)
    lab.given("journeys", "journey_id | is_flagged")
    lab.warehouse.execute(
        "insert into journeys select distinct journey_id, journey_id = $flagged from journey_steps",
        {"flagged": flagged},
    )
    lab.given("events", "event_id | journey_id | event_ordinal")
    lab.warehouse.execute(
        """insert into events (event_id, journey_id, event_ordinal)
        with begun as (select journey_id, 10 * row_number() over (order by min(rowid)) as place from journey_steps group by 1)
        select journey_id, journey_id, place from begun
        union all select journey_id || '-later', journey_id, 1000 - place from begun"""
    )


def strict(lab: Lab, unit: str, expected: str) -> None:
    """The strict stages of one unit, with the journey, by its first event's ordinal, and the step at which they were reached."""
    lab.build("strict_stages")
    lab.expect(
        "select unit_id, stage_number, step_place // 4294967296 as journey, step_place % 4294967296 as step "
        f"from strict_stages where unit = '{unit}'",
        expected,
        order="unit_id, stage_number",
    )


def test_stages_in_order_are_strict(lab: Lab) -> None:
    """Each stage is reached at its earliest step after the one before, not at its earliest step of all."""
    given_walks(
        lab,
        """
    journey_id | customer_id | step_number | stage_number
    a1         | anna        | 1           | 2
    a1         | anna        | 2           | 1
    a1         | anna        | 3           | 3
    a1         | anna        | 4           | 2
    a1         | anna        | 5           | 1
    a1         | anna        | 6           | 2
    a1         | anna        | 7           | 3
    a1         | anna        | 8           | 3
    """,
    )
    strict(
        lab,
        "journeys",
        """
    unit_id | stage_number | journey | step
    a1      | 1            | 10      | 2
    a1      | 2            | 10      | 4
    a1      | 3            | 10      | 7
    """,
    )


def test_a_skip_ends_the_strict_order(lab: Lab) -> None:
    """Who misses a stage is strict up to the one before it; who misses the first is not strict at all."""
    given_walks(
        lab,
        """
    journey_id | customer_id | step_number | stage_number
    a1         | anna        | 1           | 1
    a1         | anna        | 2           | 3
    b1         | ben         | 1           | 2
    b1         | ben         | 2           | 3
    """,
    )
    strict(
        lab,
        "journeys",
        """
    unit_id | stage_number | journey | step
    a1      | 1            | 10      | 1
    """,
    )


def test_the_wrong_order_is_not_strict(lab: Lab) -> None:
    """The second stage before the first reaches the first only."""
    given_walks(
        lab,
        """
    journey_id | customer_id | step_number | stage_number
    a1         | anna        | 1           | 2
    a1         | anna        | 2           | 1
    """,
    )
    strict(
        lab,
        "journeys",
        """
    unit_id | stage_number | journey | step
    a1      | 1            | 10      | 2
    """,
    )


def test_ties_in_time_are_ordered_as_steps_are(lab: Lab) -> None:
    """Of two contacts in one instant the sequence decides which stage came first."""
    lab.live(
        """
    at    | customer | event | stage  | sequence
    09:00 | anna     | a     | first  | 1
    09:00 | anna     | b     | second | 2
    09:00 | ben      | a     | first  | 2
    09:00 | ben      | b     | second | 1
    """,
        stages=["first", "second"],
    )
    lab.expect(
        "select unit_id, stage_number from strict_stages where unit = 'journeys'",
        """
    unit_id | stage_number
    e1      | 1
    e1      | 2
    e4      | 1
    """,
        order="unit_id, stage_number",
    )


def test_unmapped_steps_are_passed_over(lab: Lab) -> None:
    """What has no stage does not break the order."""
    given_walks(
        lab,
        """
    journey_id | customer_id | step_number | stage_number
    a1         | anna        | 1           | 1
    a1         | anna        | 2           |
    a1         | anna        | 3           | 2
    """,
    )
    strict(
        lab,
        "journeys",
        """
    unit_id | stage_number | journey | step
    a1      | 1            | 10      | 1
    a1      | 2            | 10      | 3
    """,
    )


def test_customers_are_strict_over_their_journeys(lab: Lab) -> None:
    """A customer may begin in one journey and go on in the next, where that journey itself is not strict."""
    given_walks(
        lab,
        """
    journey_id | customer_id | step_number | stage_number
    a1         | anna        | 1           | 1
    a2         | anna        | 1           | 2
    b1         | ben         | 1           | 2
    b2         | ben         | 1           | 1
    """,
    )
    strict(
        lab,
        "customers",
        """
    unit_id | stage_number | journey | step
    anna    | 1            | 10      | 1
    anna    | 2            | 20      | 1
    ben     | 1            | 40      | 1
    """,
    )
    strict(
        lab,
        "journeys",
        """
    unit_id | stage_number | journey | step
    a1      | 1            | 10      | 1
    b2      | 1            | 40      | 1
    """,
    )


def test_flagged_journeys_are_not_strict(lab: Lab) -> None:
    """Neither the journey nor its customer reaches a stage by it."""
    given_walks(
        lab,
        """
    journey_id | customer_id | step_number | stage_number
    a1         | anna        | 1           | 1
    a2         | anna        | 1           | 2
    """,
        flagged="a2",
    )
    strict(
        lab,
        "customers",
        """
    unit_id | stage_number | journey | step
    anna    | 1            | 10      | 1
    """,
    )


def test_nobody_is_strict_without_steps(lab: Lab) -> None:
    """No step gives no row."""
    given_walks(lab, "journey_id | customer_id | step_number | stage_number")
    assert lab.build("strict_stages") == []
