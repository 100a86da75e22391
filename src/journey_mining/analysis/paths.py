"""Paths: the sequences of touchpoints of sessions, their moves step by step, and where they break off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from journey_mining.analysis.expressions import (
    call_macro,
    check_choice,
    counted_events,
    event_order,
    span_us,
    unit_column,
    write_ordinal,
)
from journey_mining.analysis.log import MISSING, EventLog
from journey_mining.analysis.predicates import build_predicate
from journey_mining.analysis.sequences import seen_cte
from journey_mining.errors import QueryError
from journey_mining.parameters import Parameters, check_asked
from journey_mining.warehouse import quoted

SEPARATOR = " > "
FOLDED = "..."
"""Stands for the middle of a path that is longer than what is shown of it."""


class PathQuestion(Parameters):
    """Which paths are looked at."""

    steps: int = 5
    """Steps shown of each path: the first ones, with an end alone the last ones. With both a start and an end a longer
    path shows half of them (rounded down) from either end, and between them one step `...` at the time of the first
    step that it stands for, as PostHog does."""
    start: str | None = None
    """Paths begin at their first event of this touchpoint, called as paths show it; others are left out."""
    end: str | None = None
    """Paths end at the first event of this touchpoint (after the start); others are left out."""
    exclude: tuple[str, ...] = ()
    """Touchpoints, called as paths show them, whose events are left out before paths are formed."""
    where: Any = None
    """Predicate over columns of the events, or a mapping column -> value; other events are left out, as by `exclude`."""
    inactivity: Any = None
    """Split a customer's events that are not left out at gaps of this length; None: the snapshot's own sessions."""
    boundary: str = "over"
    """over: a longer gap splits; at: a gap of exactly this length splits too."""
    merge_repeats: bool = True
    """Consecutive events of one touchpoint are one step, at the time of the last of them (as PostHog has it), so that
    the seconds of a path's moves add up to the time after its first step. Without a gap that is given (inactivity), a
    log that collapses repeats merges them in any case."""
    groups: tuple[str, ...] = ()
    """Patterns with * for anything: touchpoints that contain one are called by the pattern."""
    strip_slash: bool = True
    """/cart/ and /cart are one touchpoint: one slash at the end goes, unless the name is that slash."""

    @property
    def last_step(self) -> int:
        """The last step that a path may show: a folded path of an even number of steps has one more."""
        return max(self.steps, self.steps // 2 * 2 + 1) if self.folds else self.steps

    @property
    def folds(self) -> bool:
        """Whether paths that are too long lose their middle."""
        return self.start is not None and self.end is not None and self.steps > 1


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
where step_number < {question.last_step}
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
where step_number <= {question.last_step}
group by step_number, touchpoint
order by step_number, arrived desc, touchpoint"""


def write_path_customers(log: EventLog, question: PathQuestion) -> str:
    """The query of paths step by step: path, customer, step and touchpoint."""
    return f"""with {_path_ctes(log, question)}

select path_id, customer_id, step_number, touchpoint, next_touchpoint
from walked
where step_number <= {question.last_step}
order by path_id, step_number"""


def _path_ctes(log: EventLog, question: PathQuestion) -> str:
    check_choice("boundary", question.boundary, ("over", "at"))
    if question.steps < 1:
        raise QueryError("steps: at least one step must be shown.", found=str(question.steps))
    merges = question.merge_repeats
    if question.inactivity is None and log.settings.get("repeats") == "collapse":
        merges = True
    merged = "touchpoint is distinct from lead(touchpoint) over (partition by path_id order by position)"
    return f"""{_split_ctes(log, question)},

merged as (
    select *
    from split
    {f"qualify {merged}" if merges else ""}
),

numbered as (
    select *, row_number() over (partition by path_id order by position) as number
    from merged
),

{_cut_cte(question)},

walked as (
    select
        *,
        row_number() over along as step_number,
        lead(touchpoint) over along as next_touchpoint,
        lead(us) over along - us as next_gap_us
    from cut
    window along as (partition by path_id order by number)
)"""


def _split_ctes(log: EventLog, question: PathQuestion) -> str:
    """The CTE `split`: the events that count, by path_id and position."""
    name = f"coalesce({_named_sql(question)}, {quoted(MISSING)})"
    if question.inactivity is None:
        return f"""split as (
    select
        {unit_column(log, "sessions")} as path_id,
        customer_id,
        {name} as touchpoint,
        occurred_us as us,
        {write_ordinal(log)} as position
    from events
    where {_kept_sql(log, question, "sessions", name)}
)"""
    compare = ">" if question.boundary == "over" else ">="
    limit = span_us(question.inactivity, "inactivity")
    order = event_order(log)
    return f"""gaps as (
    select
        customer_id,
        {name} as touchpoint,
        occurred_us as us,
        occurred_us - lag(occurred_us) over (partition by customer_id order by {order}) as gap_us,
        row_number() over (order by customer_id, {order}) as position
    from events
    where {_kept_sql(log, question, "customers", name)}
),

split as (
    select
        *,
        last_value(case when coalesce(gap_us {compare} {limit}, true) then position end ignore nulls) over (
            order by position rows between unbounded preceding and current row
        ) as path_id
    from gaps
)"""


def _kept_sql(log: EventLog, question: PathQuestion, unit: str, name: str) -> str:
    """The condition on the events that paths are formed of; `name` is an event's touchpoint as paths show it."""
    kept = [counted_events(log, unit)]
    if question.where is not None:
        kept.append(build_predicate(log, question.where))
    if question.exclude:
        kept.append(f"{name} not in ({', '.join(map(quoted, question.exclude))})")
    return " and ".join(kept)


def _named_sql(question: PathQuestion) -> str:
    name = "touchpoint"
    if question.strip_slash:
        name = "case when touchpoint like '_%/' then left(touchpoint, -1) else touchpoint end"
    if not question.groups:
        return name
    cases = " ".join(
        f"when regexp_matches({name}, {quoted('.*'.join(re.escape(part) for part in group.split('*')))}) "
        f"then {quoted(group)}"
        for group in question.groups
    )
    return f"case {cases} else {name} end"


def _cut_cte(question: PathQuestion) -> str:
    """The part of each path between its start and end points."""
    start, end, steps = question.start, question.end, question.steps
    if start is None and end is None:
        return "cut as (\n    select *\n    from numbered\n)"
    first, last = "1", "max(number)"
    if start is not None:
        first = f"min(case when touchpoint = {quoted(start)} then number end) over (partition by path_id)"
    if end is not None:
        last = f"min(case when touchpoint = {quoted(end)} and number >= coalesce(first_number, 0) then number end)"
    low = "first_number" if start is not None else f"last_number - {steps} + 1"
    middle = "false"
    if question.folds:
        half = steps // 2
        middle = f"last_number - first_number >= {steps} and number between first_number + {half} and last_number - {half}"
    return f"""begun as (
    select *, {first} as first_number
    from numbered
),

ended as (
    select *, {last} over (partition by path_id) as last_number
    from begun
),

placed as (
    select *, {middle} as is_folded
    from ended
    where number between {low} and last_number
),

cut as (
    select * replace (case when is_folded then {quoted(FOLDED)} else touchpoint end as touchpoint)
    from placed
    where not is_folded or number = first_number + {steps // 2}
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


def ask_paths(log: EventLog, **asked: Any) -> PathQuestion:
    """The checked question, its touchpoints called as paths show them; raises QueryError.

    A single group or touchpoint to exclude may be given as a text.
    """
    asked.update({name: _as_texts(asked[name]) for name in {"groups", "exclude"} & asked.keys()})
    question = check_asked(PathQuestion, "paths", asked)
    given = [name for name in (question.start, question.end, *question.exclude) if name is not None]
    if not given:
        return question
    known = sorted({*_show_names(log, question, [*log.touchpoints, *log.declared])})
    shown = {}
    for name, called in zip(given, _show_names(log, question, given), strict=True):
        is_shown = name in known or name in question.groups
        shown[name] = log.check_touchpoint(name if is_shown else called, known)
    ends = {name: shown.get(getattr(question, name)) for name in ("start", "end")}
    return question.model_copy(update={**ends, "exclude": tuple(shown[name] for name in question.exclude)})


def _as_texts(given: Any) -> Any:
    """A tuple where a text or several are given."""
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, Iterable) else given


def _show_names(log: EventLog, question: PathQuestion, names: Sequence[str]) -> list[str]:
    """The names as paths show them, in their order."""
    query = f"select {_named_sql(question)} from (select unnest(cast($names as varchar[])) as touchpoint)"
    rows = log.connection.execute(query, {"names": list(names)}).fetchall()
    return [str(shown) for (shown,) in rows]
