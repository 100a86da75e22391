"""Transitions, flows, paths, retention and patterns, on logs small enough to count by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from test_analysis_funnel import log

import journey_mining as jm
from journey_mining.analysis.paths import clean_path, keep_reachable
from journey_mining.errors import QueryError


def test_transitions_are_the_journeys_own() -> None:
    """Counts, journeys and customers of each move; probabilities of the moves shown add up to 1."""
    snapshot = log("abab", "ac")
    found = snapshot.transitions().set_index(["from_touchpoint", "to_touchpoint"])
    assert found.loc[("a", "b"), ["transition_count", "journey_count", "customer_count"]].tolist() == [
        2,
        1,
        1,
    ]
    inner = snapshot.transitions(weight="customers", start_end=False)
    assert inner.groupby("from_touchpoint")["probability"].sum().tolist() == [1, 1]
    assert "__start__" not in set(inner["from_touchpoint"])


@pytest.mark.parametrize("unit", ["journeys", "customers"])
def test_events_called_like_a_boundary_are_no_boundary(unit: str) -> None:
    """Whether the moves are those of the journeys or of the events themselves."""
    rows = pd.DataFrame({"customer_id": 1, "occurred_at": [1, 2], "touchpoint": ["__start__", "__end__"]})
    found = jm.from_events(rows, goal=None).transitions(unit=unit)
    assert found[["from_touchpoint", "to_touchpoint"]].values.tolist() == [
        ["__end__ (event)", "__end__"],
        ["__start__", "__start__ (event)"],
        ["__start__ (event)", "__end__ (event)"],
    ]
    assert found["transition_count"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("unit", ["journeys", "sessions", "customers"])
def test_transitions_say_where_a_touchpoint_comes_from(unit: str) -> None:
    """Shares out of one touchpoint and into the other, and high quantiles of the gaps, whatever the unit."""
    found = log("ac", "ac", "b c", inactivity=5).transitions(unit=unit, start_end=False)
    rows = found.set_index(["from_touchpoint", "to_touchpoint"])
    assert rows["probability"].to_dict() == {("a", "c"): 1, ("b", "c"): 1}
    assert rows["probability_into"].to_dict() == pytest.approx({("a", "c"): 2 / 3, ("b", "c"): 1 / 3})
    assert rows["p95_gap_seconds"].to_dict() == {("a", "c"): 1, ("b", "c"): 2}


def test_transitions_of_no_unit_are_refused() -> None:
    """An unknown unit is an error that names the others."""
    with pytest.raises(QueryError, match="one of customers, journeys, sessions"):
        log("ab").transitions(unit="cases")


def test_sessions_have_transitions_of_their_own() -> None:
    """A move between two sessions is none."""
    found = log("ab  c", inactivity=1).transitions(unit="sessions", weight="sessions", start_end=False)
    assert found[["from_touchpoint", "to_touchpoint", "weight"]].values.tolist() == [["a", "b", 1]]
    with pytest.raises(QueryError, match="does not fit"):
        log("ab").transitions(unit="sessions", weight="journeys")


def test_repeats_collapse_where_journeys_collapse_them() -> None:
    """With collapsed repeats, what comes next is always something else; the gap runs from the last repeat."""
    found = log("aab", repeats="collapse").next_steps("a")
    assert found["touchpoint"].tolist() == ["b"]
    moves = log("aab", repeats="collapse").transitions(unit="sessions", start_end=False)
    assert moves["median_gap_seconds"].tolist() == [1]
    assert log("aab").next_steps("a")["touchpoint"].tolist() == ["a"]


def test_next_and_previous_steps() -> None:
    """The first place of a sequence, the last, or all; the ends are named."""
    snapshot = log("abcab", "ab")
    assert dict(snapshot.next_steps(["a", "b"]).units.to_numpy().tolist()) == {0: "c", 1: "__end__"}
    assert dict(snapshot.next_steps(["a", "b"], occurrence="last").units.to_numpy().tolist()) == {
        0: "__end__",
        1: "__end__",
    }
    assert snapshot.next_steps(["a", "b"], occurrence="all")["occurrence_count"].tolist() == [2, 1]
    assert snapshot.previous_steps(["a", "b"])["touchpoint"].tolist() == ["__start__"]
    with pytest.raises(QueryError, match="at least one"):
        snapshot.next_steps([])


@pytest.mark.parametrize("anchor", [{}, {"start": "b"}, {"end": "c"}, {"around": "b"}])
def test_flows_lose_nobody(anchor: dict[str, str]) -> None:
    """Whoever enters a node leaves it, also where touchpoints are folded."""
    snapshot = log("abcabc", "abxbc", "bc", "adefgbc", "c", "abh")
    found = snapshot.flow(**anchor, steps=3, top=2)
    ends = found[["step_number", "from_touchpoint", "to_touchpoint", "journey_count"]].to_numpy()
    inflow: dict[Any, int] = {}
    outflow: dict[Any, int] = {}
    for step, source, target, count in ends:
        inflow[step + 1, target] = inflow.get((step + 1, target), 0) + count
        outflow[step, source] = outflow.get((step, source), 0) + count
    inner = {node for node in outflow if not node[1].startswith("__")}
    if "end" in anchor:
        inner -= {node for node in inner if node[0] == 0}
    assert {node: inflow.get(node) for node in inner} == {node: outflow[node] for node in inner}
    assert found.figure().data[0].type == "sankey"


def test_a_flow_ends_at_the_goal_or_says_why_not() -> None:
    """Converted, dropped off, still open and beyond are nodes of their own."""
    rows = [
        ("c", 0, "a"),
        ("c", 1, "buy"),
        ("c", 2, "a"),
        ("d", 0, "a"),
        ("e", 90, "a"),
        ("e", 91, "b"),
        ("e", 92, "b"),
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint"])
    found = jm.from_events(frame, goal="buy", expiry=10).flow(steps=1)
    moves = {
        (source, target)
        for source, target in zip(found["from_touchpoint"], found["to_touchpoint"], strict=True)
    }
    assert moves == {("__start__", "a"), ("a", "buy"), ("buy", "__converted__"), ("a", "__dropped_off__"),
                     ("a", "b"), ("b", "__beyond__")}  # fmt: skip


def test_a_flow_has_one_anchor() -> None:
    """Two anchors at once are an error, and so is a name that nobody has."""
    with pytest.raises(QueryError, match="one of start, end and around"):
        log("ab").flow(start="a", end="b")
    with pytest.raises(QueryError, match="did you mean 'catalog'"):
        jm.from_events([{"customer_id": 1, "occurred_at": 1, "touchpoint": "catalog"}]).flow(start="catalgo")


def test_a_gap_of_exactly_the_limit_splits_only_where_asked() -> None:
    """Sessions keep it (over); some tools split there (at)."""
    snapshot = log("a b")
    assert len(snapshot.paths(inactivity=2)) == 1
    assert snapshot.paths(inactivity=2, boundary="at").empty
    assert len(snapshot.paths()) == 1


def test_paths_between_two_points() -> None:
    """From the first start to the first end after it; paths without either are left out."""
    snapshot = log("xabyb", "ab", "ba", "xb")
    found = snapshot.paths(start="a", end="b")
    assert found[["from_node", "to_node", "path_count"]].values.tolist() == [["1_a", "2_b", 2]]
    last = log("xyab").paths(2, end="b")
    assert last["from_node"].tolist() == ["1_a"]


def pages(*events: tuple[int, str], **options: Any) -> Any:
    """A snapshot of one customer's pages at their seconds."""
    frame = pd.DataFrame(
        [("c", *event) for event in events], columns=["customer_id", "occurred_at", "touchpoint"]
    )
    return jm.from_events(frame, goal=None, **options)


def moves(found: pd.DataFrame) -> list[list[Any]]:
    """The nodes of each move, with the mean seconds between."""
    return found[["from_node", "to_node", "mean_seconds"]].values.tolist()


@pytest.mark.parametrize("repeats", ["keep", "collapse"])
def test_a_run_of_one_touchpoint_takes_the_time_of_its_last_event(repeats: str) -> None:
    """As PostHog counts (test_removes_duplicates), whether or not the log's journeys collapse repeats."""
    snapshot = pages((0, "/1"), (20, "/1"), (60, "/2"), (80, "/2/"), (200, "/3"), repeats=repeats)
    merged = [["1_/1", "2_/2", 60], ["2_/2", "3_/3", 120]]
    assert moves(snapshot.paths()) == merged
    assert moves(snapshot.paths(inactivity=120)) == merged
    apart = snapshot.paths(inactivity=120, merge_repeats=False)
    assert apart["mean_seconds"].tolist() == [20, 40, 20, 120]


ROUTE = ((0, "/2"), (1, "/3/"), (3, "/4"), (7, "/5"), (15, "/about"), (31, "/x//"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"end": "/about/"}, ["/2", "/3", "/4", "/5", "/about"]),
        ({"end": "/about"}, ["/2", "/3", "/4", "/5", "/about"]),
        ({"start": "/3"}, ["/3", "/4", "/5", "/about", "/x/"]),
        ({"start": "/5", "end": "/x/"}, ["/5", "/about", "/x/"]),
        ({"end": "/4", "groups": "/[34]"}, ["/2", "/3", "/4"]),
        ({"end": "/about", "groups": "/ab*"}, ["/2", "/3", "/4", "/5", "/ab*"]),
        ({"end": "/ab*", "groups": "/ab*"}, ["/2", "/3", "/4", "/5", "/ab*"]),
        ({"exclude": "/3"}, ["/2", "/4", "/5", "/about", "/x/"]),
        ({"exclude": ["/3/", "/ab*"], "groups": ["/ab*"]}, ["/2", "/4", "/5", "/x/"]),
        ({"where": "touchpoint not in ('/4', '/5')"}, ["/2", "/3", "/about", "/x/"]),
        ({"where": {"touchpoint": "/3/"}}, ["/3"]),
    ],
)
def test_touchpoints_of_paths_are_called_as_paths_show_them(
    options: dict[str, Any], expected: list[str]
) -> None:
    """Given with a slash, without one, or by their group's name; what is left out is passed over."""
    assert pages(*ROUTE).path_nodes(**options)["touchpoint"].tolist() == expected


def test_a_path_is_split_where_what_remains_of_it_has_a_gap() -> None:
    """Events are left out before paths are formed."""
    snapshot = pages((0, "a"), (5, "b"), (10, "c"))
    assert len(snapshot.paths(inactivity=5)) == 2
    assert snapshot.paths(inactivity=5, exclude="b").empty


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (5, [["1_/2", "2_/3", 1], ["2_/3", "3_/4", 2], ["3_/4", "4_/5", 4], ["4_/5", "5_/about", 8]]),
        (4, [["1_/2", "2_/3", 1], ["2_/3", "3_...", 2], ["3_...", "4_/5", 4], ["4_/5", "5_/about", 8]]),
        (3, [["1_/2", "2_...", 1], ["2_...", "3_/about", 14]]),
        (2, [["1_/2", "2_...", 1], ["2_...", "3_/about", 14]]),
        (1, []),
    ],
)
def test_a_long_path_between_two_points_is_folded_in_the_middle(steps: int, expected: list[Any]) -> None:
    """As PostHog folds (test_start_and_end): half the steps from either end, `...` at the time of the first folded one."""
    snapshot = pages(*ROUTE)
    found = snapshot.paths(steps, start="/2", end="/about")
    assert moves(found) == expected
    nodes = snapshot.path_nodes(steps, start="/2", end="/about")
    assert nodes["node"].tolist() == ["1_/2", *(move[1] for move in expected)]
    assert found.units["touchpoint"].tolist() == nodes["touchpoint"].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 3}, "no option 'step'(.|\n)*did you mean 'steps'"),
        ({"steps": "many"}, "paths: steps: "),
        ({"start": 5}, "paths: start: "),
        ({"groups": 5}, "paths: groups: "),
        ({"where": 5}, "5 is no predicate"),
        ({"where": "pge = 1"}, "no column 'pge'"),
        ({"end": "/abuot/"}, "did you mean '/about'"),
        ({"exclude": ["/abuot"]}, "did you mean '/about'"),
    ],
)
def test_what_is_no_question_about_paths_says_why(options: dict[str, Any], message: str) -> None:
    """Options and touchpoints that are misspelt or of another type."""
    for ask in (pages(*ROUTE).paths, pages(*ROUTE).path_nodes):
        with pytest.raises(QueryError, match=message):
            ask(**options)


def test_nodes_of_paths_add_up() -> None:
    """Whoever arrives goes on or drops off."""
    found = log("abc", "ab", "a").path_nodes(2)
    assert found[["node", "arrived", "continued", "dropped_off"]].values.tolist() == [
        ["1_a", 3, 2, 1],
        ["2_b", 2, 1, 1],
    ]


def test_step_matrix_columns_are_distributions() -> None:
    """Every unit is somewhere at every step."""
    found = log("abc", "b").step_matrix(4)
    assert found.filter(like="step_").sum().tolist() == pytest.approx([1] * 5)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("first_2", "D > a"), ("last_9", "D > a > a > D"), ("keep_first", "D > a"), ("drop_all_unless_all", "a > a"),
        ("drop_trailing_unless_all", "D > a > a"), ("collapse_repeats", "D > a > D"),
    ],
)  # fmt: skip
def test_paths_can_be_cleaned(rule: str, expected: str) -> None:
    """One transformation at a time."""
    assert clean_path("D > a > a > D", rule, "D") == expected
    with pytest.raises(QueryError, match="Unknown transformation"):
        clean_path("a", "shuffle")


def test_edges_that_hang_in_the_air_go() -> None:
    """Reachable means from a node of the first step, however far."""
    assert keep_reachable([["2_b", "3_c"], ["1_a", "2_b"], ["2_x", "3_y"]]) == [
        ["2_b", "3_c"],
        ["1_a", "2_b"],
    ]


DAY = 86400


def visits(**customers: list[int]) -> Any:
    """A snapshot with a visit on each of the days."""
    rows = [(name, day * DAY, "visit") for name, days in customers.items() for day in days]
    return jm.from_events(pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint"]))


def table(found: pd.DataFrame) -> dict[str, list[int]]:
    """Customers retained by cohort, interval by interval."""
    return {f"{day:%d}": part["retained"].tolist() for day, part in found.groupby("cohort_at")}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"01": [2, 1, 1], "02": [0, 0, 0], "03": [0, 0, 0]}),
        ({"kind": "unbounded"}, {"01": [2, 2, 1], "02": [0, 0, 0], "03": [0, 0, 0]}),
        ({"cohort": "recurring"}, {"01": [2, 1, 1], "02": [1, 0, 0], "03": [1, 0, 0]}),
        ({"kind": "bracket", "brackets": [(0, 0), (1, 2)]}, {"01": [2, 2], "02": [0, 0], "03": [0, 0]}),
    ],
)
def test_kinds_of_retention(options: dict[str, Any], expected: dict[str, list[int]]) -> None:
    """In the interval, in it or later, in a range; from the first visit or from each."""
    snapshot = visits(ada=[0, 1], bob=[0, 2])
    assert table(snapshot.retention(**options)) == expected


def test_retention_says_what_is_incomplete() -> None:
    """An interval that the log does not cover in full is marked."""
    found = visits(ada=[0, 1], bob=[0, 2]).retention()
    assert found["is_complete"].tolist()[:3] == [True, True, False]
    assert found.loc[1, ["retention_rate", "cohort_size"]].tolist() == [0.5, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "year"}, "hour, day, week, month"),
        ({"kind": "rolling"}, "n_day, unbounded, bracket"),
        ({"kind": "bracket"}, "brackets"),
        ({"intervals": 0}, "at least one"),
        ({"start": "soon"}, "no time"),
    ],
)
def test_what_is_no_retention_says_why(options: dict[str, Any], message: str) -> None:
    """An error names the choices."""
    with pytest.raises(QueryError, match=message):
        visits(ada=[0]).retention(**options)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a -> b", [1, 0, 2]),
        ("a -> [^c]* -> b", [1, 0, 2]),
        ("a -> .* -> b", [1, 1, 2]),
        ("^a -> c", [0, 1, 0]),
        ("b$", [1, 1, 1]),
        ("[a|c]", [1, 2, 2]),
        ("a{1,2} -> b", [1, 0, 2]),
        ("a -> c? -> b", [1, 1, 2]),
        ("\"a\" -> 'b'", [1, 0, 2]),
    ],
)
def test_patterns(pattern: str, expected: list[int]) -> None:
    """Matches that do not overlap, as short as they can be, for ab, acb and abab."""
    found = log("ab", "acb", "abab").match(pattern)
    assert found["match_count"].tolist() == expected
    assert found["is_match"].tolist() == [count > 0 for count in expected]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("^.*$", [1, 1, 1]),
        ("c?$", [0, 0, 0]),
        ("b?$", [1, 1, 1]),
        ("a -> c?", [1, 1, 2]),
        ("^[^c]*$", [1, 0, 1]),
    ],
)
def test_a_match_has_an_event(pattern: str, expected: list[int]) -> None:
    """What could match no event counts only where it matches some."""
    found = log("ab", "acb", "abab").match(pattern)
    assert found["match_count"].tolist() == expected
    assert found["is_match"].tolist() == [count > 0 for count in expected]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (".*", [2, 3, 4]),
        ("a*", [1, 1, 2]),
        ("^a?", [1, 1, 1]),
        ("c{0,2} -> b*", [1, 2, 2]),
        ("a? -> c{0,}", [1, 2, 2]),
    ],
)
def test_a_pattern_that_needs_no_event_takes_one(pattern: str, expected: list[int]) -> None:
    """Each part may be left out, but not all of them."""
    found = log("ab", "acb", "abab").match(pattern)
    assert found["match_count"].tolist() == expected
    assert found["is_match"].tolist() == [count > 0 for count in expected]


def test_a_pattern_of_nothing_is_refused() -> None:
    """What is there 0 times cannot be found."""
    with pytest.raises(QueryError, match="matches no event"):
        log("ab").match("a{0}")


@pytest.mark.parametrize("pattern", ["ad click cart", "ad click > cart", "ad click→cart", "ad click, cart*"])
def test_a_forgotten_arrow_is_suggested(pattern: str) -> None:
    """Known touchpoints one after another are several elements; a name in quotes is one."""
    snapshot = pages((0, "ad click"), (1, "cart"))
    with pytest.raises(QueryError, match="write ad click -> cart"):
        snapshot.match(pattern)
    with pytest.warns(UserWarning, match="nobody reached it"):
        assert not snapshot.match('"ad click > cart"')["is_match"].any()


@pytest.mark.parametrize("pattern", ["", "a ->", "a -> {2}", "[]", "a b*+"])
def test_what_is_no_pattern_says_why(pattern: str) -> None:
    """An error shows the pattern and what an element is."""
    with pytest.raises(QueryError):
        log("ab").match(pattern)


def test_a_misspelt_touchpoint_of_a_pattern_is_found() -> None:
    """The nearest name is told."""
    with pytest.raises(QueryError, match="did you mean 'checkout'"):
        jm.from_events([{"customer_id": 1, "occurred_at": 1, "touchpoint": "checkout"}]).match("chekout -> .")


def test_scores_of_another_scale_are_no_nps() -> None:
    """A percentage is no answer from 0 to 10."""
    rows = [{"customer_id": 1, "occurred_at": 1, "touchpoint": "survey", "score": 90}]
    with pytest.raises(QueryError, match="no NPS scale"):
        jm.from_events(rows).nps()


def scored(*scores: Any, **columns: Any) -> Any:
    """A snapshot with an answer a second, and further columns of one value or one an answer."""
    frame = pd.DataFrame({"customer_id": 1, "occurred_at": range(len(scores)), "touchpoint": "survey",
                          "score": list(scores), **columns})  # fmt: skip
    return jm.from_events(frame)


def test_an_interval_needs_two_answers() -> None:
    """Nothing is known of the spread of one answer, and nothing at all without one."""
    for scores, counted, score in (([9], 1, 100), ([None], 0, None)):
        row = scored(*scores).nps().iloc[0]
        assert row["response_count"] == counted
        assert row["nps"] == score if counted else pd.isna(row["nps"])
        assert row[["nps_low", "nps_high"]].isna().all()
    assert scored(10, 0).nps()[["nps", "nps_low", "nps_high"]].values.tolist() == [[0, -100, 100]]


@pytest.mark.parametrize(
    ("score", "columns", "message"),
    [
        ("7", {"score_kind": "nps"}, "'score' has no numbers(.|\n)*VARCHAR"),
        (7, {"score_kind": "nps", "score_max": "10"}, "'score_max' has no numbers"),
        (7, {}, "no column score_kind"),
        (7, {"score_kind": [None]}, "no score_kind beside"),
        (7, {"score_kind": "NPS"}, "unknown 'NPS'"),
    ],
)
def test_scores_that_no_feedback_can_be_counted_of_say_why(
    score: Any, columns: dict[str, Any], message: str
) -> None:
    """Text, or answers of no kind, are not taken for an absence of answers."""
    with pytest.raises(QueryError, match=message):
        scored(score, **columns).feedback()


def test_scores_without_a_kind_are_told() -> None:
    """Where others have one, they are left out with a warning at the line that asked."""
    snapshot = scored(9, 8, score_kind=["nps", None])
    with pytest.warns(UserWarning, match="without a score_kind are left out: 1") as caught:
        assert snapshot.feedback()["response_count"].tolist() == [1]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("ask", [lambda j: j.nps(), lambda j: j.nps(by="touchpoint")])
def test_a_text_is_no_score(ask: Any) -> None:
    """An error names the column and its type."""
    with pytest.raises(QueryError, match=r"'score' has no numbers(.|\n)*VARCHAR"):
        ask(scored("7"))


def test_feedback_belongs_to_the_touchpoint_before() -> None:
    """The marts of a run answer for loaded events as well."""
    rows = [
        {"customer_id": 1, "occurred_at": 1, "touchpoint": "help", "score": None, "score_kind": None},
        {"customer_id": 1, "occurred_at": 2, "touchpoint": "survey", "score": 9, "score_kind": "nps"},
    ]
    found = jm.from_events(rows).feedback()
    assert found[["touchpoint", "score"]].values.tolist()[0] == ["help", 100]


def test_the_graph_has_the_transitions() -> None:
    """Boundary nodes included."""
    assert set(log("ab").graph().edges) == {("__start__", "a"), ("a", "b"), ("b", "__end__")}


def test_retention_counts_a_background_event_only_where_it_is_named() -> None:
    """A newsletter that is delivered keeps nobody, unless the question is about deliveries."""
    rows = [
        ("ada", "2026-01-01", "buy", False),
        ("ada", "2026-01-02", "delivery", True),
        ("bob", "2026-01-01", "buy", False),
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "is_background"])
    with jm.from_events(frame, goal="buy") as log:
        kept = log.retention("day", entry="buy", intervals=2)
        assert kept[kept["interval_number"] == 1]["retained"].tolist()[:1] == [0]
        kept = log.retention("day", entry="buy", returning="delivery", intervals=2)
        assert kept[kept["interval_number"] == 1]["retained"].tolist()[:1] == [1]
