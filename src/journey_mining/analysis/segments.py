"""Segments of customers, and how many of each show a feature: counted in one query."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from journey_mining.analysis.log import EventLog
from journey_mining.analysis.predicates import KEYS, build_matcher, build_predicate
from journey_mining.analysis.sql_texts import list_columns
from journey_mining.errors import QueryError

TABLES = ("customers", "journeys", "events")
STATES = ("converted", "dropped_off")
"""States of a journey that may be taken for columns; whether it is open is one."""
_AMOUNTS = {
    "sessions": "sum(session_count)",
    "journeys": "count(journey_id)",
    "steps": "sum(step_count)",
    "longest journey, seconds": "max(throughput_seconds)",
}


def write_segment(log: EventLog, given: str | Mapping[str, Any]) -> str:
    """The condition on customer_id under which a customer belongs to a segment; raises QueryError.

    A segment is a SQL predicate over the columns of customers, of their journeys or of their events (the first of these
    tables that has all its columns; one matching journey or event is enough), a mapping column -> value, a step
    ({"touchpoint": …}, {"stage": …}), or a mapping of tables to predicates, all of which must hold.
    """
    if isinstance(given, Mapping) and given and set(given) <= set(TABLES):
        return " and ".join(_belongs(log, table, predicate) for table, predicate in given.items())
    if isinstance(given, Mapping) and given and set(given) <= set(KEYS):
        log.require("events")
        return f"customer_id in (select customer_id from events where {build_matcher(log, given).sql})"
    names = list(given) if isinstance(given, Mapping) else list_columns(given)
    table = next((one for one in TABLES if {name.lower() for name in names} <= _columns(log, one)), "")
    if not names or not table:
        known = sorted(set().union(*(_columns(log, one) for one in TABLES)))
        unknown = [name for name in names if name.lower() not in known]
        raise QueryError(
            f"No table has the column '{unknown[0]}'." if unknown else "No table has all these columns.",
            found=str(given),
            expected="columns of customers, of journeys or of events",
            fix=(_suggest(unknown[0], known) if unknown else None)
            or 'name tables: {"journeys": "…", "events": "…"}',
        )
    return _belongs(log, table, given)


def write_features(log: EventLog, segment: str, other: str | None) -> str:
    """The query of features: kind, feature, how many customers of either segment show it, and how many there are.

    A customer of both segments is in neither; `other` None: everyone else. Amounts (sessions, journeys, steps, the
    longest journey) are features by whether they exceed the median of both segments together.
    """
    log.require("customers", "journeys", "journey_steps", "events")
    is_other = f"coalesce({other}, false)" if other is not None else f"not coalesce({segment}, false)"
    amounts = ",\n        ".join(f'{sql} as "{name}"' for name, sql in _AMOUNTS.items())
    scored = ""
    if {"score", "score_kind", "score_min", "score_max"} <= log.columns.keys():
        log.require_columns(["score", "score_kind"])
        scored = f"\n    union all\n{_SCORED}"
    return f"""with members as (
    select customer_id, coalesce({segment}, false) as is_a, {is_other} as is_b
    from customers
    where not is_flagged
),

compared as (
    select customer_id, is_a
    from members
    where is_a <> is_b
),

walked as (
    select s.customer_id, s.touchpoint, s.channel, s.stage, s.next_touchpoint
    from journey_steps as s
    inner join journeys as j on s.journey_id = j.journey_id
    where not j.is_flagged
),

measured as (
    select
        customer_id,
        {amounts}
    from journeys
    where not is_flagged and customer_id in (select customer_id from compared)
    group by customer_id
),

amounts as (
    unpivot (select customer_id, columns(* exclude customer_id)::double from measured)
    on * exclude customer_id
    into name amount value quantity
),

{_SHOWN}{scored}
),

{_COUNTED}"""


_SHOWN = """shown as (
    select 'touchpoint' as kind, touchpoint as feature, customer_id from walked
    union all
    select 'transition', touchpoint || ' → ' || next_touchpoint, customer_id from walked where next_touchpoint is not null
    union all
    select 'channel', channel, customer_id from walked where channel is not null
    union all
    select 'stage', stage, customer_id from walked where stage is not null
    union all
    select 'entry channel', entry_channel, customer_id from journeys where not is_flagged and entry_channel is not null
    union all
    select 'amount', a.amount || ' > ' || format('{:g}', m.middle), a.customer_id
    from amounts as a
    inner join (select amount, median(quantity) as middle from amounts group by amount) as m on a.amount = m.amount
    where a.quantity > m.middle"""
_COUNTED = """totals as (
    select count(case when is_a then 1 end) as a_count, count(case when not is_a then 1 end) as b_count
    from compared
)

select
    f.kind,
    f.feature,
    count(distinct case when c.is_a then c.customer_id end) as a_shown,
    any_value(t.a_count) as a_count,
    count(distinct case when not c.is_a then c.customer_id end) as b_shown,
    any_value(t.b_count) as b_count
from shown as f
inner join compared as c on f.customer_id = c.customer_id
cross join totals as t
group by f.kind, f.feature
order by f.kind, f.feature"""
_SCORED = """    select 'feedback', 'answered ' || score_kind, customer_id
    from events
    where score is not null and score_kind is not null
    union all
    select 'feedback', 'low ' || score_kind, customer_id
    from events
    where score is not null and case score_kind
        when 'nps' then score <= 6
        when 'csat' then score < score_max - cast(score_max - score_min >= 3 as integer)
        else score < (score_min + score_max) / 2
    end"""


def write_sizes(segment: str, other: str | None) -> str:
    """The query of how many customers either segment has, and how many are in both."""
    is_other = f"coalesce({other}, false)" if other is not None else f"not coalesce({segment}, false)"
    return f"""select
    count(case when is_a then 1 end) as a_count,
    count(case when is_b then 1 end) as b_count,
    count(case when is_a and is_b then 1 end) as both_count
from (select coalesce({segment}, false) as is_a, {is_other} as is_b from customers where not is_flagged)"""


def _belongs(log: EventLog, table: str, predicate: str | Mapping[str, Any]) -> str:
    known = _columns(log, table)

    def check(names: Iterable[str]) -> None:
        for name in names:
            if name.lower() not in known:
                raise QueryError(
                    f"The table {table} has no column '{name}'.",
                    expected=", ".join(sorted(known)),
                    fix=_suggest(name, known) or "name one of these",
                )
        if table == "events":
            log.require_columns(names)

    where = build_predicate(log, predicate, check)
    log.require(table)
    return f"customer_id in (select customer_id from {table} where {where})"


def _suggest(name: str, known: Iterable[str]) -> str | None:
    """What may have been meant by an unknown column: a journey's state, or the column of the nearest name."""
    state = name.lower().removeprefix("is_")
    if state in STATES and "state" in known:
        return f"did you mean state = '{state}'?"
    near = difflib.get_close_matches(name.lower(), sorted(known), 1, 0.6)
    return f"did you mean '{near[0]}'?" if near else None


def _columns(log: EventLog, table: str) -> set[str]:
    if table == "events":
        return {name.lower() for name in log.columns}
    log.require(table)
    return {str(row[0]).lower() for row in log.connection.execute(f"describe {table}").fetchall()}
