"""What followed what in journeys, with the steps before: the moves that predictions are fitted to, counted in SQL."""

from __future__ import annotations

from journey_mining.analysis.log import EventLog

WEEK_US = 7 * 86_400_000_000


def write_moves(log: EventLog, order: int, held_out_weeks: int) -> str:
    """The query of moves: context (up to `order` touchpoints, `__start__` first), next, is_held_out, move_count.

    Held out are the journeys that began in the last weeks before the cutoff. A journey that may still go on has no
    `__end__` yet.
    """
    log.require("journeys", "journey_steps")
    never = log.settings.get("expiry_seconds") is None
    ended = "true" if never else "not j.is_open"
    start = log.cutoff_us - held_out_weeks * WEEK_US
    return f"""with walked as (
    select
        j.journey_id,
        any_value(epoch_us(j.started_at)) > {start} as is_held_out,
        list_concat(
            ['__start__'],
            list(s.touchpoint order by s.step_number),
            case when bool_and({ended}) then ['__end__'] else [] end
        ) as walk
    from journeys as j
    inner join journey_steps as s on j.journey_id = s.journey_id
    where not j.is_flagged
    group by j.journey_id
),

placed as (
    select is_held_out, walk, unnest(range(2, len(walk) + 1)) as place
    from walked
)

select
    walk[greatest(1, place - {order}):place - 1] as context,
    walk[place] as next,
    is_held_out,
    count(*) as move_count
from placed
group by walk[greatest(1, place - {order}):place - 1], walk[place], is_held_out
order by move_count desc, context, next, is_held_out"""
