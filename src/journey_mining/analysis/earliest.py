"""The attempt of an ordered funnel that counts, found without looking at every attempt: by minima and maxima.

Going forward, a unit reaches each step first at the earliest event of it after the step before. Going back from the
last of these, the latest event of each step that still leads there gives the latest attempt that ends there: of all
attempts the deepest, the one that ends first, and of those the one that begins last, which is the one that counts.
Only where that attempt does not fit into the window may another one be deeper: for these units every attempt is
looked at. Each pass groups the events of one step; nothing is sorted.
"""

from __future__ import annotations

from journey_mining.analysis.funnel import Plan, follow_attempts
from journey_mining.analysis.log import EventLog


def is_found_by_extremes(log: EventLog, plan: Plan) -> bool:
    """Whether nothing but order and window decides about attempts."""
    question = plan.question
    return (
        plan.order == "ordered"
        and log.has_ordinals
        and len(plan.required) == len(plan.steps) > 1
        and not (plan.exclusions or plan.hold or plan.is_reentrant)
        and question.strict_once
        and question.by_at == "entry"
        and not (question.strict_increase or question.strict_deduplication)
    )


def earliest_ctes(plan: Plan) -> list[str]:
    """The CTEs up to `counting`: the attempt that counts of each unit, with the columns that `attempts` has."""
    last = len(plan.steps)
    ctes = [_later(plan), *(_reach_first(plan, number) for number in range(1, last + 1))]
    ctes += [_go_back(plan, number) for number in range(last, 0, -1)]
    ctes += [_pass_through(number) for number in range(2, last)]
    if plan.window_us is None:
        return [*ctes, _gather(plan, "counting")]
    columns = ", ".join(_columns(plan))
    return [
        *ctes,
        _gather(plan, "latest"),
        f"""loose as materialized (
    select unit_id
    from latest
    where done_us - us_1 > {plan.window_us}
)""",
        _mark_loose(plan),
        *follow_attempts(plan),
        f"""counting as (
    select {columns}
    from latest
    where done_us - us_1 <= {plan.window_us}
    union all
    select {columns}
    from (
        select *
        from attempts
        qualify row_number() over (partition by unit_id order by level desc, done_ord, ord_1 desc) = 1
    )
)""",
    ]


def _mark_loose(plan: Plan) -> str:
    """The CTE `marked` of the loose units; an event of the first step that is one of a later step too is there twice."""
    steps = range(2, len(plan.steps) + 1)
    segment = "e.segment" if plan.by else "null as segment"
    return f"""marked as (
    select e.unit_id, e.ord, e.us, {segment}, true as is_1, {", ".join(f"false as is_{k}" for k in steps)}
    from {_events_of(plan, 1)} as e
    semi join loose as u on e.unit_id = u.unit_id
    union all
    select e.unit_id, e.ord, e.us, null, false, {", ".join(f"e.is_{k}" for k in steps)}
    from later as e
    semi join loose as u on e.unit_id = u.unit_id
)"""


def _columns(plan: Plan) -> list[str]:
    steps = range(1, len(plan.steps) + 1)
    placed = [f"{name}_{number}" for number in steps for name in ("ord", "us")]
    return ["unit_id", "segment", *placed, "level", "done_ord"]


def _later(plan: Plan) -> str:
    """The events of all steps but the first, which are read several times."""
    marks = ",\n        ".join(f"{step.sql} as is_{number}" for number, step in enumerate(plan.steps[1:], 2))
    matched = " or ".join(step.where for step in plan.steps[1:])
    return f"""later as materialized (
    select
        {plan.column} as unit_id,
        {plan.ordinal} as ord,
        occurred_us as us,
        {marks}
    from events
    where {plan.named} and ({matched})
)"""


def _events_of(plan: Plan, number: int) -> str:
    """The events of a step (1-based)."""
    if number > 1:
        return f"(select unit_id, ord, us from later where is_{number})"
    segment = f", {plan.by} as segment" if plan.by else ""
    return (
        f"(select {plan.column} as unit_id, {plan.ordinal} as ord, occurred_us as us{segment} from events "
        f"where {plan.named} and ({plan.steps[0].where}))"
    )


def _reach_first(plan: Plan, number: int) -> str:
    """The first event at which a unit can have reached a step."""
    segment, joined = "", ""
    if number == 1 and plan.by:
        segment = ", arg_min_null(e.segment, e.ord) as segment"
    if number > 1:
        joined = f"\n    inner join first_{number - 1} as p on e.unit_id = p.unit_id and p.ord < e.ord"
    return f"""first_{number} as materialized (
    select e.unit_id, min(e.ord) as ord, min(e.us) as us{segment}
    from {_events_of(plan, number)} as e{joined}
    group by e.unit_id
)"""


def _go_back(plan: Plan, number: int) -> str:
    """The last event of a step from which a unit's deepest step is still reached as early as can be."""
    is_first = number == 1
    own = "" if not is_first else f", f.us, {'f.segment' if plan.by else 'null'} as segment"
    ended = f"select f.unit_id, f.ord{own}, {number} as level, f.ord as done_ord, f.us as done_us"
    if number == len(plan.steps):
        return f"back_{number} as (\n    {ended}\n    from first_{number} as f\n)"
    segment = "arg_max_null(e.segment, e.ord)" if plan.by else "null"
    own = f"\n        max(e.us) as us,\n        {segment} as segment," if is_first else ""
    return f"""back_{number} as materialized (
    select
        e.unit_id,
        max(e.ord) as ord,{own}
        any_value(n.level) as level,
        any_value(n.done_ord) as done_ord,
        any_value(n.done_us) as done_us
    from {_events_of(plan, number)} as e
    inner join back_{number + 1} as n on e.unit_id = n.unit_id and e.ord < n.ord
    group by e.unit_id
    union all
    {ended}
    from first_{number} as f
    anti join first_{number + 1} as n on f.unit_id = n.unit_id
)"""


def _pass_through(number: int) -> str:
    """The event of a step on the way of the attempts that go beyond it: the first one after the step before."""
    before = "back_1" if number == 2 else f"step_{number - 1}"
    return f"""step_{number} as materialized (
    select e.unit_id, min(e.ord) as ord, min(e.us) as us, any_value(p.level) as level
    from (select unit_id, ord, us from later where is_{number}) as e
    inner join {before} as p on e.unit_id = p.unit_id and p.ord < e.ord
    where p.level > {number}
    group by e.unit_id
)"""


def _gather(plan: Plan, name: str) -> str:
    """The attempts, with the event of each step that they reach."""
    last = len(plan.steps)
    placed, joins = [], []
    for number in range(2, last + 1):
        inner = number < last
        if inner:
            joins.append(f"\n    left join step_{number} as s{number} on b.unit_id = s{number}.unit_id")
        for column in ("ord", "us"):
            way = f" when b.level > {number} then s{number}.{column}" if inner else ""
            placed.append(f"case when b.level = {number} then b.done_{column}{way} end as {column}_{number}")
    listed = ",\n        ".join(placed)
    return f"""{name} as (
    select
        b.unit_id,
        b.segment,
        b.ord as ord_1,
        b.us as us_1,
        {listed},
        b.level,
        b.done_ord,
        b.done_us
    from back_1 as b{"".join(joins)}
)"""
