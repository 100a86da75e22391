"""The method section: definitions, formulas and limits, with the settings of this run filled in."""

from __future__ import annotations

from typing import Any

from journey_mining.report.context import Context
from journey_mining.report.formatting import format_duration

LIMITS = [
    "Sequence is not cause: what precedes a conversion need not bring it about.",
    "Customers who were never recognised across systems count as several; the stitched share says how far this goes.",
    "Contacts that no source records (a talk in a shop, a neighbour's advice) are missing.",
    "A flow of single steps implies paths that nobody took as a whole; the variants are whole journeys.",
    "Figures marked as estimated rest on aggregates or on a comparison, not on a count.",
]


def build_method(context: Context) -> dict[str, Any]:
    """Definitions as (term, text) pairs, and the limits."""
    return {
        "sentence": f"{len(_define(context))} definitions behind every number",
        "definitions": _define(context),
        "limits": LIMITS,
    }


def _define(context: Context) -> list[tuple[str, str]]:
    """The definitions in the order in which the report uses them."""
    goal, least = context.goal, context.min_cell
    return [
        ("Customer", "A resolved person: a connected component of trusted identity links. Shared and poisoned identifiers link nothing."),
        ("Session", f"A run of a customer's own events without a gap over {_duration(context, 'inactivity_seconds')}."),
        ("Journey", f"A customer's contacts until {_duration(context, 'expiry_seconds')} pass without one, or the cutoff."),
        ("Converted, left, still open", f"Reached {goal}; expired without it; not yet expired. Open is never counted as left."),
        ("Matured", "Converted or left. Every conversion rate is over matured units: converted / (converted + left)."),
        ("Interval", "95 % Wilson score interval of the share."),
        ("Stage reached", "A unit enters a stage when it reaches it or a later one. Reaching a later one without it is a skip."),
        ("Median time", "Exact median from the first entry of a stage to the first entry of a later one, of those who went on."),
        ("Effort", "Steps of a journey inside a stage; contacts a step counts direct repeats of one touchpoint."),
        ("CSAT, NPS, CES", "Share of the top two answers; promoters less detractors; mean on its scale. Never mixed, never imputed."),
        ("Attribution", "Which share of the conversions a model credits to a channel: a convention, no effect. A contact is one "
            "channel in one session, at its first event. Markov: 1 − conversion without the channel ÷ conversion, normalised."),
        ("Pain point, at stake", "Customers who met it × (conversion of comparable customers without it − with it); comparable: at the "
            "same place, of the same entry channel, as long under way, with or without an earlier conversion."),
        ("Transition", "One touchpoint directly followed by another in one journey; direct repeats are one step. "
            "Probability is of all moves out of the first one."),
        ("Lift", "Conversion of journeys with the transition ÷ conversion of all matured journeys."),
        ("Conversion after, time to next", "Over a touchpoint's outgoing transitions, weighted by journeys (estimate)."),
        ("Small cells", f"Counts of 1 to {least - 1} are not shown, nor what they could be computed from: a dash may stand for any number."),
    ]  # fmt: skip


def _duration(context: Context, name: str) -> str:
    """A duration of the settings in words."""
    text = str(context.settings.get(name) or "")
    return format_duration(float(text)) if text.replace(".", "", 1).isdigit() else "any time"
