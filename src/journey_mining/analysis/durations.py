"""Time to convert: a histogram of the seconds between two steps of a funnel."""

from __future__ import annotations

from journey_mining.analysis.funnel import Plan
from journey_mining.analysis.funnel_answer import chosen_ctes
from journey_mining.analysis.log import EventLog
from journey_mining.errors import QueryError

MAX_BINS = 60
"""Bins that are chosen automatically at most."""


KEPT = "converted_units"
"""The temporary table of the units' seconds, which the histogram and their mean are taken from."""


def write_durations(
    log: EventLog, plan: Plan, from_step: int, to_step: int, bins: int | None
) -> tuple[str, str, str]:
    """The queries of the histogram, of the seconds of each unit that reached `to_step`, and of the histogram of KEPT.

    Edges are equally far apart from the shortest time to the longest or just beyond it: whole seconds, unless they are
    closer than one. The last bin is for the longest alone. There are as many as the units' cube root, rounded up.
    """
    if not 1 <= from_step < to_step <= len(plan.steps):
        raise QueryError(
            f"There is no way from step {from_step} to step {to_step}.",
            expected=f"1 <= from_step < to_step <= {len(plan.steps)}",
        )
    if bins is not None and bins < 1:
        raise QueryError("bins: at least one is needed.", found=str(bins))
    head = "with recursive " if plan.is_reentrant else "with "
    ctes = head + ",\n\n".join(chosen_ctes(log, plan))
    timed = f"""{ctes},

timed as (
    select unit_id, (us_{to_step} - us_{from_step}) / 1000000.0 as seconds
    from chosen
    where us_{to_step} is not null and us_{from_step} is not null
)"""
    count = str(bins) if bins else f"cast(least({MAX_BINS}, ceil(round(cbrt(count(*)), 9))) as integer)"
    histogram = f"""bounds as (
    select
        min(seconds) as low,
        case when max(seconds) > min(seconds) then {count} else 0 end as bin_count,
        case when max(seconds) > min(seconds) then (max(seconds) - min(seconds)) / ({count}) else 1 end as exact_width,
        case when exact_width > 1 then ceil(round(exact_width, 6)) else exact_width end as width
    from timed
    having count(*) > 0
),

edges as (
    select unnest(range(0, bin_count + 1)) as bin, low, width, bin_count
    from bounds
),

binned as (
    select least(b.bin_count, cast(floor(round((t.seconds - b.low) / b.width, 9)) as integer)) as bin
    from timed as t
    cross join bounds as b
)

select
    e.bin + 1 as bin_number,
    e.low + e.bin * e.width as from_seconds,
    case when e.bin < e.bin_count then e.low + (e.bin + 1) * e.width end as to_seconds,
    count(b.bin) as unit_count
from edges as e
left join binned as b on e.bin = b.bin
group by e.bin, e.low, e.width, e.bin_count
order by e.bin"""
    return (
        f"{timed},\n\n{histogram}",
        f"{timed}\n\nselect unit_id as {plan.column}, seconds\nfrom timed\norder by seconds, unit_id",
        f"with timed as (\n    select seconds\n    from {KEPT}\n),\n\n{histogram}",
    )
