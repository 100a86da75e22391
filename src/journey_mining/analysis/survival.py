"""Time to convert with those who have not converted yet: the units at risk, counted by time."""

from __future__ import annotations

from journey_mining.analysis.funnel import Plan
from journey_mining.analysis.funnel_answer import chosen_ctes
from journey_mining.analysis.log import EventLog
from journey_mining.errors import QueryError


def write_waiting(log: EventLog, plan: Plan, from_step: int, to_step: int) -> tuple[str, str]:
    """The queries of seconds, is_converted and unit_count, and of the same unit by unit.

    Seconds run from `from_step` to `to_step`, or for a unit that has not reached it until the cutoff (or the end of the
    window): the unit is censored there. One that dropped off was watched until the cutoff, and counts as not converted.
    """
    if not 1 <= from_step < to_step <= len(plan.steps):
        raise QueryError(
            f"There is no way from step {from_step} to step {to_step}.",
            expected=f"1 <= from_step < to_step <= {len(plan.steps)}",
        )
    end = str(log.cutoff_us)
    if plan.window_us is not None:
        end = f"least({end}, us_1 + {plan.window_us})"
    head = "with recursive " if plan.is_reentrant else "with "
    ctes = head + ",\n\n".join(chosen_ctes(log, plan))
    waiting = f"""{ctes},

waiting as (
    select
        unit_id,
        greatest(coalesce(us_{to_step}, {end}) - us_{from_step}, 0) / 1000000.0 as seconds,
        us_{to_step} is not null as is_converted
    from chosen
    where us_{from_step} is not null
)"""
    counted = f"""{waiting}

select seconds, is_converted, count(*) as unit_count
from waiting
group by seconds, is_converted
order by seconds, is_converted desc"""
    units = f"{waiting}\n\nselect unit_id as {plan.column}, seconds, is_converted\nfrom waiting\norder by seconds, unit_id"
    return counted, units
