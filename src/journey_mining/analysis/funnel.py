"""Funnels: how many units reach each step, exact over every chain of events.

An *attempt* starts at an event of the first step and takes the first event of each further step that its order
allows, within the window from the first step (inclusive; ClickHouse windowFunnel). A unit's level is the deepest
level of all its attempts, so no chain is overlooked. An attempt in which an excluded event happens counts up to one
step beyond it; where such an attempt is the deepest of a unit, and no other is as deep, the unit leaves the funnel
(PostHog). In any order, and where attempts are counted, only the attempt leaves. One event serves one step, unless
`strict_once` is off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationError

from journey_mining.analysis.expressions import (
    NONE,
    UNIT_COLUMNS,
    check_choice,
    counted_events,
    event_order,
    named_events,
    segment_value,
    span_us,
    unit_column,
    write_ordinal,
)
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.predicates import Matcher, build_matcher
from journey_mining.errors import QueryError
from journey_mining.parameters import Parameters
from journey_mining.warehouse import quoted, quoted_name

BY_AT = ("entry", "first", "last")
UNITS = (*UNIT_COLUMNS, "attempts")


class FunnelQuestion(Parameters):
    """What a funnel counts."""

    steps: list[Any] = Field(min_length=1)
    """Touchpoints, {"stage": …} or {"where": "SQL predicate"}, in order."""
    window: Any = None
    """From the first step to the last, inclusive: '7 days', seconds or a timedelta; None: no limit."""
    order: str = "ordered"
    """ordered: other events may come between; strict: none may (a repeat of the step just reached is no other
    event); any: the steps in whatever order."""
    unit: str = "customers"
    """What is counted: customers, journeys, sessions, or attempts (a customer counts anew after each ends)."""
    by: Any = None
    """Column of the events, several, or {"where": predicate}: counts apart by its value."""
    by_at: int | str = "entry"
    """Whose value that is. entry: the attempt's first step's; first, last: the first or last known one of the unit's
    events of any step; a number or name: that step's, and units that do not reach it are left out."""
    strict_increase: bool = False
    """Each step must be later than the one before; else events of equal time follow in their order."""
    strict_once: bool = True
    """One event serves one step; off: it may serve several, as in ClickHouse by default."""
    strict_deduplication: bool = False
    """A step that repeats before the next one is reached ends the attempt."""
    reentry: bool = False
    """Count attempts: a unit enters again once its attempt was completed or its window has passed."""
    exclude: tuple[Any, ...] = ()
    """Conditions whose events end the attempt: a touchpoint, or with from_step and to_step (1-based)."""
    optional: tuple[int | str, ...] = ()
    """Steps (1-based numbers or names) that the later ones do not need."""
    hold: tuple[str, ...] = ()
    """Columns whose value must be the same in all steps."""


@dataclass(frozen=True)
class Exclusion:
    """A condition that ends attempts between two steps (0-based)."""

    matcher: Matcher
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """A checked funnel: everything that its query is written from."""

    steps: tuple[Matcher, ...]
    required: tuple[int, ...]
    """Indexes of the steps that are not optional."""
    window_us: int | None
    order: Literal["ordered", "strict", "any"]
    unit: str
    column: str
    """Column of the events that names the unit."""
    events: str
    """Condition on the events that count."""
    named: str
    """Condition on the events that count where they match a step or an exclusion."""
    ordinal: str
    """SQL of a number that puts a unit's events in order."""
    by: str | None
    by_step: int | None
    """Index of the step whose value `by` is; None: of another event."""
    hold: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    question: FunnelQuestion
    is_reentrant: bool


def plan_funnel(log: EventLog, **asked: Any) -> Plan:
    """The checked plan of a funnel; raises QueryError."""
    question = _ask(asked)
    order = check_choice("order", question.order, ("ordered", "strict", "any"))
    check_choice("unit", question.unit, UNITS)
    unit = "customers" if question.unit == "attempts" else question.unit
    steps = tuple(build_matcher(log, step) for step in question.steps)
    log.require_columns(question.hold)
    exclusions = tuple(_exclusion(log, one, steps) for one in question.exclude)
    optional = {_step_index(one, steps) for one in question.optional}
    column = unit_column(log, unit)
    named = " or ".join(one.sql for one in (*steps, *(one.matcher for one in exclusions)))
    plan = Plan(
        steps=steps,
        required=tuple(index for index in range(len(steps)) if index not in optional),
        window_us=None if question.window is None else span_us(question.window, "window"),
        order=order,  # type: ignore[arg-type]
        unit=unit,
        column=column,
        events=counted_events(log, unit, named),
        named=named_events(log, unit),
        ordinal=write_ordinal(log),
        by=_segment(log, question, column, steps),
        by_step=_segment_step(question, steps),
        hold=tuple(quoted_name(name) for name in question.hold),
        # Between the first step and the last there is nothing where they are one.
        exclusions=exclusions if len(steps) > 1 else (),
        question=question,
        is_reentrant=question.reentry or question.unit == "attempts",
    )
    _check_plan(plan, optional)
    return plan


def _ask(asked: Mapping[str, Any]) -> FunnelQuestion:
    given = {name: value for name, value in asked.items() if value is not None}
    for name in ("exclude", "optional", "hold"):
        if name in given and isinstance(given[name], str | int | Mapping):
            given[name] = [given[name]]
    if isinstance(given.get("steps"), str | Mapping):
        given["steps"] = [given["steps"]]
    try:
        question = FunnelQuestion.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise QueryError(
            f"funnel: {where}: {problem['msg']}.",
            fix="give at least one step" if where == "steps" else "correct the value",
        ) from error
    return question


def _segment(log: EventLog, question: FunnelQuestion, column: str, steps: Sequence[Matcher]) -> str | None:
    """The value by which units are counted apart, in SQL over `events`."""
    if question.by is None:
        return None
    value = segment_value(log, question.by)
    if question.by_at not in ("first", "last"):
        return value
    named = " or ".join(step.sql for step in steps)
    names = _segment_columns(question.by)
    if len(names) > 1:  # several are known as soon as one of them is
        named = f"({named}) and coalesce({', '.join(f'cast({quoted_name(name)} as varchar)' for name in names)}) is not null"
    found = (
        f"{question.by_at}_value(case when {named} then {value} end ignore nulls) over (partition by {column} "
        f"order by {event_order(log)} rows between unbounded preceding and unbounded following)"
    )
    return found if len(names) < 2 else f"coalesce({found}, {quoted(' / '.join([NONE] * len(names)))})"


def _segment_step(question: FunnelQuestion, steps: Sequence[Matcher]) -> int | None:
    if question.by_at in BY_AT:
        return None
    if isinstance(question.by_at, str) and question.by_at not in {step.label for step in steps}:
        check_choice("by_at", question.by_at, (*BY_AT, *(step.label for step in steps)))
    index = _step_index(question.by_at, steps)
    return None if question.by is None else index


def _segment_columns(by: Any) -> list[str]:
    """The columns of a segment; none where it is a predicate."""
    return [] if isinstance(by, Mapping) else [by] if isinstance(by, str) else [str(name) for name in by]


def _step_index(step: int | str, steps: Sequence[Matcher]) -> int:
    if isinstance(step, int) and not isinstance(step, bool) and 1 <= step <= len(steps):
        return step - 1
    labels = [matcher.label for matcher in steps]
    if isinstance(step, str) and labels.count(step) == 1:
        return labels.index(step)
    raise QueryError(
        f"There is no step {step!r}.", expected=f"a number from 1 to {len(steps)}, or a step's name"
    )


def _exclusion(log: EventLog, given: Any, steps: Sequence[Matcher]) -> Exclusion:
    first, last, condition = 0, len(steps) - 1, given
    if isinstance(given, Mapping):
        condition = {name: value for name, value in given.items() if name not in ("from_step", "to_step")}
        first = _step_index(given.get("from_step", 1), steps)
        last = _step_index(given.get("to_step", len(steps)), steps)
    if last <= first and len(steps) > 1:
        raise QueryError("exclude: 'to_step' must come after 'from_step'.", found=repr(given))
    matcher = build_matcher(log, condition)
    if matcher.sql in {step.sql for step in steps[first : last + 1]}:
        raise QueryError(f"'{matcher.label}' is a step and excluded at once.", fix="exclude something else")
    return Exclusion(matcher, first, last)


def _check_plan(plan: Plan, optional: set[int]) -> None:
    question = plan.question
    if 0 in optional:
        raise QueryError("The first step cannot be optional.", fix="begin with a step that all must take")
    if plan.order == "any":
        unfit = {"strict_increase": question.strict_increase, "optional": bool(optional),
                 "by_at a step": plan.by_step is not None,
                 "strict_deduplication": question.strict_deduplication,
                 "exclude between some steps": any(
                     (one.first, one.last) != (0, len(plan.steps) - 1) for one in plan.exclusions)}  # fmt: skip
        if given := [name for name, is_given in unfit.items() if is_given]:
            raise QueryError(
                f"{given[0]} has no meaning for order='any'.", fix="leave it out, or order the steps"
            )
    if optional and plan.order == "strict":
        raise QueryError("A strict funnel has no optional steps.", fix="leave them out, or order='ordered'")
    if not question.strict_once and question.strict_deduplication:
        raise QueryError("strict_deduplication needs strict_once.", fix="leave strict_once at its default")
    if any(index in optional for one in plan.exclusions for index in (one.first, one.last)):
        raise QueryError("An exclusion cannot begin or end at an optional step.", fix="name required steps")


def window_check(plan: Plan, moment: str, start: str) -> str:
    """The condition that a moment is within the window of an attempt."""
    return "true" if plan.window_us is None else f"{moment} - {start} <= {plan.window_us}"


def mark_events(plan: Plan) -> str:
    """The CTE `marked` of the events that count, each with the steps and exclusions that it matches."""
    marks = [f"{step.sql} as is_{index}" for index, step in enumerate(plan.steps, 1)]
    marks += [f"{one.matcher.sql} as is_excluded_{index}" for index, one in enumerate(plan.exclusions, 1)]
    holds = [f"{column} as hold_{index}" for index, column in enumerate(plan.hold, 1)]
    kinds = [*(step.where for step in plan.steps), *(one.matcher.where for one in plan.exclusions)]
    matched = plan.events if plan.order == "strict" else f"{plan.named} and ({' or '.join(kinds)})"
    columns = [f"{plan.column} as unit_id", f"{plan.ordinal} as ord", "occurred_us as us"]
    listed = ",\n        ".join([*columns, *holds, f"{plan.by or 'null'} as segment", *marks])
    return f"""marked as (
    select
        {listed}
    from events
    where {matched}
)"""


def attempt_ctes(plan: Plan) -> list[str]:
    """The CTEs up to `attempts` of all events that count; see follow_attempts."""
    return [mark_events(plan), *follow_attempts(plan)]


def follow_attempts(plan: Plan) -> list[str]:
    """The CTEs from `marked` to `attempts`: a row an attempt, with ord_k and us_k of each required step k (1-based)
    reached."""
    holds = "".join(f", hold_{index}" for index in range(1, len(plan.hold) + 1))
    known = " and ".join(["is_1", *(f"hold_{index} is not null" for index in range(1, len(plan.hold) + 1))])
    ctes = [
        f"""reached_1 as (
    select unit_id, segment, ord as ord_1, us as us_1{holds}
    from marked
    where {known}
)""",
    ]
    for before, number in zip(plan.required, plan.required[1:], strict=False):
        ctes.append(_reach(plan, before + 1, number + 1))
    last = plan.required[-1] + 1
    for index in set(range(len(plan.steps))) - set(plan.required):
        ctes.append(_reach_optional(plan, index + 1, f"reached_{last}"))
        last = index + 1
    for index, exclusion in enumerate(plan.exclusions, 1):
        ctes.append(
            _judge(plan, index, exclusion, f"reached_{last}" if index == 1 else f"judged_{index - 1}")
        )
    source = f"judged_{len(plan.exclusions)}" if plan.exclusions else f"reached_{last}"
    levels = " ".join(
        f"when ord_{index + 1} is not null then {level}"
        for level, index in reversed([*enumerate(plan.required, 1)])
    )
    done = ", ".join(f"ord_{index + 1}" for index in reversed(plan.required))
    listed = f"case {levels} end as level, coalesce({done}) as done_ord"
    if is_interruptible(plan):
        listed += f", coalesce({', '.join(f'ended_{index + 1}' for index in plan.required[1:])}) as ended_ord"
    return [*ctes, *_gather_attempts(plan, source, listed)]


def is_interruptible(plan: Plan) -> bool:
    """Whether an event may end an attempt before its window does; its place is then `ended_ord`."""
    return len(plan.required) > 1 and (plan.order == "strict" or plan.question.strict_deduplication)


def _gather_attempts(plan: Plan, source: str, listed: str) -> list[str]:
    """The CTEs from the last step's to `attempts`; with exclusions, also whether an attempt `is_clean`."""
    if not plan.exclusions:
        return [f"attempts as (\n    select *, {listed}\n    from {source}\n)"]
    spoilt = ", ".join(f"spoilt_{index}" for index in range(1, len(plan.exclusions) + 1))
    before = " + ".join(
        f"coalesce(cast(ord_{index + 1} < spoilt_ord as integer), 0)" for index in plan.required
    )
    judged = f"""judged as (
    select *, {listed}, least({spoilt}) as spoilt_ord
    from {source}
)"""
    kept = "\n    where spoilt_ord is null" if plan.is_reentrant else ""
    return [
        judged,
        f"""attempts as (
    select
        * replace (case when spoilt_ord is null then level else least(level, {before} + 1) end as level),
        spoilt_ord is null as is_clean
    from judged{kept}
)""",
    ]


def _candidates(plan: Plan, before: int, number: int) -> str:
    """The events of which the first one decides whether an attempt goes from step `before` to step `number`."""
    question = plan.question
    if plan.order == "strict":
        wanted = "true" if question.strict_deduplication else f"(is_{number} or not is_{before})"
    elif question.strict_deduplication:
        wanted = " or ".join(f"is_{index + 1}" for index in plan.required if index < number)
    else:
        wanted = f"is_{number}"
    holds = "".join(f", hold_{index}" for index in range(1, len(plan.hold) + 1))
    segment = ", segment" if plan.by_step == number - 1 else ""
    if question.strict_increase and plan.order == "ordered":
        segment = segment and ", arg_min_null(segment, ord) as segment"
        return (
            f"select unit_id, us, min(ord) as ord, bool_or(is_{number}) as is_next{holds}{segment} from marked "
            f"where {wanted} group by unit_id, us{holds}"
        )
    return f"select unit_id, us, ord, is_{number} as is_next{holds}{segment} from marked where {wanted}"


def _reach(plan: Plan, before: int, number: int) -> str:
    question, later = plan.question, plan.question.strict_increase and plan.order == "ordered"
    compare = "<" if question.strict_once else "<="
    place = f"p.us_{before} < e.us" if later else f"p.ord_{before} {compare} e.ord"
    same = [f"p.hold_{index} = e.hold_{index}" for index in range(1, len(plan.hold) + 1)]
    strict = plan.order == "strict"
    joined = " and ".join(["p.unit_id = e.unit_id", *([] if strict else same), place])
    conditions = ["e.is_next", window_check(plan, "e.us", "p.us_1"), *(same if strict else [])]
    if strict and question.strict_increase:
        conditions.append(f"e.us > p.us_{before}")
    held = " and ".join(conditions)
    ended = ""
    if is_interruptible(plan):
        goes_on = " and ".join(["e.is_next", *(same if strict else [])])
        ended = f",\n        case when not ({goes_on}) then e.ord end as ended_{number}"
    return f"""reached_{number} as (
    select
        {_carried(plan, number, held)},
        case when {held} then e.ord end as ord_{number},
        case when {held} then e.us end as us_{number}{ended}
    from reached_{before} as p
    asof left join ({_candidates(plan, before, number)}) as e
        on {joined}
)"""


def _reach_optional(plan: Plan, number: int, source: str) -> str:
    """The first event of an optional step between the required steps around it."""
    before = max(index for index in plan.required if index < number - 1) + 1
    after = next((index + 1 for index in plan.required if index > number - 1), None)
    limit = window_check(plan, "e.us", "p.us_1")
    if after is not None:
        limit = f"case when p.ord_{after} is null then {limit} else e.ord < p.ord_{after} end"
    segment = ", segment" if plan.by_step == number - 1 else ""
    return f"""reached_{number} as (
    select
        {_carried(plan, number, limit)},
        case when {limit} then e.ord end as ord_{number},
        case when {limit} then e.us end as us_{number}
    from {source} as p
    asof left join (select unit_id, ord, us{segment} from marked where is_{number}) as e
        on p.unit_id = e.unit_id and p.ord_{before} < e.ord
)"""


def _carried(plan: Plan, number: int, held: str) -> str:
    """The columns of the step before, with the segment where this step decides it."""
    if plan.by_step != number - 1:
        return "p.*"
    return f"p.* replace (case when {held} then e.segment end as segment)"


def _judge(plan: Plan, index: int, exclusion: Exclusion, source: str) -> str:
    """The attempts with the place of the excluded event between two steps, or in the window where the last is missing."""
    first, last = exclusion.first + 1, exclusion.last + 1
    limit = window_check(plan, "e.us", "p.us_1")
    if last > first:
        limit = f"case when p.ord_{last} is null then {limit} else e.ord < p.ord_{last} end"
    return f"""judged_{index} as (
    select p.*, case when {limit} then e.ord end as spoilt_{index}
    from {source} as p
    asof left join (select unit_id, ord, us from marked where is_excluded_{index}) as e
        on p.unit_id = e.unit_id and p.ord_{first} < e.ord
)"""
