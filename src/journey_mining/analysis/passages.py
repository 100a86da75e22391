"""Trials behind pain points, counted in SQL: who met a signal at a place, who was there without it, and who converted.

A place is where customers are comparable: a touchpoint that they were at, an answer that they wait for, a score that
they give. A signal is what happened there next. Customers are matched on place (hence stage), entry channel, time
under way and whether they had reached the goal before; each is followed for the same time, so that nobody is judged
before that has passed.
"""

from __future__ import annotations

from collections.abc import Sequence

from journey_mining.analysis.log import EventLog
from journey_mining.warehouse import quoted

LADDER = {"1 hour": 3_600, "1 day": 86_400, "2 days": 172_800, "1 week": 604_800}
"""Waits for an answer that are compared, seconds."""
OTHER = "__other__"
_UNDER_WAY = (0, 3_600, 86_400, 604_800)
"""Upper ends of the classes of time under way, seconds."""


_WEIGHTED = f"""once as (
    select
        kind,
        place,
        signal,
        customer_id,
        entry_channel,
        under_way,
        is_known,
        count(*) as trial_count,
        count(case when is_converted then 1 end) as converted_count,
        min(at_us) as first_us,
        max(at_us) as last_us
    from tried
    group by kind, place, signal, customer_id, entry_channel, under_way, is_known
),

-- A transition is what came next, from one touchpoint alone.
people as (
    select * from once
    union all
    select
        'transition' as kind,
        place,
        case when signal = '{OTHER}' then signal else split_part(place, '; ', 1) || ' → ' || signal end as signal,
        * exclude (kind, place, signal)
    from once
    where kind = 'touchpoint'
),

weighted as (
    select
        *,
        trial_count / cast(sum(trial_count) over (partition by customer_id, kind, signal) as double) as met,
        trial_count / cast(sum(trial_count) over (partition by customer_id, kind, place) as double) as there,
        converted_count / cast(trial_count as double) as converted
    from people
)

select
    kind,
    place,
    signal,
    entry_channel,
    under_way,
    is_known,
    round(sum(met), 9) as met_count,
    round(sum(met * converted), 9) as met_converted,
    round(sum(there), 9) as there_count,
    round(sum(there * converted), 9) as there_converted,
    min(first_us) as first_us,
    max(last_us) as last_us
from weighted
group by kind, place, signal, entry_channel, under_way, is_known
order by kind, place, signal, entry_channel, under_way, is_known"""


_MOVED = f"""moved as (
    select
        'touchpoint' as kind,
        touchpoint || '; ' || progress as place,
        next_touchpoint as signal,
        customer_id,
        entry_channel,
        under_way,
        is_known,
        is_converted,
        at_us
    from passed
),

looped as (
    select
        'loop' as kind,
        touchpoint || ' → ' || next_touchpoint || '; ' || progress as place,
        case
            when third_touchpoint = touchpoint then touchpoint || ' → ' || next_touchpoint || ' → ' || touchpoint
            else '{OTHER}'
        end as signal,
        customer_id,
        entry_channel,
        under_way,
        is_known,
        is_converted,
        at_us
    from passed
    where next_touchpoint <> '{OTHER}' and next_touchpoint <> touchpoint
),

repeated as (
    select
        'repeat contact' as kind,
        touchpoint || '; ' || progress as place,
        case when is_repeated then touchpoint else '{OTHER}' end as signal,
        customer_id,
        entry_channel,
        under_way,
        is_known,
        is_converted,
        at_us
    from passed
)"""


def write_trials(log: EventLog, within_us: int, way: Sequence[str], one_in: int = 1) -> str:
    """The query of the trials by cell: kind, place, signal, entry_channel, under_way, is_known, and weighted customers.

    Each customer counts once: `met_count` weighs a customer's trials by 1 / all of its trials with the signal (of the
    kind), `there_count` by 1 / all of its trials at the place; `met_converted`, `there_converted` are those that
    reached the goal within the time; `first_us` and `last_us` say when the trials were. `way` are the touchpoints on
    the way to the goal, the most frequent first: how far customers had come along it in the same sitting is a part of
    the place. `one_in` takes every so many customers, by the hash of their ids.
    """
    ctes = [_horizon(log, one_in), _goals(), _steps(log, within_us, way), _MOVED]
    kinds = ["moved", "looped", "repeated"]
    columns = log.columns
    log.require_columns([name for name in ("journey_id", "score", "score_kind") if name in columns])
    log.require("events", "journeys", "journey_steps")
    if {"initiator", "object_id", "object_type"} <= columns.keys():
        ctes += [_questions(log, within_us), _waits(within_us)]
        kinds.append("waited")
    if {"score", "score_kind", "score_min", "score_max"} <= columns.keys():
        ctes.append(_scores(log, within_us))
        kinds.append("scored")
    tried = "\n    union all\n".join(f"    select * from {name}" for name in kinds)
    head = ",\n\n".join(ctes)
    return f"""with {head},

tried as (
{tried}
),

{_WEIGHTED}"""


def write_ways(log: EventLog) -> str:
    """The query of the touchpoints: touchpoint, stage, is_goal, is_after_goal (of a stage after the goal's),
    journey_count, and way_share, the share of converted journeys
    that came by it before the goal."""
    log.require("journeys", "journey_steps")
    return """with goals as (
    select journey_id, min(step_number) as goal_step
    from journey_steps
    where is_goal
    group by journey_id
)

select
    s.touchpoint,
    min(s.stage) as stage,
    bool_or(s.is_goal) as is_goal,
    coalesce(min(s.stage_number) > (select max(stage_number) from journey_steps where is_goal), false) as is_after_goal,
    count(distinct s.journey_id) as journey_count,
    count(distinct case when s.step_number < g.goal_step then s.journey_id end)
    / nullif(cast((select count(*) from goals) as double), 0) as way_share
from journey_steps as s
left join goals as g on s.journey_id = g.journey_id
group by s.touchpoint
order by s.touchpoint"""


def _horizon(log: EventLog, one_in: int) -> str:
    some = "" if one_in == 1 else f" and hash(cast(customer_id as varchar)) % {one_in} = 0"
    return f"""kept as (
    select journey_id, customer_id, coalesce(entry_channel, '(none)') as entry_channel, epoch_us(started_at) as begun_us
    from journeys
    where not is_flagged{some}
),

horizon as (
    select {log.cutoff_us} as cutoff_us
)"""


def _goals() -> str:
    """A row a customer who reached the goal. A list to search joins quickly, since nobody reaches it often."""
    return """goals as (
    select customer_id, min(epoch_us(started_at)) as first_goal_us, list(epoch_us(started_at)) as goals_us
    from journey_steps
    where is_goal
    group by customer_id
)"""


def _reaches(at_us: str, within_us: int) -> str:
    """Whether the goal is reached within the time after a moment."""
    return (
        "coalesce(list_bool_or(list_transform(g.goals_us, "
        f"lambda goal_us: goal_us >= {at_us} and goal_us <= {at_us} + {within_us})), false)"
    )


def _steps(log: EventLog, within_us: int, way: Sequence[str]) -> str:
    """Steps with what came directly after, in the same sitting; a return after the inactivity limit is none."""
    sitting = float(log.settings.get("inactivity_seconds") or 1800)
    again = "s.repeat_count > 1"
    marks = " ".join(f"when {quoted(name)} then {number}" for number, name in enumerate(way, 1))
    mark = f"case s.touchpoint {marks} else 0 end" if way else "0"
    names = " ".join(f"when {number} then {quoted(name)}" for number, name in enumerate(way, 1))
    progress = f"case progress {names} else '' end" if way else "''"
    return f"""sat as (
    select
        s.*,
        {mark} as mark,
        sum(cast(coalesce(s.gap_seconds > {sitting}, true) as integer)) over (
            partition by s.journey_id order by s.step_number rows between unbounded preceding and current row
        ) as sitting,
        lead(s.next_touchpoint) over (partition by s.journey_id order by s.step_number) as third_touchpoint,
        lead(s.next_gap_seconds) over (partition by s.journey_id order by s.step_number) as third_gap_seconds
    from journey_steps as s
    where s.journey_id in (select journey_id from kept)
),

marked as (
    select
        *,
        max(mark) over (
            partition by journey_id, sitting order by step_number rows between unbounded preceding and current row
        ) as progress
    from sat
),

stepped as (
    select
        s.journey_id,
        {progress} as progress,
        s.step_number,
        s.customer_id,
        s.touchpoint,
        s.is_goal,
        case
            when s.next_touchpoint is null or s.next_gap_seconds > {sitting} then {quoted(OTHER)}
            else s.next_touchpoint
        end as next_touchpoint,
        case when s.third_gap_seconds <= {sitting} then s.third_touchpoint end as third_touchpoint,
        {again} as is_repeated,
        k.entry_channel,
        {_under_way("(epoch_us(s.started_at) - k.begun_us)")} as under_way,
        epoch_us(s.ended_at) as at_us
    from marked as s
    inner join kept as k on s.journey_id = k.journey_id
    cross join horizon as h
    where epoch_us(s.ended_at) + {within_us} <= h.cutoff_us
),

passed as (
    select s.*, coalesce(g.first_goal_us <= s.at_us, false) as is_known, {_reaches("s.at_us", within_us)} as is_converted
    from stepped as s
    left join goals as g on s.customer_id = g.customer_id
    where not s.is_goal
)"""


def _questions(log: EventLog, within_us: int) -> str:
    """What a customer began (a ticket, say), and when the company first answered."""
    flagged = "" if log.is_loaded else " and journey_id in (select journey_id from kept)"
    return f"""asked as (
    select
        customer_id,
        object_type,
        object_id,
        any_value(journey_id) as journey_id,
        arg_min(touchpoint, (occurred_us, touchpoint)) filter (where initiator = 'customer') as touchpoint,
        min(occurred_us) filter (where initiator = 'customer') as asked_us,
        list(occurred_us) filter (where initiator = 'company') as answers
    from events
    where object_id is not null and journey_id is not null and not coalesce(is_background, false){flagged}
    group by customer_id, object_type, object_id
    having min(occurred_us) filter (where initiator = 'customer') is not null
),

answered as (
    select
        a.customer_id,
        a.touchpoint,
        k.entry_channel,
        {_under_way("(a.asked_us - k.begun_us)")} as under_way,
        a.asked_us,
        list_min(list_filter(a.answers, lambda one: one > a.asked_us)) - a.asked_us as wait_us
    from asked as a
    inner join kept as k on a.journey_id = k.journey_id
    where a.touchpoint is not null
)"""


def _waits(within_us: int) -> str:
    """Still without an answer after a while, against answered by then; both are followed from that moment on."""
    ladder = ", ".join(
        f"{{'name': {quoted(name)}, 'us': {seconds * 1_000_000}}}" for name, seconds in LADDER.items()
    )
    return f"""waiting as (
    select a.*, l.step.name as ladder_name, a.asked_us + l.step.us as at_us, coalesce(a.wait_us > l.step.us, true) as is_late
    from answered as a
    cross join (select unnest([{ladder}]) as step) as l
    cross join horizon as h
    where a.asked_us + l.step.us + {within_us} <= h.cutoff_us
        and exists (select 1 from answered as b where b.touchpoint = a.touchpoint and b.wait_us is not null)
),

waited as (
    select
        'wait' as kind,
        w.touchpoint || ', ' || w.ladder_name as place,
        case when w.is_late then w.touchpoint || ': no answer within ' || w.ladder_name else {quoted(OTHER)} end as signal,
        w.customer_id,
        w.entry_channel,
        w.under_way,
        coalesce(g.first_goal_us <= w.at_us, false) as is_known,
        {_reaches("w.at_us", within_us)} as is_converted,
        w.at_us
    from waiting as w
    left join goals as g on w.customer_id = g.customer_id
)"""


def _scores(log: EventLog, within_us: int) -> str:
    """A low score against a better one of the same kind: csat below the top two, nps up to 6, ces below the middle."""
    top = "score_max - cast(score_max - score_min >= 3 as integer)"
    return f"""answers as (
    select
        e.customer_id,
        coalesce(e.touchpoint, 'survey') || ' (' || e.score_kind || ')' as place,
        case e.score_kind
            when 'nps' then e.score <= 6
            when 'csat' then e.score < {top}
            else e.score < (e.score_min + e.score_max) / 2
        end as is_low,
        k.entry_channel,
        {_under_way("(e.occurred_us - k.begun_us)")} as under_way,
        e.occurred_us as at_us
    from events as e
    inner join kept as k on e.journey_id = k.journey_id
    cross join horizon as h
    where e.score is not null and e.score_kind is not null and e.occurred_us + {within_us} <= h.cutoff_us
),

scored as (
    select
        'low score' as kind,
        a.place,
        case when a.is_low then a.place else {quoted(OTHER)} end as signal,
        a.customer_id,
        a.entry_channel,
        a.under_way,
        coalesce(g.first_goal_us <= a.at_us, false) as is_known,
        {_reaches("a.at_us", within_us)} as is_converted,
        a.at_us
    from answers as a
    left join goals as g on a.customer_id = g.customer_id
)"""


def _under_way(span_us: str) -> str:
    classes = " ".join(
        f"when {span_us} <= {limit * 1_000_000} then {number}" for number, limit in enumerate(_UNDER_WAY)
    )
    return f"case {classes} else {len(_UNDER_WAY)} end"
