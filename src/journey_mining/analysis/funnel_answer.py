"""The queries that answer a funnel: one row a step, and one row a unit."""

from __future__ import annotations

from journey_mining.analysis.earliest import earliest_ctes, is_found_by_extremes
from journey_mining.analysis.expressions import call_macro
from journey_mining.analysis.funnel import Plan, attempt_ctes, is_interruptible
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.unordered import unordered_ctes
from journey_mining.warehouse import quoted


def write_levels(log: EventLog, plan: Plan) -> str:
    """The query of the deepest step that each unit reached: unit, level (0: not even the first), times of the steps."""
    ctes = chosen_ctes(log, plan)
    key = plan.column
    moments = ", ".join(
        f"make_timestamp(c.us_{number}) as step_{number}_at" for number in range(1, len(plan.steps) + 1)
    )
    if plan.is_reentrant:
        return (
            f"with recursive {_join(ctes)}\nselect c.unit_id as {key}, c.level, c.is_open, {moments}\n"
            "from chosen as c\norder by 1, c.us_1"
        )
    ctes.append(
        f"units as (\n    select distinct {plan.column} as unit_id\n    from events\n    where {plan.events}\n)"
    )
    return (
        f"with {_join(ctes)}\nselect u.unit_id as {key}, coalesce(c.level, 0) as level, c.is_open, {moments}\n"
        "from units as u\nleft join chosen as c on u.unit_id = c.unit_id\norder by 1"
    )


def write_summary(log: EventLog, plan: Plan) -> str:
    """The query of the funnel: one row a step (and value of `by`)."""
    ctes = chosen_ctes(log, plan)
    if plan.by or plan.is_reentrant:  # then the units are counted from it too
        ctes[-1] = ctes[-1].replace("chosen as (", "chosen as materialized (", 1)
    ctes += _count_steps(plan)
    ctes.append(_count_units(log, plan))
    matured = "(c.converted + c.dropped_off)"
    is_last = f"c.step_number = {len(plan.steps)}"
    rates = ",\n    ".join(
        f"case when not {is_last} then {call_macro(macro, 'c.converted', matured)} end as {name}"
        for macro, name in (
            ("rate", "conversion_rate"),
            ("wilson_low", "conversion_rate_low"),
            ("wilson_high", "conversion_rate_high"),
        )
    )
    segment = "c.segment, " if plan.by else ""
    same = "c.segment is not distinct from u.segment" if plan.by else "true"
    within = "partition by c.segment " if plan.by else ""
    before = "case when c.step_number = 1 then u.unit_count else c.entered_before end"
    first = f"first_value(c.entered) over ({within}order by c.step_number)"
    return f"""with {"recursive " if plan.is_reentrant else ""}{_join(ctes)}
select
    {segment}c.step_number,
    c.step,
    c.entered,
    c.converted,
    c.dropped_off,
    c.open,
    {rates},
    {call_macro("rate", "c.entered", before)} as step_conversion_rate,
    {call_macro("rate", "c.entered", first)} as share_of_first,
    {call_macro("rate", "c.entered", "u.unit_count")} as share_of_all,
    c.mean_seconds,
    c.quantiles[1] / 1000000.0 as median_seconds,
    c.quantiles[2] / 1000000.0 as p75_seconds,
    c.quantiles[3] / 1000000.0 as p90_seconds
from counted as c
left join units as u on {same}
order by {segment}c.step_number"""


def chosen_ctes(log: EventLog, plan: Plan, keep_attempts: bool = False) -> list[str]:
    """The CTEs up to `chosen`: each unit's attempt that counts, or with reentry each attempt that does not overlap.

    keep_attempts: with the CTE `attempts` of all attempts of all units.
    """
    start = "start_ord" if plan.order == "any" else "ord_1"
    if not keep_attempts and is_found_by_extremes(log, plan):
        ctes, source = earliest_ctes(plan), "select *\n        from counting"
    else:
        ctes = unordered_ctes(plan) if plan.order == "any" else attempt_ctes(plan)
        judges = bool(plan.exclusions) and plan.order != "any"
        clean = "is_clean desc, " if judges else ""
        source = (
            "select *\n        from attempts\n        qualify row_number() over "
            f"(partition by unit_id order by level desc, {clean}{_most_optional(plan)}done_ord, {start} desc) = 1"
        )
        if judges:
            source = f"select *\n        from (\n        {source}\n        )\n        where is_clean"
    if plan.is_reentrant:
        ctes += _walk(plan)
        source = (
            "select a.*\n        from attempts as a\n        inner join walked as w "
            f"on a.unit_id = w.unit_id and a.{start} = w.ord_1"
        )
    kept = "" if plan.by_step is None else f"\n    where b.ord_{plan.by_step + 1} is not null"
    ctes.append(
        f"chosen as (\n    select b.*, {_open_sql(log, plan)} as is_open\n    from (\n        {source}\n    ) as b{kept}\n)"
    )
    return ctes


def _most_optional(plan: Plan) -> str:
    """Among attempts of one level, the one with the most optional steps counts."""
    optional = [index + 1 for index in range(len(plan.steps)) if index not in plan.required]
    return "".join(f"ord_{number} is null, " for number in optional)


def _walk(plan: Plan) -> list[str]:
    """A unit's first attempt, and each one that begins after the one before was completed or interrupted, or its window
    had passed; of each held value apart."""
    start = "start_ord" if plan.order == "any" else "ord_1"
    holds = [f"hold_{index}" for index in range(1, len(plan.hold) + 1)]
    listed = "".join(f", {hold}" for hold in holds)

    def joined(alias: str) -> str:
        return " and ".join(f"a.{name} = {alias}.{name}" for name in ("unit_id", *holds))

    ends, join = [], ""
    if plan.window_us is not None:
        ends.append("l.start")
        join = (
            f"\n    asof left join (select unit_id{listed}, us_1, min({start}) as start from attempts "
            f"group by unit_id{listed}, us_1) as l\n        on {joined('l')} and a.us_1 + {plan.window_us} < l.us_1"
        )
    if is_interruptible(plan):
        ends.append("i.start")
        join += (
            f"\n    asof left join (select unit_id{listed}, ord_1 as start from attempts) as i"
            f"\n        on {joined('i')} and a.ended_ord <= i.start"
        )
    early = f"least({', '.join(ends)})" if len(ends) > 1 else ends[0] if ends else "null"
    return [
        f"""links as (
    select
        a.unit_id{"".join(f", a.{hold}" for hold in holds)},
        a.{start} as ord_1,
        case when a.level = {len(plan.required)} then n.start else {early} end as next_ord
    from attempts as a
    asof left join (select unit_id{listed}, {start} as start from attempts) as n
        on {joined("n")} and a.done_ord < n.start{join}
)""",
        f"""walked as (
    select unit_id, min(ord_1) as ord_1
    from links
    group by unit_id{listed}
    union all
    select l.unit_id, l.next_ord
    from walked as w
    inner join links as l on w.unit_id = l.unit_id and w.ord_1 = l.ord_1
    where l.next_ord is not null
)""",
    ]


def _open_sql(log: EventLog, plan: Plan) -> str:
    """Whether an attempt may still go on at the cutoff: its window has not passed, and its unit has not ended."""
    parts = []
    if plan.window_us is not None:
        parts.append(f"b.us_1 + {plan.window_us} >= {log.cutoff_us}")
    expiry = log.settings.get("expiry_seconds")
    if plan.unit == "sessions":
        log.require("sessions")
        limit = round(float(log.settings.get("inactivity_seconds") or 1800) * 1_000_000)
        parts.append(
            f"b.unit_id in (select session_id from sessions where epoch_us(ended_at) + {limit} >= {log.cutoff_us})"
        )
    elif expiry is not None and (plan.unit == "journeys" or plan.window_us is None):
        log.require("journeys")
        parts.append(f"b.unit_id in (select {plan.column} from journeys where is_open)")
    return " and ".join(parts) if parts else "false"


def _count_steps(plan: Plan) -> list[str]:
    """The CTEs that count all steps in one pass, and give each a row."""
    segment = "segment" if plan.by else "null as segment"
    sums = ",\n".join(_sum_step(plan, index) for index in range(len(plan.steps)))
    rows = "\n    union all\n".join(
        f"    select segment, {number} as step_number, {quoted(step.label)} as step, unnest(step_{number})\n    from summed"
        for number, step in enumerate(plan.steps, 1)
    )
    grouped = "\n    group by segment" if plan.by else ""
    return [
        f"summed as (\n    select\n        {segment},\n{sums}\n    from chosen{grouped}\n)",
        f"counted as (\n{rows}\n)",
    ]


def _sum_step(plan: Plan, index: int) -> str:
    """One step's counts: entered = converted + dropped_off + open; converted reached the next required step."""
    is_required = index in plan.required
    number, is_last = index + 1, index == len(plan.steps) - 1
    next_index = next((one for one in plan.required if one > index), None)
    level = sum(one < index for one in plan.required) + 1
    entered = f"level >= {level}" if is_required else f"ord_{number} is not null"
    went_on = entered if next_index is None else f"{entered} and level >= {level + is_required}"
    stayed = "false" if is_last or next_index is None else f"{entered} and level < {level + is_required}"
    waited = "cast(null as bigint)" if next_index is None else f"us_{next_index + 1} - us_{number}"
    timed = f"case when {went_on} then {waited} end"
    return f"""        {{
            'entered_before': count(case when level >= {level - 1} then 1 end),
            'entered': count(case when {entered} then 1 end),
            'converted': count(case when {went_on} then 1 end),
            'dropped_off': count(case when {stayed} and not is_open then 1 end),
            'open': count(case when {stayed} and is_open then 1 end),
            'mean_seconds': avg({timed}) / 1000000.0,
            'quantiles': quantile_cont({timed}, [0.5, 0.75, 0.9])
        }} as step_{number}"""


def _count_units(log: EventLog, plan: Plan) -> str:
    """How many units there are at all, also those that never entered; by segment, a unit's first event decides."""
    if plan.is_reentrant or plan.by_step is not None:
        return (
            "units as (\n    select segment, count(*) as unit_count\n    from chosen\n    group by segment\n)"
        )
    if not plan.by:
        return f"""units as (
    select null as segment, count(unit_id) as unit_count
    from (select distinct unit_id from {_all_units(log, plan)})
)"""
    return f"""units as (
    select segment, count(*) as unit_count
    from (
        select segment
        from chosen
        union all
        select arg_min_null(segment, ord)
        from (
            select {plan.column} as unit_id, {plan.by} as segment, {plan.ordinal} as ord
            from events
            where {plan.events}
        ) as e
        anti join chosen as c on e.unit_id = c.unit_id
        group by e.unit_id
    )
    group by segment
)"""


def _all_units(log: EventLog, plan: Plan) -> str:
    """A relation of unit_id, in which each unit that has an event that counts is at least once.

    Every contact is in a journey: journeys stand for their events, and only background events that count are read.
    """
    found = f"select {plan.column} as unit_id from"
    if log.is_loaded or plan.unit == "sessions" or "is_background" not in log.columns:
        return f"({found} events where {plan.events})"
    matchers = [*plan.steps, *(one.matcher for one in plan.exclusions)]
    apart = [one.where for one in matchers if one.touchpoint in {None, *log.background_touchpoints}]
    contacts = f"{found} journeys where not is_flagged"
    if not apart:
        return f"({contacts})"
    return f"({contacts} union all {found} events where {plan.named} and is_background and ({' or '.join(apart)}))"


def _join(ctes: list[str]) -> str:
    return ",\n\n".join(ctes)
