"""The paths to conversion behind attribution, counted in SQL: by path, by set of channels, or by move."""

from __future__ import annotations

from dataclasses import dataclass

from journey_mining.analysis.expressions import counted_events
from journey_mining.analysis.log import MISSING, EventLog
from journey_mining.warehouse import quoted, quoted_name

NONE = "(none)"
"""Where conversions are credited that no contact with a channel came before."""
STEP_LABELS = ("touchpoint", "stage")
GROUPED_FROM = 10_000
GROUPS = 1_000
CONVERTED, LOST = "__converted__", "__lost__"
_ALIASES = {"campaign": "campaign_name"}


@dataclass(frozen=True)
class CreditQueries:
    """The queries of one question; all share their common table expressions."""

    paths: str
    """Converting paths: customer_id, path, conversions, value."""
    timed: str
    """One row a converting journey: customer_id, path, times (seconds), converted_at, conversions, value."""
    sets: str
    """Sets of channels: customer_id, path, conversions, nulls, value."""
    moves: tuple[str, ...]
    """By order 1 to 3: customer_id, context, next, move_count."""
    shared: str
    """The common table expressions with which each of them begins, up to `paths`."""

    def briefly(self, query: str, table: str) -> str:
        """The query on a table that holds `paths`, where several of them are asked."""
        return query.replace(self.shared, f"with paths as (select * from {table})", 1)


def write_credit(log: EventLog, by: str, lookback_us: int | None, max_order: int) -> CreditQueries:
    """The queries of attribution by a column of the events; raises QueryError for an unknown column.

    A contact is one value of the column in one session, at its first event; by touchpoint or stage, a journey step
    (a run of steps of a stage). Contacts count up to the journey's first goal, that event's own included unless it
    is a touchpoint or stage that is credited. Lost journeys are those that expired without the goal (where journeys
    never expire: that have not reached it). Bootstraps draw customers, or above 10,000 customers 1,000 random groups
    of them, named customer_id either way.
    """
    ctes = f"with {_outcomes(log)},\n\n{_touches(log, by, lookback_us)},\n\n{_PATHS}"
    own = "is_converted"
    return CreditQueries(
        paths=f"""{ctes}
select group_id as customer_id, path, count(*) as conversions, round(sum(worth), 6) as "value"
from paths
where {own}
group by group_id, path""",
        timed=f"""{ctes}
select group_id as customer_id, path, times, goal_us / 1000000.0 as converted_at, 1 as conversions, worth as "value"
from paths
where {own}""",
        sets=f"""{ctes}
select
    group_id as customer_id,
    list_sort(list_distinct(path)) as path,
    count(case when {own} then 1 end) as conversions,
    count(case when not {own} then 1 end) as nulls,
    round(sum(worth), 6) as "value"
from paths
group by group_id, list_sort(list_distinct(path))""",
        moves=tuple(f"{ctes},\n\n{_moves(order)}" for order in range(1, max_order + 1)),
        shared=ctes,
    )


def credited_column(by: str) -> str:
    """The column of the events that `by` names."""
    return _ALIASES.get(by, by)


def _outcomes(log: EventLog) -> str:
    log.require("journeys")
    never = log.settings.get("expiry_seconds") is None
    customers = int(log.value("select count(distinct customer_id) from journeys") or 0)
    group = (
        "cast(customer_id as varchar)"
        if customers <= GROUPED_FROM
        else f"cast(hash(cast(customer_id as varchar)) % {GROUPS} as varchar)"
    )
    return f"""outcomes as (
    select
        journey_id,
        {group} as group_id,
        state = 'converted' as is_converted,
        epoch_us(converted_at) as goal_us,
        coalesce(epoch_us(converted_at), epoch_us(ended_at)) as end_us,
        case when state = 'converted' then coalesce("value", 0) else 0 end as worth
    from journeys
    where not is_flagged{"" if never else " and state <> 'open'"}
)"""


def _touches(log: EventLog, by: str, lookback_us: int | None) -> str:
    recent = "" if lookback_us is None else f"\n        and o.end_us - t.us <= {lookback_us}"
    source = _step_touches(log, by) if by in STEP_LABELS else _event_touches(log, by)
    return f"""contacts as (
{source}
),

touches as (
    select t.journey_id, t.label, t.us, t.place
    from contacts as t
    inner join outcomes as o on t.journey_id = o.journey_id
    where (not o.is_converted or t.is_before){recent}
)"""


def _step_touches(log: EventLog, by: str) -> str:
    log.require("journey_steps")
    runs = (
        "\n    qualify s.stage is distinct from lag(s.stage) over (partition by s.journey_id order by s.step_number)"
        if by == "stage"
        else ""
    )
    return f"""    select
        s.journey_id,
        s.{by} as label,
        epoch_us(s.started_at) as us,
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


def _event_touches(log: EventLog, by: str) -> str:
    column = credited_column(by)
    log.require_columns([column, "journey_id", "session_id"])
    log.require("events")
    tie = log.tie_order[-1]
    return f"""    select
        e.journey_id,
        e.label,
        min(e.us) as us,
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


_PATHS = f"""paths as (
    select
        o.journey_id,
        o.group_id,
        o.is_converted,
        o.worth,
        o.goal_us,
        coalesce(list(t.label order by t.us, t.place) filter (where t.label is not null), ['{NONE}']) as path,
        coalesce(list(t.us / 1000000.0 order by t.us, t.place) filter (where t.label is not null), [o.goal_us / 1000000.0])
            as times
    from outcomes as o
    left join touches as t on o.journey_id = t.journey_id
    group by o.journey_id, o.group_id, o.is_converted, o.worth, o.goal_us
)"""


def _moves(order: int) -> str:
    """What follows each context of up to `order` contacts, the start and the end among them."""
    return f"""walked as (
    select
        group_id,
        list_concat(['__start__'], path, [case when is_converted then '{CONVERTED}' else '{LOST}' end]) as walk
    from paths
),

placed as (
    select group_id, walk, unnest(range(2, len(walk) + 1)) as place
    from walked
)

select
    group_id as customer_id,
    walk[greatest(1, place - {order}):place - 1] as context,
    walk[place] as next,
    count(*) as move_count
from placed
group by group_id, walk[greatest(1, place - {order}):place - 1], walk[place]"""
