"""Escalations: a customer turns to a person soon after a contact of self-service, with the task unresolved."""

from __future__ import annotations

from typing import Any

from journey_mining.analysis.expressions import BY_CUSTOMER, call_macro, counted_events, event_order
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.predicates import build_matcher

PERSONAL = ("phone", "call", "voice", "chat", "callcenter", "call_center")
"""Channels in which a person answers, unless the question names others."""
SELF = ("web", "app", "mobile_app", "website")
"""Channels of self-service, unless the question names others."""
WEB_SYSTEMS = ("ga4", "snowplow")


def choose_ends(log: EventLog, from_: Any, to: Any) -> tuple[str, str] | str:
    """The conditions of both ends as SQL; or why there is no answer, when the log has no such contacts."""
    log.require_columns(["channel"])
    log.require("events")
    lower = "lower(coalesce(channel, ''))"
    own = f"{lower} in ({_listed(SELF)})"
    if "system" in log.columns and not log.is_loaded:
        own = f"({own} or system in ({_listed(WEB_SYSTEMS)}))"
    mine = f"{BY_CUSTOMER} and {own}" if "initiator" in log.columns else own
    called = f"{lower} in ({_listed(PERSONAL)})"
    if "initiator" in log.columns:
        log.require_columns(["initiator"])
        called = f"{BY_CUSTOMER} and {called}"
    start = f"coalesce({mine}, false)" if from_ is None else build_matcher(log, from_).sql
    end = f"coalesce({called}, false)" if to is None else build_matcher(log, to).sql
    for name, condition, option in (("of self-service", start, "from_"), ("with a person", end, "to")):
        if not log.value(f"select count(*) from events where {condition}"):
            return f"the log has no contact {name}: name its touchpoint or condition in {option}=…"
    return start, end


def write_escalations(log: EventLog, start: str, end: str, resolved: str, within_us: int) -> str:
    """The query of escalations: one row a touchpoint of self-service, with the customers who then turned to a person.

    A task is the customer's last contact of self-service that resolves nothing itself; it is unresolved until a
    `resolved` event. It escalates when
    the customer's next contact of any of these kinds is one with a person, within the time. The rate is of the
    customers who were at the touchpoint long enough ago to be followed for that time.
    """
    order = event_order(log)
    end_of = f"({end}) and not ({start})"
    return f"""with marked as (
    select
        customer_id,
        coalesce(touchpoint, '(missing)') as touchpoint,
        occurred_us,
        ({start}) and not ({resolved}) as is_start,
        {end_of} as is_end,
        row_number() over (partition by customer_id order by {order}) as place
    from events
    where ({start} or {end} or {resolved}) and {counted_events(log, "customers")}
),

followed as (
    select
        *,
        lead(is_end) over (partition by customer_id order by place) as is_end_next,
        lead(touchpoint) over (partition by customer_id order by place) as next_touchpoint,
        lead(occurred_us) over (partition by customer_id order by place) - occurred_us as wait_us
    from marked
),

{_count_tasks(log, within_us)}

select
    touchpoint,
    to_touchpoint,
    customer_count,
    escalated_count,
    escalation_count,
    {call_macro("rate", "escalated_count", "customer_count")} as escalation_rate,
    {call_macro("wilson_low", "escalated_count", "customer_count")} as escalation_rate_low,
    {call_macro("wilson_high", "escalated_count", "customer_count")} as escalation_rate_high,
    median_seconds,
    cast(null as varchar) as note
from counted
order by escalated_count desc, escalation_rate desc, touchpoint"""


def _count_tasks(log: EventLog, within_us: int) -> str:
    """The CTEs of the tasks that can be followed, and of their counts."""
    return f"""tasks as (
    select
        touchpoint,
        customer_id,
        coalesce(is_end_next and wait_us <= {within_us}, false) as is_escalated,
        next_touchpoint,
        wait_us / 1000000.0 as wait_seconds
    from followed
    where is_start and occurred_us + {within_us} <= {log.cutoff_us}
),

counted as (
    select
        touchpoint,
        count(distinct customer_id) as customer_count,
        count(distinct case when is_escalated then customer_id end) as escalated_count,
        count(case when is_escalated then 1 end) as escalation_count,
        mode(case when is_escalated then next_touchpoint end) as to_touchpoint,
        median(case when is_escalated then wait_seconds end) as median_seconds
    from tasks
    group by touchpoint
)"""


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)
