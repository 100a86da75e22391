"""Model touchpoint_signatures and the rules of journey.yaml: names, stages, channels, background and the goal."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_mining.config import load_config
from journey_mining.errors import ConfigError
from journey_mining.touchpoints import check_rules
from worlds import Lab

NAMED = "select event_name, touchpoint, stage, channel, is_background, rule from touchpoint_signatures"


def test_the_first_rule_wins(lab: Lab) -> None:
    """Rules are asked in their order; what no rule names keeps its own name."""
    lab.classify("""
    at    | customer | event     | channel
    09:00 | anna     | view_item | web
    09:01 | anna     | view_list | web
    09:02 | anna     | zz        | web
    """, touchpoints=[
        {"name": "item", "when": "event_name = 'view_item'", "stage": "purchase"},
        {"name": "view", "when": "event_name like 'view%'", "stage": "awareness", "channel": "shop"},
    ])  # fmt: skip
    lab.expect(
        NAMED,
        """
    event_name | touchpoint | stage     | channel | is_background | rule
    view_item  | item       | purchase  | web     | no            | 1: event_name = 'view_item'
    view_list  | view       | awareness | shop    | no            | 2: event_name like 'view%'
    zz         | zz         |           | web     | no            | given
    """,
        order="event_name",
    )


def test_a_rule_may_name_background(lab: Lab) -> None:
    """Its events are neither steps nor activities."""
    lab.live(
        """
    at    | customer | event
    09:00 | anna     | ping
    09:01 | anna     | page
    """,
        touchpoints=[{"name": "ping", "when": "event_name = 'ping'", "background": True}],
    )
    lab.expect(
        "select touchpoint, is_background, is_activity from touchpoint_signatures",
        """
    touchpoint | is_background | is_activity
    page       | no            | yes
    ping       | yes           | no
    """,
        order="touchpoint",
    )
    lab.expect(
        "journeys",
        """
    entry_touchpoint | step_count
    page             | 1
    """,
    )


@pytest.mark.parametrize(
    "when",
    [
        "source = 'log'", "system = 'table'", "initiator in ('customer', 'company')", "not is_background",
        "lower(channel) = 'web' and page_path is null", "regexp_matches(event_name, '^p')",
        "starts_with(event_name, 'p')", "ends_with(event_name, 'e')", "contains(event_name, 'ag')",
        "coalesce(channel, 'x') between 'a' and 'z'", "event_name ilike 'P%' or length(event_name) > 9",
        "(given_touchpoint = 'page')", "upper(trim(event_name)) = 'PAGE'",
    ],
)  # fmt: skip
def test_what_a_rule_may_say(lab: Lab, when: str) -> None:
    """Comparisons of columns of the signature and a few functions of texts."""
    lab.classify(
        """
    at    | customer | event | channel
    09:00 | anna     | page  | web
    """,
        touchpoints=[{"name": "found", "when": when}],
    )
    assert [row["touchpoint"] for row in lab.rows("from touchpoint_signatures")] == ["found"]


@pytest.mark.parametrize(
    "when",
    [
        "event_name in (select name from settings)", "exists (select 1)", "event_name = (select 'x')",
        "read_csv('journey.yaml') is null", "read_text('journey.yaml') = 'x'", "getenv('HOME') = 'x'",
        "event_name = 'a'; drop table events", "event_name = 'a' union select 1", "attach 'x.db'", "select 1",
        "event_name", "'a'", "1", "", "   ", "event_name =", "*", "random() < 0.5", "event_name = $x",
        "count(*) > 1", "row_number() over () = 1", "cast(event_name as integer) = 1", "case when true then true end",
        "copy events to 'x.csv'", "event_name = 'a' or 1 = 1) --", "e.event_name = 'a'", "signatures.source = 'log'",
    ],
)  # fmt: skip
def test_what_a_rule_may_not_say(tmp_path: Path, when: str) -> None:
    """No query, no other function, no second statement, nothing that is neither true nor false."""
    path = written(tmp_path, when)
    with pytest.raises(ConfigError, match=rf"{path.name}:5:12: the rule 'x'"):
        check_rules(load_config(path))


def test_a_comment_never_reaches_the_database(lab: Lab) -> None:
    """A predicate is made anew from its parsed form, without its comments."""
    lab.classify(
        """
    at    | customer | event
    09:00 | anna     | page
    09:00 | anna     | cart
    """,
        touchpoints=[{"name": "found", "when": "event_name = 'page' -- */ or true"}],
    )
    assert {row["touchpoint"] for row in lab.rows("from touchpoint_signatures")} == {"found", "cart"}


def test_an_unknown_column_is_named_with_its_place(tmp_path: Path) -> None:
    """The message says where, what there is, and what was perhaps meant."""
    with pytest.raises(ConfigError) as caught:
        check_rules(load_config(written(tmp_path, "page_pth like '/a%'")))
    text = str(caught.value)
    assert "journey.yaml:5:12: the rule 'x' names the unknown column 'page_pth'." in text
    assert "did you mean 'page_path'?" in text
    assert "event_name" in text


@pytest.mark.parametrize("predicate", ["regexp_matches(event_name, '(')", "event_name > 5"])
def test_a_condition_that_cannot_be_asked_is_told_before_a_run(tmp_path: Path, predicate: str) -> None:
    """With its place and its cause."""
    with pytest.raises(ConfigError, match=r"journey\.yaml:5:12: the rule 'x' cannot be evaluated") as caught:
        check_rules(load_config(written(tmp_path, predicate)))
    assert "found:" in str(caught.value)


def test_a_pattern_that_is_no_pattern_is_the_users_to_mend(lab: Lab) -> None:
    """A broken regular expression is a mistake in journey.yaml, not a failure of a model."""
    with pytest.raises(ConfigError, match="the rule 'x' cannot be evaluated"):
        lab.classify(
            """
        at    | customer | event
        09:00 | anna     | page
        """,
            touchpoints=[{"name": "x", "when": "regexp_matches(event_name, '(')"}],
        )


BOUNDARIES = (
    "__start__", "__end__", "__converted__", "__dropped_off__", "__open__", "__beyond__", "__left__", "__other__",
)  # fmt: skip


@pytest.mark.parametrize("name", BOUNDARIES)
def test_an_event_may_be_called_like_a_boundary(lab: Lab, name: str) -> None:
    """Its touchpoint is called otherwise, so that the audits find every journey to begin and to end once."""
    lab.live([
        {"at": "09:00", "customer": "anna", "event": name},
        {"at": "09:01", "customer": "anna", "event": "__init"},
        {"at": "09:02", "customer": "anna", "event": name, "named": None},
    ])  # fmt: skip
    lab.expect(
        "select step_number, touchpoint from journey_steps",
        f"""
    step_number | touchpoint
    1           | {name} (event)
    2           | __init
    3           | {name} (event)
    """,
        order="step_number",
    )
    ends = lab.rows("from transitions where from_touchpoint = '__start__' or to_touchpoint = '__end__'")
    assert sum(row["transition_count"] for row in ends) == 2


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("home page", "awareness"), ("newsletter_click", "awareness"), ("product view", "consideration"),
        ("add-to-cart", "consideration"), ("checkout", "purchase"), ("buy now", "purchase"), ("order placed", "purchase"),
        ("sort order", "purchase"), ("disorder", None), ("support chat", "retention"), ("return request", "retention"),
        ("write review", "advocacy"), ("read review", "consideration"), ("refer a friend", "advocacy"), ("zz", None),
        ("login", "retention"), ("CHECKOUT", "purchase"),
    ],
)  # fmt: skip
def test_names_tell_the_stage(lab: Lab, name: str, stage: str | None) -> None:
    """Without a rule the words of the name decide; a name that says nothing has no stage."""
    lab.classify([{"at": "09:00", "customer": "anna", "event": name}])
    assert [row["stage"] for row in lab.rows("from touchpoint_signatures")] == [stage]


def test_a_guessed_stage_that_is_not_configured_is_none(lab: Lab) -> None:
    """Stages of one's own replace the defaults."""
    lab.classify([{"at": "09:00", "customer": "anna", "event": "checkout"}], stages=["begin", "finish"])
    assert [row["stage"] for row in lab.rows("from touchpoint_signatures")] == [None]


def test_pages_are_named_by_their_path(lab: Lab) -> None:
    """A page view without a name of its own is named by the first two parts of its path."""
    lab.live([
        {"at": "09:00", "customer": "anna", "event": "page_view", "named": None, "page": "/shop/shoes/:id"},
        {"at": "09:01", "customer": "anna", "event": "page_view", "named": None, "page": "/"},
        {"at": "09:02", "customer": "anna", "event": "page_view", "named": None, "page": None},
        {"at": "09:03", "customer": "anna", "event": "scroll", "named": None, "page": "/shop"},
    ])  # fmt: skip
    assert [row["touchpoint"] for row in lab.rows("from events order by event_id")] == [
        "page /shop/shoes", "page /", "page_view", "scroll",
    ]  # fmt: skip


def test_the_goal_is_a_touchpoint_or_else_a_stage(lab: Lab) -> None:
    """The stage of that name converts only where no touchpoint has the name."""
    both = """
    at    | customer | event    | stage
    09:00 | anna     | purchase | purchase
    09:00 | ben      | pay      | purchase
    """
    lab.live(both)
    lab.expect(
        "journeys",
        """
    customer_id | state
    anna        | converted
    ben         | open
    """,
        order="journey_id",
    )
    lab.live(
        """
    at    | customer | event    | stage
    09:00 | ben      | pay      | purchase
    09:05 | anna     | purchase | purchase
    """,
        cutoff="09:00",
    )
    lab.expect(
        "journeys",
        """
    customer_id | state
    ben         | converted
    """,
    )


def test_background_at_the_goal_converts_nobody(lab: Lab) -> None:
    """A confirmation that the system writes is no conversion, unless it is named under steps."""
    log = """
    at    | customer | event    | background
    09:00 | anna     | page     |
    09:01 | anna     | purchase | yes
    """
    assert lab.live(log).rows("from journeys")[0]["state"] == "open"
    assert lab.live(log, journeys={"steps": ["purchase"]}).rows("from journeys")[0]["state"] == "converted"


def written(folder: Path, when: str) -> Path:
    """A journey.yaml with one rule."""
    path = folder / "journey.yaml"
    text = when.replace("'", "''")
    path.write_text(
        "sources:\n  log: {system: table, path: log.csv}\ntouchpoints:\n"
        f"  - name: x\n    when:  '{text}'\n",
        encoding="utf-8",
    )  # fmt: skip
    return path
