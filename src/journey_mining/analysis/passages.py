"""Trials behind pain points, counted in SQL: who met a signal at a place, who was there without it, and who converted.

A place is where customers are comparable: a touchpoint that they were at, an answer that they wait for, a score that
they give. A signal is what happened there next. Customers are matched on place (hence stage), entry channel, time
under way and whether they had reached the goal before; each is followed for the same time, so that nobody is judged
before that has passed.
"""

from __future__ import annotations

from collections.abc import Sequence

from journey_mining.analysis.expressions import is_sampled
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.moments import (
    LADDER,
    MOVED,
    write_answers,
    write_goals,
    write_passed,
    write_questions,
    write_scores,
    write_steps,
    write_waits,
)
from journey_mining.analysis.numbering import pair, part
from journey_mining.warehouse import quoted

OTHER = "__other__"
_KINDS = ("touchpoint", "loop", "repeat contact", "transition", "wait", "low score")
"""A kind is its position here, from 1."""


WHOLE = 1_000_000_000_000
"""A customer in the parts that are counted: whole numbers have the same sum in any order."""


_WEIGHED = f"""by_signal as (
    select customer_number, kind, signal, count(*) as all_count
    from tried
    where signal <> 0
    group by customer_number, kind, signal
),

by_place as (
    select customer_number, kind, place, count(*) as all_count
    from tried
    group by customer_number, kind, place
),

-- Joined counts, since so many small windows would take several times as long.
weighed as (
    select
        t.*,
        {WHOLE} // s.all_count as met,
        {WHOLE} // a.all_count as there
    from tried as t
    left join by_signal as s
        on t.customer_number = s.customer_number and t.kind = s.kind and t.signal = s.signal
    inner join by_place as a on t.customer_number = a.customer_number and t.kind = a.kind and t.place = a.place
),

-- A transition is what came next, from one touchpoint alone.
changed as (
    select * replace (
        4 as kind,
        case when signal <> 0 then {pair(part("place", 2), "signal")} else 0 end as signal
    )
    from weighed
    where kind = 1
),

by_transition as (
    select customer_number, signal, count(*) as all_count
    from changed
    where signal <> 0
    group by customer_number, signal
),

people as (
    select * from weighed
    union all
    select c.* replace ({WHOLE} // s.all_count as met)
    from changed as c
    left join by_transition as s on c.customer_number = s.customer_number and c.signal = s.signal
)"""


def write_trials(log: EventLog, within_us: int, way: Sequence[str], one_in: int = 1) -> str:
    """The query of the trials by cell: kind, place, signal, entry_channel, under_way, is_known, and weighted customers.

    Each customer counts once: `met_count` weighs a customer's trials by 1 / all of its trials with the signal (of the
    kind), `there_count` by 1 / all of its trials at the place; `met_converted`, `there_converted` are those that
    reached the goal within the time; `first_us` and `last_us` say when the trials were. `way` are the touchpoints on
    the way to the goal, the most frequent first: how far customers had come along it in the same sitting is a part of
    the place. `one_in` takes every so many customers, by the hash of their ids.
    """
    return f"""with {_people(log, within_us, way, is_sampled(one_in))},

{_counted("people")},

{_spelled(way)}"""


def write_customer_trials(log: EventLog, within_us: int, way: Sequence[str], whom: str, labels: str) -> str:
    """The query of the trials themselves, with their customer_id, of the customers that fulfil the condition `whom`.

    `labels` is the table (label, number) of all names. Waits are those for whatever customers began; what anybody got
    an answer to is told by the rows of kind 0, so that `write_cells` can leave the other waits out.
    """
    return f"""with {_people(log, within_us, way, whom, labels)}

select k.customer_id, p.* exclude (customer_number)
from people as p
inner join (select distinct customer_id, customer_number from kept) as k on p.customer_number = k.customer_number"""


def write_cells(way: Sequence[str], trials: str, labels: str) -> str:
    """The query of `write_trials` over the table `trials` that holds rows of `write_customer_trials`."""
    return f"""with {_named(f"select label, number from {labels}", way)},

{_counted(trials, "every_cell")},

-- What nobody ever got an answer to is no wait; asked of the cells, which are few.
cells as (
    select *
    from every_cell
    where kind in (1, 2, 3, 4, 6)
        or (kind = 5 and {part("place", 2)} in (select {part("place", 2)} from {trials} where kind = 0))
),

{_spelled(way)}"""


def _people(log: EventLog, within_us: int, way: Sequence[str], whom: str, labels: str | None = None) -> str:
    """The subqueries up to `people`, a row a trial; names are numbered by the table `labels`, or as they come."""
    columns = log.columns
    log.require_columns([name for name in ("journey_id", "score", "score_kind") if name in columns])
    log.require("events", "journeys", "journey_steps")
    ctes, kinds = [_horizon(log, whom), write_goals()], ["moved", "looped", "repeated"]
    found = ["select touchpoint as label from journey_steps"]
    waits, scores = [], []
    if {"initiator", "object_id", "object_type"} <= columns.keys():
        ctes.append(write_questions(log))
        found.append("select touchpoint from answered")
        waits = [write_waits(within_us, keeps_all=labels is not None)]
        kinds += ["waited"] if labels is None else ["waited", "ever_answered"]
    if {"score", "score_kind", "score_min", "score_max"} <= columns.keys():
        ctes.append(write_answers(within_us))
        found.append("select place from answers")
        scores = [write_scores(within_us)]
        kinds.append("scored")
    numbered = _number_labels(found) if labels is None else f"select label, number from {labels}"
    ctes += [_named(numbered, way), write_steps(log), write_passed(within_us), MOVED, *waits, *scores]
    tried = "\n    union all\n".join(f"    select * from {name}" for name in kinds)
    head = ",\n\n".join(ctes)
    return f"""{head},

tried as (
{tried}
),

{_WEIGHED}"""


def _counted(trials: str, name: str = "cells") -> str:
    """The cells, which the trials of all customers add up to, as a subquery of that name."""
    sums = ",\n".join(
        f"        coalesce(round(sum({part}){chosen} / {WHOLE}, 9), 0) as {part}_{amount}"
        for part in ("met", "there")
        for amount, chosen in (("count", ""), ("converted", " filter (where is_converted)"))
    )
    return f"""{name} as (
    select
        kind,
        place,
        signal,
        entry_channel,
        under_way,
        is_known,
{sums},
        min(at_us) as first_us,
        max(at_us) as last_us
    from {trials}
    group by kind, place, signal, entry_channel, under_way, is_known
)"""


def write_ways(log: EventLog) -> str:
    """The query of the touchpoints that journeys came by, in counts that add up over customers.

    By touchpoint, stage, stage_number (0: none) and is_goal, step_count; in a row of each touchpoint without these,
    journey_count, and way_count, the journeys that came by it before they reached the goal; and in one without a touchpoint
    goal_count, the journeys that reached it, and customer_count.
    """
    log.require("journeys", "journey_steps")
    return """with goals as (
    select journey_id, min(step_number) as goal_step
    from journey_steps
    where is_goal
    group by journey_id
),

met as (
    select touchpoint, journey_id, min(step_number) as first_step
    from journey_steps
    group by touchpoint, journey_id
),

classified as (
    select touchpoint, stage, coalesce(stage_number, 0) as stage_number, coalesce(is_goal, false) as is_goal, count(*) as step_count
    from journey_steps
    group by touchpoint, stage, coalesce(stage_number, 0), coalesce(is_goal, false)
)

select
    touchpoint,
    stage,
    stage_number,
    is_goal,
    step_count,
    0 as journey_count,
    0 as way_count,
    0 as goal_count,
    0 as customer_count
from classified
union all
select
    m.touchpoint,
    null,
    0,
    false,
    0,
    count(*),
    count(case when m.first_step < g.goal_step then 1 end),
    0,
    0
from met as m
left join goals as g on m.journey_id = g.journey_id
group by m.touchpoint
union all
select null, null, 0, false, 0, 0, 0, (select count(*) from goals), (select count(distinct customer_id) from journeys)"""


def _horizon(log: EventLog, whom: str) -> str:
    return f"""kept as (
    select
        journey_id,
        customer_id,
        row_number() over () as journey_number,
        dense_rank() over (order by customer_id) as customer_number,
        coalesce(entry_channel, '(none)') as entry_channel,
        epoch_us(started_at) as begun_us
    from journeys
    where not is_flagged and {whom}
),

horizon as (
    select {log.cutoff_us} as cutoff_us
)"""


def _number_labels(labels: Sequence[str]) -> str:
    """Numbers from 1 for touchpoints and what else is a place, since numbers are counted several times as fast."""
    every = "\n        union all\n".join(f"        {one}" for one in labels)
    return f"""select label, row_number() over (order by label) as number
    from (
{every}
    )
    group by label"""


def _named(numbered: str, way: Sequence[str]) -> str:
    """Each name's number, and its place on the way (0: none)."""
    marks = " ".join(f"when {quoted(name)} then {number}" for number, name in enumerate(way, 1))
    mark = f"case label {marks} else 0 end" if way else "0"
    return f"""named as (
    select label, number, {mark} as mark
    from (
    {numbered}
    )
)"""


def _spelled(way: Sequence[str]) -> str:
    """The cells with names in the place of numbers."""
    kinds, ladder = (", ".join(map(quoted, names)) for names in (_KINDS, LADDER))
    steps = ", ".join(map(quoted, ["", *way]))
    first, second, third = (part("c.place", back) for back in (2, 1, 0))
    left, right = (part("c.signal", back) for back in (1, 0))
    return f"""spelled as (
    select
        [{kinds}][c.kind] as kind,
        case c.kind
            when 2 then n.names[{first}] || ' → ' || n.names[{second}] || '; ' || n.way[{third} + 1]
            when 5 then n.names[{first}] || ', ' || n.ladder[{second}]
            when 6 then n.names[{first}]
            else n.names[{first}] || '; ' || n.way[{third} + 1]
        end as place,
        case
            when c.signal = 0 then {quoted(OTHER)}
            when c.kind = 2
                then n.names[{left}] || ' → ' || n.names[{right}] || ' → ' || n.names[{left}]
            when c.kind = 4 then n.names[{left}] || ' → ' || n.names[{right}]
            when c.kind = 5 then n.names[{left}] || ': no answer within ' || n.ladder[{right}]
            else n.names[{right}]
        end as signal,
        c.* exclude (kind, place, signal)
    from cells as c
    cross join (
        select list(label order by number) as names, [{steps}] as way, [{ladder}] as ladder
        from named
    ) as n
)

select *
from spelled
order by kind, place, signal, entry_channel, under_way, is_known"""
