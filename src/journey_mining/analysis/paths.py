"""Paths: the sequences of touchpoints of sessions, their moves step by step, and where they break off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from journey_mining.analysis.expressions import (
    Span,
    call_macro,
    check_choice,
    counted_events,
    event_order,
    span_us,
)
from journey_mining.analysis.log import MISSING, EventLog
from journey_mining.analysis.sequences import seen_cte
from journey_mining.errors import QueryError
from journey_mining.parameters import Parameters
from journey_mining.warehouse import quoted

SEPARATOR = " > "


class PathQuestion(Parameters):
    """Which paths are looked at."""

    steps: int = 5
    """Steps shown of each path."""
    start: str | None = None
    """Paths begin at their first event of this touchpoint; others are left out."""
    end: str | None = None
    """Paths end at the first event of this touchpoint (after the start); others are left out."""
    inactivity: Any = None
    """Split a customer's events at gaps of this length; None: the snapshot's own sessions."""
    boundary: str = "over"
    """over: a longer gap splits; at: a gap of exactly this length splits too."""
    merge_repeats: bool = True
    """Consecutive events of one touchpoint are one step."""
    groups: tuple[str, ...] = ()
    """Patterns with * for anything: touchpoints that contain one are called by the pattern."""
    strip_slash: bool = True
    """/cart/ and /cart are one touchpoint."""


def write_path_moves(log: EventLog, question: PathQuestion) -> str:
    """The query of moves `1_a` to `2_b` with paths, customers, and the mean and median seconds between."""
    return f"""with {_path_ctes(log, question)}

select
    step_number || '_' || touchpoint as from_node,
    step_number + 1 || '_' || next_touchpoint as to_node,
    step_number,
    touchpoint as from_touchpoint,
    next_touchpoint as to_touchpoint,
    count(*) as path_count,
    count(distinct customer_id) as customer_count,
    avg(next_gap_us) / 1000000.0 as mean_seconds,
    median(next_gap_us) / 1000000.0 as median_seconds
from walked
where step_number < {question.steps}
    and next_touchpoint is not null
group by step_number, touchpoint, next_touchpoint
order by step_number, path_count desc, from_touchpoint, to_touchpoint"""


def write_path_nodes(log: EventLog, question: PathQuestion) -> str:
    """The query of nodes `2_b`: paths that arrive, go on to a further step, and break off there."""
    return f"""with {_path_ctes(log, question)}

select
    step_number || '_' || touchpoint as node,
    step_number,
    touchpoint,
    count(*) as arrived,
    count(next_touchpoint) as continued,
    count(*) - count(next_touchpoint) as dropped_off,
    count(distinct customer_id) as customer_count,
    {call_macro("rate", "count(*) - count(next_touchpoint)", "count(*)")} as drop_off_rate,
    {call_macro("wilson_low", "count(*) - count(next_touchpoint)", "count(*)")} as drop_off_rate_low,
    {call_macro("wilson_high", "count(*) - count(next_touchpoint)", "count(*)")} as drop_off_rate_high
from walked
where step_number <= {question.steps}
group by step_number, touchpoint
order by step_number, arrived desc, touchpoint"""


def write_path_customers(log: EventLog, question: PathQuestion) -> str:
    """The query of paths step by step: path, customer, step and touchpoint."""
    return f"""with {_path_ctes(log, question)}

select path_id, customer_id, step_number, touchpoint, next_touchpoint
from walked
where step_number <= {question.steps}
order by path_id, step_number"""


def _path_ctes(log: EventLog, question: PathQuestion) -> str:
    check_choice("boundary", question.boundary, ("over", "at"))
    if question.steps < 1:
        raise QueryError("steps: at least one step must be shown.", found=str(question.steps))
    merged = (
        "qualify touchpoint is distinct from lag(touchpoint) over (partition by path_id order by position)"
    )
    return f"""{_split_ctes(log, question)},

merged as (
    select *
    from split
    {merged if question.merge_repeats else ""}
),

numbered as (
    select *, row_number() over (partition by path_id order by position) as number
    from merged
),

{_cut_cte(log, question)},

walked as (
    select
        *,
        row_number() over along as step_number,
        lead(touchpoint) over along as next_touchpoint,
        lead(gap_us) over along as next_gap_us
    from cut
    window along as (partition by path_id order by number)
)"""


def _split_ctes(log: EventLog, question: PathQuestion) -> str:
    name = _named_sql(question)
    if question.inactivity is None:
        return f"""{seen_cte(log, "sessions", name)},

split as (
    select *, unit_id as path_id
    from seen
)"""
    compare = ">" if question.boundary == "over" else ">="
    limit = span_us(question.inactivity, "inactivity")
    order = event_order(log)
    return f"""gaps as (
    select
        customer_id,
        coalesce({name}, {quoted(MISSING)}) as touchpoint,
        occurred_us as us,
        occurred_us - lag(occurred_us) over (partition by customer_id order by {order}) as gap_us,
        row_number() over (order by customer_id, {order}) as position
    from events
    where {counted_events(log, "customers")}
),

split as (
    select
        *,
        last_value(case when coalesce(gap_us {compare} {limit}, true) then position end ignore nulls) over (
            order by position rows between unbounded preceding and current row
        ) as path_id
    from gaps
)"""


def _named_sql(question: PathQuestion) -> str:
    name = "touchpoint"
    if question.strip_slash:
        name = (
            "case when length(touchpoint) > 1 then regexp_replace(touchpoint, '/+$', '') else touchpoint end"
        )
    if not question.groups:
        return name
    cases = " ".join(
        f"when regexp_matches({name}, {quoted('.*'.join(re.escape(part) for part in group.split('*')))}) "
        f"then {quoted(group)}"
        for group in question.groups
    )
    return f"case {cases} else {name} end"


def _cut_cte(log: EventLog, question: PathQuestion) -> str:
    """The part of each path between its start and end points."""
    if question.start is None and question.end is None:
        return "cut as (\n    select *\n    from numbered\n)"
    for name in (question.start, question.end):
        if name is not None and name not in question.groups:
            log.check_touchpoint(name)
    first = f"min(case when touchpoint = {quoted(question.start)} then number end)" if question.start else "1"
    ends = f"touchpoint = {quoted(question.end)}" if question.end else "true"
    last = f"min(case when {ends} and number >= coalesce(first_number, 0) then number end)"
    last = last if question.end else "max(number)"
    low = "first_number" if question.start else f"last_number - {question.steps} + 1"
    return f"""begun as (
    select *, {first}{" over (partition by path_id)" if question.start else ""} as first_number
    from numbered
),

ended as (
    select *, {last} over (partition by path_id) as last_number
    from begun
),

cut as (
    select *
    from ended
    where number between {low} and last_number
)"""


def write_step_matrix(log: EventLog, steps: int, unit: str) -> str:
    """The query of the share of units at each touchpoint at step 0 to `steps`; `__end__` is absorbing."""
    if steps < 1:
        raise QueryError("steps: at least one step must be shown.", found=str(steps))
    columns = ",\n    ".join(
        f"coalesce(sum(case when step_number = {step} then share end), 0) as step_{step}"
        for step in range(steps + 1)
    )
    return f"""with {seen_cte(log, unit, counts=True)},

lengths as (
    select unit_id, count(*) as length
    from seen
    group by unit_id
),

placed as (
    select position as step_number, touchpoint from seen where position <= {steps}
    union all
    select 0, '__start__' from lengths
    union all
    select steps.step_number, '__end__'
    from lengths
    inner join (select unnest(range(1, {steps + 1})) as step_number) as steps on steps.step_number > lengths.length
),

shares as (
    select step_number, touchpoint, count(*) / (select cast(count(*) as double) from lengths) as share
    from placed
    group by step_number, touchpoint
)

select
    touchpoint,
    {columns}
from shares
group by touchpoint
order by touchpoint = '__end__', touchpoint <> '__start__', touchpoint"""


def keep_reachable(moves: Iterable[Sequence[Any]], first: str = "1_") -> list[list[Any]]:
    """The moves [from, to, …] whose source can be reached from a node of the first step, in their order by step.

    >>> keep_reachable([["1_a", "2_b"], ["2_w", "3_z"]])
    [['1_a', '2_b']]
    """
    listed = [list(move) for move in moves]
    reached = {move[0] for move in listed if str(move[0]).startswith(first)}
    grown = True
    while grown:
        new = {move[1] for move in listed if move[0] in reached} - reached
        grown = bool(new)
        reached |= new
    return [move for move in listed if move[0] in reached]


def clean_path(path: str, transformation: str, name: str = "Direct") -> str:
    """A path 'a > b > b' after one transformation; an empty path stays empty.

    first_N and last_N keep N touchpoints, collapse_repeats merges neighbours that are equal, keep_first keeps each
    touchpoint's first mention, drop_all_unless_all removes `name` unless nothing else is there, and
    drop_trailing_unless_all removes it at the end.

    >>> clean_path("a > b > b", "collapse_repeats"), clean_path("a > b > c", "last_2")
    ('a > b', 'b > c')
    """
    parts = path.split(SEPARATOR)
    if sized := re.fullmatch(r"(first|last)_(\d+)", transformation):
        count = int(sized[2])
        kept = (
            parts[:count] if sized[1] == "first" else parts[len(parts) - count if count < len(parts) else 0 :]
        )
    elif transformation == "collapse_repeats":
        kept = [part for index, part in enumerate(parts) if index == 0 or part != parts[index - 1]]
    elif transformation == "keep_first":
        kept = list(dict.fromkeys(parts))
    elif transformation == "drop_all_unless_all":
        kept = [part for part in parts if part != name] or parts
    elif transformation == "drop_trailing_unless_all":
        length = max((index for index, part in enumerate(parts, 1) if part != name), default=len(parts))
        kept = parts[:length]
    else:
        raise QueryError(
            f"Unknown transformation {transformation!r}.",
            expected="first_N, last_N, collapse_repeats, keep_first, drop_all_unless_all, drop_trailing_unless_all",
        )
    return SEPARATOR.join(kept)


def ask_paths(**asked: Any) -> PathQuestion:
    """The question; a single group may be given as a text."""
    groups: str | Sequence[str] = asked.pop("groups", ())
    inactivity: Span | None = asked.get("inactivity")
    return PathQuestion(
        groups=(groups,) if isinstance(groups, str) else tuple(groups), **{**asked, "inactivity": inactivity}
    )
