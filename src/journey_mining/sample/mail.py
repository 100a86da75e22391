"""Newsletters that the company sends, and what the recipients do with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_mining.sample.arrays import minimum_by_group
from journey_mining.sample.clock import DAY, HOUR, MINUTE, Calendar, Ints
from journey_mining.sample.effects import PlantedEffects
from journey_mining.sample.people import People
from journey_mining.sample.visits import Visits, click_delay_us, is_free

EVERY_DAYS = 14
FIRST_ISSUE_DAY = 1
SENT, DELIVERED, BOUNCE, OPEN, CLICK, UNSUBSCRIBE = range(6)
KINDS = ("SENT", "DELIVERED", "BOUNCE", "OPEN", "CLICK", "STATUSCHANGE")


@dataclass(frozen=True)
class MailEvents:
    """One row per e-mail event, sorted by time; times in UTC microseconds, whole milliseconds."""

    customer: Ints
    issue: Ints
    kind: Ints
    occurred_us: Ints
    sent_us: Ints

    def __len__(self) -> int:
        return len(self.customer)


def send_newsletters(
    rng: np.random.Generator,
    people: People,
    visits: Visits,
    contact_us: Ints,
    calendar: Calendar,
    effects: PlantedEffects,
) -> tuple[MailEvents, Ints, Ints, Ints]:
    """All e-mail events; and of the clicks the customer, the start of the visit that follows, and the issue."""
    days = np.arange(FIRST_ISSUE_DAY, calendar.days, EVERY_DAYS)
    issue = np.repeat(np.arange(len(days)), len(people))
    customer = np.tile(np.arange(len(people)), len(days))
    ten_o_clock = calendar.local_to_utc(np.zeros(len(days), dtype=np.int64), days, np.full(len(days), 10))
    sent = ten_o_clock[issue] + rng.integers(0, 20 * MINUTE, len(issue))
    wanted = people.is_subscribed[customer] & (contact_us[customer] + DAY < sent)
    customer, issue, sent = (
        customer[wanted].astype(np.int64),
        issue[wanted].astype(np.int64),
        _millis(sent[wanted]),
    )
    stages = _draw_reactions(rng, customer, sent, calendar, effects)
    start = stages[CLICK] + click_delay_us(rng, len(customer))
    clicked = stages[CLICK] > 0
    stages[CLICK] = np.where(clicked & is_free(visits, customer, start), stages[CLICK], 0)
    stages = _stop_after_unsubscribing(customer, sent, stages, len(people), calendar.end_us)
    clicked = stages[CLICK] > 0
    return _stack(customer, issue, sent, stages), customer[clicked], start[clicked], issue[clicked]


def _millis(moments: Ints) -> Ints:
    return moments // 1000 * 1000


def _draw_reactions(
    rng: np.random.Generator, customer: Ints, sent: Ints, calendar: Calendar, effects: PlantedEffects
) -> dict[int, Ints]:
    size = len(customer)
    delivered = sent + rng.integers(1_000_000, 30_000_000, size)
    is_bounce = rng.random(size) < 0.015
    opened = delivered + (rng.gamma(1.2, 6.0, size) * HOUR).astype(np.int64) + MINUTE
    is_open = ~is_bounce & (rng.random(size) < effects.open_rate) & (opened < calendar.end_us - 2 * HOUR)
    clicked = opened + rng.integers(5_000_000, 3 * MINUTE, size)
    is_click = is_open & (rng.random(size) < effects.click_rate)
    is_unsubscribe = is_open & ~is_click & (rng.random(size) < 0.01)
    return {
        SENT: sent,
        DELIVERED: np.where(is_bounce, 0, _millis(delivered)),
        BOUNCE: np.where(is_bounce, _millis(delivered), 0),
        OPEN: np.where(is_open, _millis(opened), 0),
        CLICK: np.where(is_click, _millis(clicked), 0),
        UNSUBSCRIBE: np.where(is_unsubscribe, _millis(clicked), 0),
    }


def _stop_after_unsubscribing(
    customer: Ints, sent: Ints, stages: dict[int, Ints], size: int, end_us: int
) -> dict[int, Ints]:
    """The reactions without those to newsletters that were never sent, because the recipient had left."""
    left = stages[UNSUBSCRIBE] > 0
    left_us = minimum_by_group(customer[left], stages[UNSUBSCRIBE][left], size, end_us)
    is_sent = sent <= left_us[customer]
    return {kind: np.where(is_sent, moments, 0) for kind, moments in stages.items()}


def _stack(customer: Ints, issue: Ints, sent: Ints, stages: dict[int, Ints]) -> MailEvents:
    kind = np.repeat(np.arange(len(KINDS)), len(customer))
    occurred = np.concatenate([stages[number] for number in range(len(KINDS))])
    rows = np.flatnonzero(occurred > 0)
    rows = rows[np.lexsort((kind[rows], occurred[rows]))]
    who = rows % max(1, len(customer))
    return MailEvents(customer[who], issue[who], kind[rows].astype(np.int64), occurred[rows], sent[who])
