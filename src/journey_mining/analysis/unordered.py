"""Attempts of a funnel whose steps may come in any order.

An attempt starts at any event of any step; its level is how many of the steps happen within the window. One event
serves one step: where the steps may overlap, the level is the largest matching of steps and events, which by
Hall's theorem is the smallest of (steps outside S + events that match a step of S) over all sets S of steps.
"""

from __future__ import annotations

from itertools import combinations

from journey_mining.analysis.funnel import Plan, mark_events, window_check
from journey_mining.errors import QueryError

MAX_OVERLAPPING = 8
"""Steps that may overlap: the number of sets that Hall's theorem looks at doubles with each."""


def unordered_ctes(plan: Plan) -> list[str]:
    """The CTEs up to `attempts`: a row a start, with ord_k and us_k of the k-th step reached in order of time."""
    apart = _are_disjoint(plan) or not plan.question.strict_once
    ctes = [mark_events(plan), *(_first_each(plan) if apart else _matched(plan))]
    source = "placed"
    for index in range(1, len(plan.exclusions) + 1):
        ctes.append(_leave(plan, index, source))
        source = f"clean_{index}"
    ctes.append(f"attempts as (\n    select *\n    from {source}\n)")
    return ctes


def _are_disjoint(plan: Plan) -> bool:
    """Whether no event can match two steps: they are different touchpoints."""
    names = {step.touchpoint for step in plan.steps}
    return None not in names and len(names) == len(plan.steps)


def _numbers(plan: Plan) -> range:
    return range(1, len(plan.steps) + 1)


def _partition(plan: Plan) -> str:
    return "unit_id" + "".join(f", hold_{index}" for index in range(1, len(plan.hold) + 1))


def _is_start(plan: Plan) -> str:
    held = "".join(f" and hold_{index} is not null" for index in range(1, len(plan.hold) + 1))
    return f"({' or '.join(f'is_{number}' for number in _numbers(plan))}){held}"


def _first_each(plan: Plan) -> list[str]:
    """Each step's first event from a start on; the k-th of them in time is the k-th step reached."""
    frame = "unbounded" if plan.window_us is None else str(plan.window_us)
    firsts = ",\n        ".join(
        f"min(case when is_{number} then {value} end) over ahead as first_{value}_{number}"
        for number in _numbers(plan)
        for value in ("ord", "us")
    )
    lists = {
        value: "list_sort(["
        + ", ".join(f"first_{value}_{number}" for number in _numbers(plan))
        + "], 'asc', 'nulls last')"
        for value in ("ord", "us")
    }
    placed = ",\n        ".join(
        f"ords[{number}] as ord_{number}, uss[{number}] as us_{number}" for number in _numbers(plan)
    )
    return [
        f"""starts as (
    select
        *,
        {firsts}
    from marked
    where {_is_start(plan)}
    window ahead as (
        partition by {_partition(plan)} order by us range between current row and {frame} following
    )
)""",
        f"""sorted as (
    select unit_id, segment, ord as start_ord, {lists["ord"]} as ords, {lists["us"]} as uss
    from starts
)""",
        f"""placed as (
    select
        unit_id,
        segment,
        start_ord,
        len(list_filter(ords, lambda one: one is not null)) as level,
        list_max(ords) as done_ord,
        {placed}
    from sorted
)""",
    ]


def _matched(plan: Plan) -> list[str]:
    """The size of the largest matching after each event from a start on, by Hall's theorem."""
    count = len(plan.steps)
    if count > MAX_OVERLAPPING:
        raise QueryError(
            f"{count} steps that one event may match twice are too many for order='any'.",
            expected=f"at most {MAX_OVERLAPPING}, or different touchpoints",
        )
    mask = " + ".join(f"cast(is_{number} as integer) * {1 << (number - 1)}" for number in _numbers(plan))
    same = " and ".join(
        ["s.unit_id = e.unit_id", *(f"s.hold_{i} = e.hold_{i}" for i in range(1, len(plan.hold) + 1))]
    )
    sizes = []
    for size in range(1, count + 1):
        for chosen in combinations(range(count), size):
            bits = sum(1 << one for one in chosen)
            sizes.append(f"{count - size} + count(case when mask & {bits} > 0 then 1 end) over so_far")
    placed = ",\n        ".join(
        f"min(case when matched >= {number} then ord end) as ord_{number},"
        f" min(case when matched >= {number} then us end) as us_{number}"
        for number in _numbers(plan)
    )
    return [
        f"masked as (\n    select *, {mask} as mask\n    from marked\n    where {_is_start(plan)}\n)",
        f"""pairs as (
    select s.unit_id, s.segment, s.ord as start_ord, s.us as start_us, e.ord, e.us, e.mask
    from masked as s
    inner join masked as e on {same} and e.us >= s.us and {window_check(plan, "e.us", "s.us")}
    qualify row_number() over (partition by s.unit_id, s.ord, e.mask order by e.ord) <= {count}
)""",
        f"""growing as (
    select *, least({count}, {", ".join(sizes)}) as matched
    from pairs
    window so_far as (
        partition by unit_id, start_ord order by ord rows between unbounded preceding and current row
    )
)""",
        f"""placed as (
    select
        unit_id,
        any_value(segment) as segment,
        start_ord,
        max(matched) as level,
        min(case when matched = most then ord end) as done_ord,
        {placed}
    from (select *, max(matched) over (partition by unit_id, start_ord) as most from growing)
    group by unit_id, start_ord
)""",
    ]


def _leave(plan: Plan, index: int, source: str) -> str:
    last = len(plan.steps)
    return f"""clean_{index} as (
    select p.*
    from {source} as p
    asof left join (select unit_id, ord, us from marked where is_excluded_{index}) as e
        on p.unit_id = e.unit_id and p.start_ord < e.ord
    where e.ord is null
        or not case when p.ord_{last} is null then {window_check(plan, "e.us", "p.us_1")} else e.ord < p.ord_{last} end
)"""
