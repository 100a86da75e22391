"""What those who dropped off after a step did instead, beside what those who went on did next."""

from __future__ import annotations

from journey_mining.analysis.expressions import call_macro
from journey_mining.analysis.funnel import Plan
from journey_mining.analysis.funnel_answer import chosen_ctes
from journey_mining.analysis.log import MISSING, EventLog
from journey_mining.errors import QueryError
from journey_mining.warehouse import quoted


def write_instead(log: EventLog, plan: Plan) -> str:
    """The query: step_number, step, kind, instead, counts and shares of both groups, lift; one row a step and answer.

    kind: touchpoint (the next event of another touchpoint than the step's; counted from the first time that a unit was
    at the step), silence (none came any more) or another channel (that event was
    in another channel than the step's). Shares are of the units that dropped off after the step, or went on from it;
    a unit that is still open is in neither. lift: the one share over the other.
    """
    if plan.order == "any" or plan.is_reentrant:
        raise QueryError(
            "What customers did instead needs ordered steps, each unit counted once.",
            fix="order='ordered', without reentry",
        )
    has_channel = "channel" in log.columns
    if has_channel:
        log.require_columns(["channel"])
    channel = "channel" if has_channel else "null"
    ctes = ",\n\n".join(chosen_ctes(log, plan, keep_attempts=True))
    reached = "\n    union all\n".join(_reach(plan, place) for place in range(len(plan.required) - 1))
    labels = " ".join(f"when {index + 1} then {quoted(plan.steps[index].label)}" for index in plan.required)
    dropped, went_on = "count(case when not r.went_on then 1 end)", "count(case when r.went_on then 1 end)"
    return f"""with {ctes},

reached as (
{reached}
),

{_list_later(plan, channel)},

followed as (
    select
        r.step_number,
        r.unit_id,
        r.went_on,
        n.touchpoint,
        n.channel <> s.channel as is_elsewhere
    from reached as r
    left join later as s on r.unit_id = s.unit_id and r.ord = s.ord
    left join later as n on s.unit_id = n.unit_id and s.next_ord = n.ord
),

{_ANSWERS},

counted as (
    select
        r.step_number,
        r.kind,
        r.instead,
        {dropped} as dropped_off,
        {went_on} as converted,
        any_value(z.dropped_count) as dropped_count,
        any_value(z.converted_count) as converted_count
    from answers as r
    inner join sizes as z on r.step_number = z.step_number
    group by r.step_number, r.kind, r.instead
)

{_compare_shares(labels)}"""


def _compare_shares(labels: str) -> str:
    """The final select: shares of both groups, and their ratio."""
    return f"""select
    step_number,
    case step_number {labels} end as step,
    kind,
    instead,
    dropped_off,
    converted,
    {call_macro("rate", "dropped_off", "dropped_count")} as dropped_off_share,
    {call_macro("wilson_low", "dropped_off", "dropped_count")} as dropped_off_low,
    {call_macro("wilson_high", "dropped_off", "dropped_count")} as dropped_off_high,
    {call_macro("rate", "converted", "converted_count")} as converted_share,
    {call_macro("rate", "dropped_off", "dropped_count")}
    / nullif({call_macro("rate", "converted", "converted_count")}, 0) as lift
from counted
order by step_number, dropped_off desc, kind, instead"""


def _list_later(plan: Plan, channel: str) -> str:
    """The CTEs of all events that count, each with the place of the next one of another touchpoint."""
    return f"""listed as (
    select
        {plan.column} as unit_id,
        {plan.ordinal} as ord,
        coalesce(touchpoint, {quoted(MISSING)}) as touchpoint,
        {channel} as channel
    from events
    where {plan.events}
),

runs as (
    select
        *,
        case
            when touchpoint <> lead(touchpoint) over (partition by unit_id order by ord)
                then lead(ord) over (partition by unit_id order by ord)
        end as changed_ord
    from listed
),

later as (
    select
        unit_id,
        ord,
        touchpoint,
        channel,
        min(changed_ord) over (
            partition by unit_id order by ord rows between current row and unbounded following
        ) as next_ord
    from runs
)"""


_ANSWERS = """answers as (
    select step_number, went_on, unit_id, 'touchpoint' as kind, touchpoint as instead
    from followed
    where touchpoint is not null
    union all
    select step_number, went_on, unit_id, 'silence', 'silence'
    from followed
    where touchpoint is null
    union all
    select step_number, went_on, unit_id, 'another channel', 'another channel'
    from followed
    where is_elsewhere
),

sizes as (
    select
        step_number,
        count(case when not went_on then 1 end) as dropped_count,
        count(case when went_on then 1 end) as converted_count
    from reached
    group by step_number
)"""


def _reach(plan: Plan, place: int) -> str:
    """The units that reached a required step, and whether they reached the next one; open ones are left out."""
    number, level = plan.required[place] + 1, place + 1
    return f"""    select
        {number} as step_number,
        c.unit_id,
        a.first_ord as ord,
        c.level > {level} as went_on
    from chosen as c
    inner join (
        select unit_id, min(ord_{number}) as first_ord
        from attempts
        where level >= {level}{" and is_clean" if plan.exclusions else ""}
        group by unit_id
    ) as a on c.unit_id = a.unit_id
    where c.level >= {level} and (c.level > {level} or not c.is_open)"""
