"""What customers meet, in SQL: steps and what came next, waits for an answer, scores; each at its place.

A place and a signal are numbers here (analysis.numbering, of names in `named`); signal 0 is anything else.
"""

from __future__ import annotations

from journey_mining.analysis.expressions import BY_CUSTOMER
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.numbering import pair, place

LADDER = {"1 hour": 3_600, "1 day": 86_400, "2 days": 172_800, "1 week": 604_800}
"""Waits for an answer that are compared, seconds."""
_UNDER_WAY = (0, 3_600, 86_400, 604_800)
"""Upper ends of the classes of time under way, seconds."""


MOVED = f"""moved as (
    select
        1 as kind,
        {place("here", "0", "progress")} as place,
        next_number as signal,
        customer_number,
        entry_channel,
        under_way,
        is_known,
        is_converted,
        at_us
    from passed
),

looped as (
    select
        2 as kind,
        {place("here", "next_number", "progress")} as place,
        case when third_number = here then {pair("here", "next_number")} else 0 end as signal,
        customer_number,
        entry_channel,
        under_way,
        is_known,
        is_converted,
        at_us
    from passed
    where next_number not in (0, here)
),

repeated as (
    select
        3 as kind,
        {place("here", "0", "progress")} as place,
        case when is_repeated then here else 0 end as signal,
        customer_number,
        entry_channel,
        under_way,
        is_known,
        is_converted,
        at_us
    from passed
)"""


def write_goals() -> str:
    """A row a customer who reached the goal. A list to search joins quickly, since nobody reaches it often."""
    return """goals as (
    select
        k.customer_number,
        min(epoch_us(s.started_at)) as first_goal_us,
        list(epoch_us(s.started_at)) as goals_us
    from journey_steps as s
    inner join (select distinct customer_id, customer_number from kept) as k on s.customer_id = k.customer_id
    where s.is_goal
    group by k.customer_number
)"""


def _reaches(at_us: str, within_us: int) -> str:
    """Whether the goal is reached within the time after a moment."""
    return (
        "coalesce(list_bool_or(list_transform(g.goals_us, "
        f"lambda goal_us: goal_us >= {at_us} and goal_us <= {at_us} + {within_us})), false)"
    )


def write_steps(log: EventLog) -> str:
    """Steps with what came directly after, in the same sitting; a return after the inactivity limit is none."""
    sitting = float(log.settings.get("inactivity_seconds") or 1800)
    return f"""stepped as (
    select
        k.journey_number,
        k.customer_number,
        k.entry_channel,
        s.step_number,
        n.number as here,
        n.mark,
        s.is_goal,
        s.repeat_count > 1 as is_repeated,
        coalesce(s.gap_seconds > {sitting}, true) as opens_sitting,
        epoch_us(s.started_at) - k.begun_us as under_way_us,
        epoch_us(s.ended_at) as at_us
    from journey_steps as s
    inner join kept as k on s.journey_id = k.journey_id
    inner join named as n on s.touchpoint = n.label
),

sat as (
    select
        *,
        sum(cast(opens_sitting as integer)) over (
            by_step rows between unbounded preceding and current row
        ) as sitting,
        case when not lead(opens_sitting) over by_step then lead(here) over by_step end as next_number,
        case when not lead(opens_sitting, 2) over by_step then lead(here, 2) over by_step end as third_number
    from stepped
    window by_step as (partition by journey_number order by step_number)
),

marked as (
    select
        *,
        max(mark) over (
            partition by journey_number, sitting order by step_number
            rows between unbounded preceding and current row
        ) as progress
    from sat
)"""


def write_passed(within_us: int) -> str:
    """Steps that are followed for long enough, with what the customer had reached before, and reached in that time."""
    return f"""passed as (
    select
        s.here,
        coalesce(s.next_number, 0) as next_number,
        s.third_number,
        s.progress,
        s.customer_number,
        s.entry_channel,
        s.is_repeated,
        s.at_us,
        {_under_way("s.under_way_us")} as under_way,
        coalesce(g.first_goal_us <= s.at_us, false) as is_known,
        {_reaches("s.at_us", within_us)} as is_converted
    from marked as s
    cross join horizon as h
    left join goals as g on s.customer_number = g.customer_number
    where s.at_us + {within_us} <= h.cutoff_us and not s.is_goal
)"""


def write_questions(log: EventLog) -> str:
    """What a customer began (a ticket, say), and when the company first answered."""
    flagged = "" if log.is_loaded else " and journey_id in (select journey_id from kept)"
    return f"""asked as (
    select
        customer_id,
        object_type,
        object_id,
        arg_min((journey_id, touchpoint), (occurred_us, touchpoint, journey_id)) filter (
            where {BY_CUSTOMER}
        ) as first,
        min(occurred_us) filter (where {BY_CUSTOMER}) as asked_us,
        list(occurred_us) filter (where initiator = 'company') as answers
    from events
    where object_id is not null and journey_id is not null and not coalesce(is_background, false){flagged}
    group by customer_id, object_type, object_id
    having count(*) filter (where {BY_CUSTOMER}) > 0
),

answered as (
    select
        k.customer_number,
        a.first[2] as touchpoint,
        k.entry_channel,
        {_under_way("(a.asked_us - k.begun_us)")} as under_way,
        a.asked_us,
        list_min(list_filter(a.answers, lambda one: one > a.asked_us)) - a.asked_us as wait_us
    from asked as a
    inner join kept as k on a.first[1] = k.journey_id
    where a.first[2] is not null
)"""


_EVER_ANSWERED = f"""ever_answered as (
    select
        0 as kind,
        {place("n.number", "0", "0")} as place,
        0 as signal,
        a.customer_number,
        a.entry_channel,
        a.under_way,
        false as is_known,
        false as is_converted,
        a.asked_us as at_us
    from answered as a
    inner join named as n on a.touchpoint = n.label
    where a.wait_us is not null
),

"""


def write_waits(within_us: int, keeps_all: bool = False) -> str:
    """Still without an answer after a while, against answered by then; both are followed from that moment on.

    What nobody ever got an answer to is no wait; with `keeps_all` it is there, and `ever_answered` has who got answers.
    """
    answered = (
        ""
        if keeps_all
        else "\n        and exists (select 1 from answered as b where b.touchpoint = a.touchpoint and b.wait_us is not null)"
    )
    ever_answered = _EVER_ANSWERED if keeps_all else ""
    ladder = ", ".join(
        f"{{'number': {number}, 'us': {seconds * 1_000_000}}}"
        for number, seconds in enumerate(LADDER.values(), 1)
    )
    return f"""waiting as (
    select
        a.*,
        n.number as here,
        l.step.number as ladder_number,
        a.asked_us + l.step.us as at_us,
        coalesce(a.wait_us > l.step.us, true) as is_late
    from answered as a
    inner join named as n on a.touchpoint = n.label
    cross join (select unnest([{ladder}]) as step) as l
    cross join horizon as h
    where a.asked_us + l.step.us + {within_us} <= h.cutoff_us{answered}
),

{ever_answered}waited as (
    select
        5 as kind,
        {place("w.here", "w.ladder_number", "0")} as place,
        case when w.is_late then {pair("w.here", "w.ladder_number")} else 0 end as signal,
        w.customer_number,
        w.entry_channel,
        w.under_way,
        coalesce(g.first_goal_us <= w.at_us, false) as is_known,
        {_reaches("w.at_us", within_us)} as is_converted,
        w.at_us
    from waiting as w
    left join goals as g on w.customer_number = g.customer_number
)"""


def write_answers(within_us: int) -> str:
    """Scores, and whether they are low: csat below the top two, nps up to 6, ces below the middle."""
    top = "score_max - cast(score_max - score_min >= 3 as integer)"
    return f"""answers as (
    select
        k.customer_number,
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
)"""


def write_scores(within_us: int) -> str:
    """A low score against a better one of the same kind."""
    return f"""scored as (
    select
        6 as kind,
        {place("n.number", "0", "0")} as place,
        case when a.is_low then n.number else 0 end as signal,
        a.customer_number,
        a.entry_channel,
        a.under_way,
        coalesce(g.first_goal_us <= a.at_us, false) as is_known,
        {_reaches("a.at_us", within_us)} as is_converted,
        a.at_us
    from answers as a
    inner join named as n on a.place = n.label
    left join goals as g on a.customer_number = g.customer_number
)"""


def _under_way(span_us: str) -> str:
    classes = " ".join(
        f"when {span_us} <= {limit * 1_000_000} then {number}" for number, limit in enumerate(_UNDER_WAY)
    )
    return f"case {classes} else {len(_UNDER_WAY)} end"
