"""The size of each planted effect in one draw, as counts that add up over blocks."""

from __future__ import annotations

import numpy as np

from journey_mining.sample.arrays import count_before, last_flagged_before, minimum_by_group
from journey_mining.sample.block import Block
from journey_mining.sample.clock import HOUR
from journey_mining.sample.effects import PlantedEffects
from journey_mining.sample.outcomes import BAD, GOOD
from journey_mining.sample.visits import DIRECT, PAID_SOCIAL

Counts = dict[str, int]


def count_effects(block: Block) -> Counts:
    """Numerators and denominators of the planted effects."""
    return {
        **_checkout_counts(block),
        **_wait_counts(block),
        **_channel_counts(block),
        **_opinion_counts(block),
    }


def _checkout_counts(block: Block) -> Counts:
    outcomes, found, agreed = block.outcomes, {}, ~block.facts.is_denied
    for name, flag in (("mobile", outcomes.is_mobile), ("other_devices", ~outcomes.is_mobile)):
        found[f"{name}_checkouts"] = int((outcomes.has_checkout & flag).sum())
        found[f"{name}_errors"] = int((outcomes.has_error & flag).sum())
        found[f"{name}_errors_with_consent"] = int((outcomes.has_error & flag & agreed).sum())
        found[f"{name}_purchases"] = int((outcomes.is_purchase & flag).sum())
    return found


def _wait_counts(block: Block) -> Counts:
    """Visits and purchases later than 48 hours after the ticket about the first order, slow tickets and others."""
    outcomes, tickets, visits, found = block.outcomes, block.tickets, block.visits, {}
    rows = np.flatnonzero(tickets.is_order)
    since = minimum_by_group(
        tickets.customer[rows],
        tickets.created_us[rows] + 48 * HOUR,
        len(block.people),
        np.iinfo(np.int64).max,
    )
    is_slow = np.zeros(len(block.people), dtype=np.bool_)
    is_slow[tickets.customer[tickets.is_slow]] = True
    later = visits.start_us > since[visits.customer]
    for name, group in (
        ("slow", later & is_slow[visits.customer]),
        ("fast", later & ~is_slow[visits.customer]),
    ):
        found[f"{name}_ticket_later_visits"] = int(group.sum())
        found[f"{name}_ticket_later_purchases"] = int((group & outcomes.is_purchase).sum())
    return found


def _channel_counts(block: Block) -> Counts:
    visits, outcomes = block.visits, block.outcomes
    journey = visits.journey
    last = last_flagged_before(visits.channel != DIRECT, journey)
    own = visits.channel == DIRECT
    last_channel = np.where(own & (last >= 0), visits.channel[np.maximum(last, 0)], visits.channel)
    returning = count_before(np.ones(len(visits), dtype=np.bool_), journey) > 0
    social = outcomes.is_assisted & returning
    plain = ~outcomes.is_assisted & returning
    return {
        "purchases_last_non_direct_paid_social": int(
            (outcomes.is_purchase & (last_channel == PAID_SOCIAL)).sum()
        ),
        "later_visits_after_paid_social": int(social.sum()),
        "purchases_after_paid_social": int((outcomes.is_purchase & social).sum()),
        "later_visits_without_paid_social": int(plain.sum()),
        "purchases_without_paid_social": int((outcomes.is_purchase & plain).sum()),
    }


def _opinion_counts(block: Block) -> Counts:
    tickets, found = block.tickets, {}
    for name, flag in (("slow", tickets.is_slow), ("fast", ~tickets.is_slow)):
        found[f"{name}_good_ratings"] = int(((tickets.rating == GOOD) & flag).sum())
        found[f"{name}_bad_ratings"] = int(((tickets.rating == BAD) & flag).sum())
    for name, low, high in (("detractors", 0, 6), ("passives", 7, 8), ("promoters", 9, 10)):
        found[f"nps_{name}"] = int(((block.nps.score >= low) & (block.nps.score <= high)).sum())
    found["shared_inbox_requesters"] = int(tickets.is_inbox.sum())
    found["shared_devices"] = int(block.people.shares_device.sum())
    found["merged_contacts"] = int((block.book.merged_us > 0).sum())
    return found


WHERE = {
    "checkout_error_on_mobile": "web: checkout_error and purchase after begin_checkout, by device.category",
    "slow_support": "support: first public agent comment more than 48 hours after created_at; web: later purchases",
    "paid_social_assists": "web: session_traffic_source_last_click; never the last channel other than direct",
    "opinions": "support: satisfaction_ratings; survey: Q_NPS and Q_CES, lower after slow tickets and errors",
    "shared_identifiers": "support: email support@example.com; web: user_pseudo_id with two user_ids",
}


def planted_document(effects: PlantedEffects, counts: Counts) -> dict[str, object]:
    """The content of planted.json: parameters, where to look, and what this draw shows."""
    return {"parameters": effects.model_dump(), "where": WHERE, "measured": counts}
