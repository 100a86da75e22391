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
    anchors_sql = _anchors_sql(log, anchors[0] if anchors else None, occurrence)
    return f"""with {anchors_sql},

{_counted_sql(low, high)},

{_labelled_sql(top)},

{_moves_sql(low, end is not None)}

select step_number, from_touchpoint, to_touchpoint, cast(sum(journey_count) as bigint) as journey_count
from moves
group by step_number, from_touchpoint, to_touchpoint
order by step_number, journey_count desc, from_touchpoint, to_touchpoint"""


def _anchors_sql(log: EventLog, name: str | None, occurrence: str) -> str:
    """The CTE of the journeys with the step of each that is the anchor: its first, or the first (last) at a touchpoint."""
    if occurrence not in ("first", "last"):
        raise QueryError(f"occurrence: unknown {occurrence!r}.", expected="first, last")
    if name is None:
        return """anchors as (
    select journey_id, state, 1 as anchor_step
    from journeys
    where not is_flagged
)"""
    pick = "min" if occurrence == "first" else "max"
    return f"""anchors as (
    select k.journey_id, k.state, s.anchor_step
    from journeys as k
    inner join (
        select journey_id, {pick}(step_number) as anchor_step
        from journey_steps
        where touchpoint = {quoted(log.check_touchpoint(name))}
        group by journey_id
    ) as s on k.journey_id = s.journey_id
    where not k.is_flagged
)"""


def _counted_sql(low: int, high: int) -> str:
    """The CTEs that count the steps from `low` to `high` around the anchor, up to the goal, by all that tells moves."""
    return f"""goals as (
    select s.journey_id, min(s.step_number - a.anchor_step) as goal_place
    from journey_steps as s
    inner join anchors as a on s.journey_id = a.journey_id
    where s.is_goal and s.step_number >= a.anchor_step
    group by s.journey_id
),

bounded as (
    select a.*, g.goal_place, least({high}, coalesce(g.goal_place, {high})) as last_place
    from anchors as a
    left join goals as g on a.journey_id = g.journey_id
),

counted as (
    select
        s.step_number - b.anchor_step as place,
        s.touchpoint,
        s.next_touchpoint,
        s.step_number = 1 as is_first,
        s.next_touchpoint is not null and s.step_number - b.anchor_step < b.last_place as is_followed,
        coalesce(s.step_number - b.anchor_step = b.goal_place, false) as is_goal,
        b.state,
        count(*) as journey_count
    from journey_steps as s
    inner join bounded as b on s.journey_id = b.journey_id
    where s.step_number - b.anchor_step between {low} and b.last_place
    group by all
)"""


def _labelled_sql(top: int) -> str:
    """The CTEs that keep the `top` touchpoints of each place and name the others together."""
    return f"""ranked as (
    select
        place,
        touchpoint,
        row_number() over (partition by place order by sum(journey_count) desc, touchpoint) as rank,
        count(*) over (partition by place) as touchpoint_count
    from counted
    group by place, touchpoint
),

labelled as (
    select
        place,
        touchpoint,
        case
            when rank <= {top} or touchpoint_count = {top} + 1 then touchpoint
            else 'other (' || (touchpoint_count - {top}) || ' touchpoints)'
        end as label
    from ranked
)"""


def _moves_sql(low: int, is_backward: bool) -> str:
    """The CTEs of the moves between places, with where journeys come from and end."""
    return f"""followed as (
    select c.*, h.label, n.label as next_label
    from counted as c
    inner join labelled as h on c.place = h.place and c.touchpoint = h.touchpoint
    left join labelled as n on c.place + 1 = n.place and c.next_touchpoint = n.touchpoint
),

moves as (
    select
        place as step_number,
        label as from_touchpoint,
        case
            when is_followed then next_label
            when is_goal then '__converted__'
            when next_touchpoint is not null then '__beyond__'
            when state = 'converted' then '__left__'
            else '__' || state || '__'
        end as to_touchpoint,
        journey_count
    from followed
    {"where is_followed" if is_backward else ""}
    union all
    select
        place - 1 as step_number,
        case when is_first then '__start__' else '__beyond__' end as from_touchpoint,
        label as to_touchpoint,
        journey_count
    from followed
    where is_first or place = {low}
)"""
