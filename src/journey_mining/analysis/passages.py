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


_WEIGHTED = f"""once as (
    select
        kind,
        place,
        signal,
        customer_number,
        entry_channel,
        under_way,
        is_known,
        count(*) as trial_count,
        count(case when is_converted then 1 end) as converted_count,
        min(at_us) as first_us,
        max(at_us) as last_us
    from tried
    group by kind, place, signal, customer_number, entry_channel, under_way, is_known
),

-- A transition is what came next, from one touchpoint alone.
people as (
    select * from once
    union all
    select
        4 as kind,
        place,
        case when signal <> 0 then {pair(part("place", 2), "signal")} else 0 end as signal,
        * exclude (kind, place, signal)
    from once
    where kind = 1
),

by_signal as (
    select customer_number, kind, signal, sum(trial_count) as all_count
    from people
    where signal <> 0
    group by customer_number, kind, signal
),

by_place as (
    select customer_number, kind, place, sum(trial_count) as all_count
    from people
    group by customer_number, kind, place
),

-- Joined sums, since so many small windows would take several times as long.
weighted as (
    select
        p.*,
        p.trial_count / cast(s.all_count as double) as met,
        p.trial_count / cast(a.all_count as double) as there,
        p.converted_count / cast(p.trial_count as double) as converted
    from people as p
    left join by_signal as s
        on p.customer_number = s.customer_number and p.kind = s.kind and p.signal = s.signal
    inner join by_place as a on p.customer_number = a.customer_number and p.kind = a.kind and p.place = a.place
),

cells as (
    select
        kind,
        place,
        signal,
        entry_channel,
        under_way,
        is_known,
        coalesce(round(sum(met), 9), 0) as met_count,
        coalesce(round(sum(met * converted), 9), 0) as met_converted,
        round(sum(there), 9) as there_count,
        round(sum(there * converted), 9) as there_converted,
        min(first_us) as first_us,
        max(last_us) as last_us
    from weighted
    group by kind, place, signal, entry_channel, under_way, is_known
)"""


def write_trials(log: EventLog, within_us: int, way: Sequence[str], one_in: int = 1) -> str:
    """The query of the trials by cell: kind, place, signal, entry_channel, under_way, is_known, and weighted customers.

    Each customer counts once: `met_count` weighs a customer's trials by 1 / all of its trials with the signal (of the
    kind), `there_count` by 1 / all of its trials at the place; `met_converted`, `there_converted` are those that
    reached the goal within the time; `first_us` and `last_us` say when the trials were. `way` are the touchpoints on
    the way to the goal, the most frequent first: how far customers had come along it in the same sitting is a part of
    the place. `one_in` takes every so many customers, by the hash of their ids.
    """
    columns = log.columns
    log.require_columns([name for name in ("journey_id", "score", "score_kind") if name in columns])
    log.require("events", "journeys", "journey_steps")
    ctes, kinds = [_horizon(log, one_in), write_goals()], ["moved", "looped", "repeated"]
    labels = ["select touchpoint as label from journey_steps"]
    waits, scores = [], []
    if {"initiator", "object_id", "object_type"} <= columns.keys():
        ctes.append(write_questions(log))
        labels.append("select touchpoint from answered")
        waits = [write_waits(within_us)]
        kinds.append("waited")
    if {"score", "score_kind", "score_min", "score_max"} <= columns.keys():
        ctes.append(write_answers(within_us))
        labels.append("select place from answers")
        scores = [write_scores(within_us)]
        kinds.append("scored")
    ctes += [_named(labels, way), write_steps(log), write_passed(within_us), MOVED, *waits, *scores]
    tried = "\n    union all\n".join(f"    select * from {name}" for name in kinds)
    head = ",\n\n".join(ctes)
    return f"""with {head},

tried as (
{tried}
),

{_WEIGHTED},

{_spelled(way)}"""


def write_ways(log: EventLog, one_in: int = 1) -> str:
    """The query of the touchpoints: touchpoint, stage, is_goal, is_after_goal (of a stage after the goal's),
    journey_count, and way_share, the share of converted journeys that came by it before the goal.

    `one_in` takes every so many customers, as for the trials; touchpoints that only others met are not listed.
    """
    log.require("journeys", "journey_steps")
    return f"""with walked as (
    select journey_id, step_number, touchpoint, stage, stage_number, is_goal
    from journey_steps
    where journey_id in (select journey_id from journeys where {is_sampled(one_in)})
),

goals as (
    select journey_id, min(step_number) as goal_step
    from walked
    where is_goal
    group by journey_id
)

select
    s.touchpoint,
    min(s.stage) as stage,
    bool_or(s.is_goal) as is_goal,
    coalesce(min(s.stage_number) > (select max(stage_number) from walked where is_goal), false) as is_after_goal,
    count(distinct s.journey_id) as journey_count,
    count(distinct case when s.step_number < g.goal_step then s.journey_id end)
    / nullif(cast((select count(*) from goals) as double), 0) as way_share
from walked as s
left join goals as g on s.journey_id = g.journey_id
group by s.touchpoint
order by s.touchpoint"""


def _horizon(log: EventLog, one_in: int) -> str:
    return f"""kept as (
    select
        journey_id,
        customer_id,
        row_number() over () as journey_number,
        dense_rank() over (order by customer_id) as customer_number,
        coalesce(entry_channel, '(none)') as entry_channel,
        epoch_us(started_at) as begun_us
    from journeys
    where not is_flagged and {is_sampled(one_in)}
),

horizon as (
    select {log.cutoff_us} as cutoff_us
)"""


def _named(labels: Sequence[str], way: Sequence[str]) -> str:
    """Numbers from 1 for touchpoints and what else is a place, since numbers are counted several times as fast."""
    every = "\n        union all\n".join(f"        {one}" for one in labels)
    marks = " ".join(f"when {quoted(name)} then {number}" for number, name in enumerate(way, 1))
    mark = f"case label {marks} else 0 end" if way else "0"
    return f"""named as (
    select label, row_number() over (order by label) as number, {mark} as mark
    from (
{every}
    )
    group by label
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
