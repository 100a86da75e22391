"""What follows what: transitions, and the next or previous touchpoint after a sequence."""

from __future__ import annotations

from collections.abc import Sequence

from journey_mining.analysis.expressions import (
    call_macro,
    check_choice,
    counted_events,
    event_order,
    unit_column,
)
from journey_mining.analysis.log import MISSING, EventLog
from journey_mining.errors import QueryError
from journey_mining.warehouse import quoted

WEIGHTS = {
    "count": "transition_count",
    "journeys": "journey_count",
    "sessions": "session_count",
    "customers": "customer_count",
}


def seen_cte(log: EventLog, unit: str, touchpoint: str = "touchpoint", counts: bool = False) -> str:
    """The CTE `seen`: the touchpoints of each unit by position, with the gap since the one before ended.

    Where the log collapses repeats, consecutive events of one touchpoint are one, as in its journeys. The first
    position is 1; the others follow one by one if the position `counts`, which takes a sort more, else in order only.
    """
    column = unit_column(log, unit)
    collapses = log.settings.get("repeats") == "collapse"
    kept = "touchpoint is distinct from touchpoint_before" if collapses else "true"
    position = (
        "row_number() over (partition by unit_id order by ordinal)" if counts and collapses else "ordinal"
    )
    return f"""listed as (
    select
        {column} as unit_id,
        customer_id,
        coalesce({touchpoint}, {quoted(MISSING)}) as touchpoint,
        occurred_us as us,
        row_number() over ordered as ordinal,
        lag(coalesce({touchpoint}, {quoted(MISSING)})) over ordered as touchpoint_before,
        occurred_us - lag(occurred_us) over ordered as gap_us
    from events
    where {counted_events(log, unit)}
    window ordered as (partition by {column} order by {event_order(log)})
),

seen as (
    select
        unit_id,
        customer_id,
        touchpoint,
        us,
        gap_us,
        {position} as position
    from listed
    where {kept}
)"""


def write_transitions(log: EventLog, unit: str, weight: str, start_end: bool) -> str:
    """The query of transitions by weight; no transition bridges an event without a touchpoint."""
    check_choice("weight", weight, tuple(WEIGHTS))
    unit_column(log, unit)
    if unit == "journeys":
        log.require("transitions")
        source, own = "transitions", "journey_count"
    else:
        source, own = f"(\n{_count_transitions(log, unit)}\n)", "session_count"
    own = own if unit != "customers" else "customer_count"
    column = WEIGHTS[weight]
    if column not in ("transition_count", "customer_count", own):
        raise QueryError(
            f"weight={weight!r} does not fit unit={unit!r}.", expected="'count' or the unit's own"
        )
    borders = ("__start__", "__end__") if not start_end else ()
    hidden = ", ".join(quoted(name) for name in (MISSING, *borders))
    counts = ", ".join(dict.fromkeys(["transition_count", own, "customer_count"]))
    return f"""select
    from_touchpoint,
    to_touchpoint,
    {counts},
    {column} as weight,
    {call_macro("rate", column, f"sum({column}) over (partition by from_touchpoint)")} as probability,
    {call_macro("rate", column, f"sum({column}) over (partition by to_touchpoint)")} as probability_into,
    median_gap_seconds,
    p90_gap_seconds,
    p95_gap_seconds
from {source}
where from_touchpoint not in ({hidden})
    and to_touchpoint not in ({hidden})
order by weight desc, from_touchpoint, to_touchpoint"""


def _count_transitions(log: EventLog, unit: str) -> str:
    own = {"sessions": "count(distinct unit_id) as session_count,\n    ", "customers": ""}[unit]
    return f"""with {seen_cte(log, unit)},

moves as (
    select
        unit_id,
        customer_id,
        touchpoint as from_touchpoint,
        coalesce(lead(touchpoint) over ahead, '__end__') as to_touchpoint,
        lead(gap_us) over ahead / 1000000.0 as gap_seconds
    from seen
    window ahead as (partition by unit_id order by position)
    union all
    select unit_id, customer_id, '__start__', touchpoint, null
    from seen
    where position = 1
)

select
    * exclude (gaps),
    gaps[1] as median_gap_seconds,
    gaps[2] as p90_gap_seconds,
    gaps[3] as p95_gap_seconds
from (
    select
        from_touchpoint,
        to_touchpoint,
        count(*) as transition_count,
        {own}count(distinct customer_id) as customer_count,
        quantile_cont(gap_seconds, [0.5, 0.9, 0.95]) as gaps
    from moves
    group by from_touchpoint, to_touchpoint
)"""


def write_neighbours(
    log: EventLog, names: Sequence[str], unit: str, occurrence: str, forward: bool
) -> tuple[str, str]:
    """The queries of what comes directly after (or before) a sequence of adjacent touchpoints: counted, and by unit."""
    check_choice("occurrence", occurrence, ("first", "last", "all"))
    if not names:
        raise QueryError("Name at least one touchpoint.", fix="after=['cart']")
    for name in names:
        log.check_touchpoint(name)
    column = unit_column(log, unit)
    shift, border = ("lead", "__end__") if forward else ("lag", "__start__")
    chain = list(names) if forward else list(reversed(names))
    tests = [f"touchpoint = {quoted(chain[0])}"]
    tests += [
        f"{shift}(touchpoint, {far}) over ordered = {quoted(name)}" for far, name in enumerate(chain[1:], 1)
    ]
    kept = {"first": "qualify row_number() over (partition by unit_id order by position) = 1",
            "last": "qualify row_number() over (partition by unit_id order by position desc) = 1", "all": ""}  # fmt: skip
    ctes = f"""with {seen_cte(log, unit)},

placed as (
    select
        unit_id,
        position,
        {" and ".join(tests)} as is_found,
        coalesce({shift}(touchpoint, {len(chain)}) over ordered, {quoted(border)}) as touchpoint
    from seen
    window ordered as (partition by unit_id order by position)
),

found as (
    select unit_id, position, touchpoint
    from placed
    where is_found
    {kept[occurrence]}
)"""
    total = "sum(count(*)) over ()"
    counted = f"""{ctes}

select
    touchpoint,
    count(*) as occurrence_count,
    count(distinct unit_id) as unit_count,
    {call_macro("rate", "count(*)", total)} as share,
    {call_macro("wilson_low", "count(*)", total)} as share_low,
    {call_macro("wilson_high", "count(*)", total)} as share_high
from found
group by touchpoint
order by occurrence_count desc, touchpoint"""
    return counted, f"{ctes}\n\nselect unit_id as {column}, touchpoint\nfrom found\norder by 1, position"
