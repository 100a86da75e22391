"""Occasions behind incidents, counted in SQL: on which days customers could meet an error, and on which they first did."""

from __future__ import annotations

from collections.abc import Sequence

from journey_mining.analysis.expressions import is_sampled
from journey_mining.analysis.log import EventLog
from journey_mining.warehouse import quoted

START = "__start__"


_OCCASIONS = f"""places as (
    select distinct p.customer_id, p.day_number, p.touchpoint as place
    from passed as p
    union all
    select distinct p.customer_id, p.day_number, '{START}' as place
    from passed as p
),

begun as (
    select p.customer_id, min(p.day_number) as first_day
    from passed as p
    group by p.customer_id
),

-- Whoever has met an error cannot meet it for the first time again.
exposed as (
    select
        n.signal,
        p.day_number,
        p.place,
        p.day_number = b.first_day as is_first_day,
        coalesce(f.day_number = p.day_number and f.place = p.place, false) as is_met
    from places as p
    cross join errors as n
    inner join begun as b on p.customer_id = b.customer_id
    left join firsts as f on p.customer_id = f.customer_id and n.signal = f.signal
    where p.place <> n.signal and coalesce(p.day_number <= f.day_number, true)
)

select
    e.signal,
    e.day_number,
    e.place,
    e.is_first_day,
    count(*) as occasion_count,
    count(case when e.is_met then 1 end) as met_count
from exposed as e
group by e.signal, e.day_number, e.place, e.is_first_day
order by e.signal, e.day_number, e.place, e.is_first_day"""


def write_occasions(log: EventLog, errors: Sequence[str], one_in: int = 1) -> str:
    """The query of occasions: signal, day_number (UTC, since 1970), place, is_first_day, occasion_count, met_count.

    An occasion is a customer at a place on a day: a touchpoint that the customer came by, or `__start__`, which is
    every day of the customer. `met_count` are the customers who met the error for the first time, directly after the
    place; later occasions of theirs do not count. `one_in` takes every so many customers, as for pain points.
    """
    log.require("journeys", "journey_steps")
    names = ", ".join(quoted(name) for name in errors)
    return f"""with errors as (
    select unnest([{names}]) as signal
),

kept as (
    select journey_id
    from journeys
    where not is_flagged and {is_sampled(one_in)}
),

{_passed(float(log.settings.get("inactivity_seconds") or 1800))},

{_OCCASIONS}"""


def _passed(sitting: float) -> str:
    """The steps, and each customer's first meeting with each error."""
    return f"""passed as (
    select
        s.customer_id,
        s.journey_id,
        s.step_number,
        s.touchpoint,
        s.started_at,
        cast(s.started_at as date) - date '1970-01-01' as day_number,
        s.gap_seconds
    from journey_steps as s
    where s.journey_id in (select k.journey_id from kept as k)
),

met as (
    select p.*, p.touchpoint as signal
    from passed as p
    where p.touchpoint in (select n.signal from errors as n)
),

-- The place is where the customer came from in the same sitting.
firsts as (
    select
        m.customer_id,
        m.signal,
        m.day_number,
        case
            when m.gap_seconds <= {sitting} and b.day_number = m.day_number then b.touchpoint
            else '{START}'
        end as place
    from met as m
    left join passed as b on m.journey_id = b.journey_id and b.step_number = m.step_number - 1
    qualify row_number() over (
            partition by m.customer_id, m.signal order by m.started_at, m.journey_id, m.step_number
        ) = 1
)"""
