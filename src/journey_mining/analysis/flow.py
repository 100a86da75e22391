"""The step flow around an anchor: how many journeys move from which touchpoint to which, counted, not estimated."""

from __future__ import annotations

from journey_mining.analysis.log import EventLog
from journey_mining.errors import QueryError
from journey_mining.warehouse import quoted


def write_flow(
    log: EventLog,
    start: str | None,
    end: str | None,
    around: str | None,
    steps: int,
    top: int,
    occurrence: str = "first",
) -> str:
    """The query of moves by position: 0 is the anchor, and a row is the move from `step_number` to the next one.

    Journeys leave to `__converted__`, `__dropped_off__`, `__open__`, or `__beyond__` the last step shown; they come
    from `__start__` or, where earlier steps are not shown, from `__beyond__`.
    """
    anchors = [one for one in (start, end, around) if one is not None]
    if len(anchors) > 1:
        raise QueryError("Give one of start, end and around.", found=", ".join(anchors))
    if steps < 1 or top < 1:
        raise QueryError("steps and top must be at least one.", found=f"steps={steps}, top={top}")
    log.require("journeys", "journey_steps")
    low = 0 if end is None and around is None else -steps
    high = 0 if end is not None else steps
    anchor = _anchor_sql(log, anchors[0] if anchors else None, occurrence)
    return f"""with {anchor},

{_walked_sql(low, high)},

{_folded_sql(top)},

{_moves_sql(low, end is not None)}

select step_number, from_touchpoint, to_touchpoint, count(*) as journey_count
from moves
group by step_number, from_touchpoint, to_touchpoint
order by step_number, journey_count desc, from_touchpoint, to_touchpoint"""


def _walked_sql(low: int, high: int) -> str:
    """The CTE of the steps from `low` to `high` around the anchor, up to the goal."""
    return f"""walked as (
    select
        s.journey_id,
        s.step_number - a.anchor_step as place,
        s.touchpoint,
        s.next_touchpoint,
        s.step_number = 1 as is_first,
        k.state,
        g.goal_place
    from journey_steps as s
    inner join anchors as a on s.journey_id = a.journey_id
    inner join journeys as k on s.journey_id = k.journey_id
    left join (
        select t.journey_id, min(t.step_number - b.anchor_step) as goal_place
        from journey_steps as t
        inner join anchors as b on t.journey_id = b.journey_id
        where t.is_goal and t.step_number >= b.anchor_step
        group by t.journey_id
    ) as g on s.journey_id = g.journey_id
    where s.step_number - a.anchor_step between {low} and least({high}, coalesce(g.goal_place, {high}))
)"""


def _folded_sql(top: int) -> str:
    """The CTEs that keep the `top` touchpoints of each place and name the others together."""
    return f"""ranked as (
    select
        place,
        touchpoint,
        row_number() over (partition by place order by count(*) desc, touchpoint) as rank,
        count(*) over (partition by place) as touchpoint_count
    from walked
    group by place, touchpoint
),

labelled as (
    select
        w.*,
        case
            when r.rank <= {top} or r.touchpoint_count = {top} + 1 then w.touchpoint
            else 'other (' || (r.touchpoint_count - {top}) || ' touchpoints)'
        end as label
    from walked as w
    inner join ranked as r on w.place = r.place and w.touchpoint = r.touchpoint
)"""


def _moves_sql(low: int, is_backward: bool) -> str:
    """The CTEs of the moves between places, with where journeys come from and end."""
    return f"""followed as (
    select *, lead(label) over (partition by journey_id order by place) as next_label
    from labelled
),

moves as (
    select
        place as step_number,
        label as from_touchpoint,
        case
            when next_label is not null then next_label
            when place = goal_place then '__converted__'
            when next_touchpoint is not null then '__beyond__'
            when state = 'converted' then '__left__'
            else '__' || state || '__'
        end as to_touchpoint
    from followed
    {"where next_label is not null" if is_backward else ""}
    union all
    select
        place - 1 as step_number,
        case when is_first then '__start__' else '__beyond__' end as from_touchpoint,
        label as to_touchpoint
    from followed
    where is_first or place = {low}
)"""


def _anchor_sql(log: EventLog, name: str | None, occurrence: str) -> str:
    """The CTE of the step at which each journey is anchored: its first, or the first (last) at a touchpoint."""
    if occurrence not in ("first", "last"):
        raise QueryError(f"occurrence: unknown {occurrence!r}.", expected="first, last")
    where = (
        f"s.touchpoint = {quoted(log.check_touchpoint(name))}" if name is not None else "s.step_number = 1"
    )
    pick = "min" if occurrence == "first" else "max"
    return f"""anchors as (
    select s.journey_id, {pick}(s.step_number) as anchor_step
    from journey_steps as s
    inner join journeys as k on s.journey_id = k.journey_id
    where not k.is_flagged
        and {where}
    group by s.journey_id
)"""
