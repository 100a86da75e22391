"""The contacts behind attribution, in SQL: what came before each conversion, and before each loss."""

from __future__ import annotations

from journey_mining.analysis.expressions import counted_events
from journey_mining.analysis.log import MISSING, EventLog
from journey_mining.warehouse import quoted, quoted_name

NONE = "(none)"
"""Where conversions are credited that no contact with a channel came before."""
STEP_LABELS = ("touchpoint", "stage")
GROUPED_FROM = 10_000
GROUPS = 1_000
_ALIASES = {"campaign": "campaign_name"}


def write_credit(log: EventLog, by: str, lookback_us: int | None, is_grouped: bool | None = None) -> str:
    """The query of the contacts on the way to the goal by a column of the events, a row each, in the order of paths.

    Columns: journey_number (ascending from 1), customer_id, is_converted, worth, goal_us (NULL where lost), label,
    contact_us. Raises QueryError for an unknown column.

    A contact is one value of the column in one session, at its first event; by touchpoint or stage, a journey step
    (a run of steps of a stage). Contacts count up to the journey's first goal, that event's own included unless it
    is a touchpoint or stage that is credited. Lost journeys are those that expired without the goal (where journeys
    never expire: that have not reached it). Bootstraps draw customers, or above 10,000 customers 1,000 random groups
    of them; customer_id is the id, or the number of the group. `is_grouped` says which, whatever their number.
    """
    source = (
        _channel_contacts(log)
        if by == "channel" and not log.is_loaded
        else _step_contacts(log, by)
        if by in STEP_LABELS
        else _event_contacts(log, by)
    )
    recent = "" if lookback_us is None else f" and o.end_us - c.contact_us <= {lookback_us}"
    log.require("journeys")
    return f"""with {_outcomes(log, are_many(log) if is_grouped is None else is_grouped)},

contacts as (
{source}
)

select
    o.journey_number,
    o.group_id as customer_id,
    o.is_converted,
    o.worth,
    o.goal_us,
    coalesce(c.label, {quoted(NONE)}) as label,
    coalesce(c.contact_us, o.goal_us) as contact_us
from outcomes as o
left join contacts as c on o.journey_id = c.journey_id and (not o.is_converted or c.is_before){recent}
order by o.journey_number, c.place"""


def credited_column(by: str) -> str:
    """The column of the events that `by` names."""
    return _ALIASES.get(by, by)


def are_many(log: EventLog) -> bool:
    """Whether there are so many customers that groups of them are drawn."""
    return int(log.value("select count(distinct customer_id) from journeys") or 0) > GROUPED_FROM


def _outcomes(log: EventLog, is_grouped: bool) -> str:
    never = log.settings.get("expiry_seconds") is None
    group = (
        f"cast(hash(cast(customer_id as varchar)) % {GROUPS} as integer)"
        if is_grouped
        else "cast(customer_id as varchar)"
    )
    return f"""grouped as (
    select *, {group} as group_id
    from journeys
    where not is_flagged{"" if never else " and state <> 'open'"}
),

outcomes as (
    select
        journey_id,
        group_id,
        row_number() over (order by group_id, journey_id) as journey_number,
        state = 'converted' as is_converted,
        epoch_us(converted_at) as goal_us,
        coalesce(epoch_us(converted_at), epoch_us(ended_at)) as end_us,
        case when state = 'converted' then coalesce("value", 0) else 0 end as worth
    from grouped
)"""


def _channel_contacts(log: EventLog) -> str:
    """The same as `_event_contacts`, from the table that every run publishes."""
    log.require_columns(["channel", "journey_id", "session_id"])
    log.require("channel_contacts")
    return """    select
        journey_id,
        channel as label,
        epoch_us(contacted_at) as contact_us,
        contact_number as place,
        is_before_goal as is_before
    from channel_contacts"""


def _step_contacts(log: EventLog, by: str) -> str:
    log.require("journey_steps")
    runs = (
        "\n    qualify s.stage is distinct from lag(s.stage) over (partition by s.journey_id order by s.step_number)"
        if by == "stage"
        else ""
    )
    return f"""    select
        s.journey_id,
        s.{by} as label,
        epoch_us(s.started_at) as contact_us,
        s.step_number as place,
        coalesce(s.step_number < g.goal_step, false) as is_before
    from journey_steps as s
    left join (
        select journey_id, min(step_number) as goal_step
        from journey_steps
        where is_goal
        group by journey_id
    ) as g on s.journey_id = g.journey_id
    where s.{by} is not null and s.{by} <> {quoted(MISSING)}{runs}"""


def _event_contacts(log: EventLog, by: str) -> str:
    column = credited_column(by)
    log.require_columns([column, "journey_id", "session_id"])
    log.require("events")
    tie = log.tie_order[-1]
    return f"""    select
        e.journey_id,
        e.label,
        min(e.us) as contact_us,
        row_number() over (partition by e.journey_id order by min(e.us), min(e.tie), e.label) as place,
        min(e.us) <= any_value(o.goal_us) as is_before
    from (
        select
            journey_id,
            coalesce(cast(session_id as varchar), cast(event_id as varchar)) as occasion,
            cast({quoted_name(column)} as varchar) as label,
            occurred_us as us,
            {tie} as tie
        from events
        where {counted_events(log, "journeys")} and {quoted_name(column)} is not null
    ) as e
    inner join outcomes as o on e.journey_id = o.journey_id
    group by e.journey_id, e.occasion, e.label"""
