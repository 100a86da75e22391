"""Answers to the two surveys: recommendation (NPS, 0 to 10) and effort (CES, 1 to 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_mining.sample.arrays import count_before, minimum_by_group
from journey_mining.sample.clock import DAY, HOUR, SECOND, Calendar, Flags, Ints
from journey_mining.sample.effects import PlantedEffects
from journey_mining.sample.outcomes import Outcomes, Tickets
from journey_mining.sample.visits import Visits

NPS_HAPPY = (0.01, 0.005, 0.005, 0.01, 0.01, 0.03, 0.05, 0.10, 0.20, 0.28, 0.30)
NPS_AFTER_ERROR = (0.03, 0.02, 0.03, 0.04, 0.06, 0.10, 0.14, 0.18, 0.18, 0.12, 0.10)
NPS_AFTER_SLOW = (0.12, 0.06, 0.08, 0.10, 0.10, 0.14, 0.14, 0.11, 0.08, 0.04, 0.03)
CES_FAST = (0.02, 0.03, 0.05, 0.10, 0.20, 0.30, 0.30)
CES_SLOW = (0.20, 0.22, 0.20, 0.15, 0.12, 0.07, 0.04)
"""1 to 7, 7 is easiest."""


@dataclass(frozen=True)
class Answers:
    """One row per survey response, sorted by time; score -1 where the response was not finished."""

    customer: Ints
    answered_us: Ints
    score: Ints
    is_forwarded: Flags
    """True where the shared inbox is the recipient."""

    def __len__(self) -> int:
        return len(self.customer)


def draw_nps(
    rng: np.random.Generator,
    visits: Visits,
    outcomes: Outcomes,
    tickets: Tickets,
    size: int,
    calendar: Calendar,
    effects: PlantedEffects,
) -> Answers:
    """Answers three to ten days after a first purchase; a slow ticket or a checkout error lowers them."""
    first = outcomes.is_purchase & (count_before(outcomes.is_purchase, visits.customer) == 0)
    rows = np.flatnonzero(first & (rng.random(len(visits)) < effects.nps_response_rate))
    customer = visits.customer[rows]
    answered = _seconds(visits.start_us[rows] + rng.integers(3 * DAY, 10 * DAY, len(rows)))
    slow_us = minimum_by_group(
        tickets.customer[tickets.is_slow], tickets.created_us[tickets.is_slow], size, calendar.end_us
    )
    is_slow = answered > slow_us[customer]
    weights = np.array([NPS_HAPPY, NPS_AFTER_ERROR, NPS_AFTER_SLOW])
    mood = np.where(is_slow, 2, outcomes.has_error[rows].astype(np.int64))
    score = _draw_scores(rng, weights[mood])
    return _finish(rng, customer, answered, score, calendar)


def draw_ces(
    rng: np.random.Generator, tickets: Tickets, calendar: Calendar, effects: PlantedEffects
) -> Answers:
    """Answers within a day after a ticket was solved; those of slow tickets are lower."""
    solved = (tickets.solved_us > 0) & ~tickets.is_inbox
    rows = np.flatnonzero(solved & (rng.random(len(tickets)) < effects.ces_response_rate))
    answered = _seconds(tickets.solved_us[rows] + rng.integers(HOUR, DAY, len(rows)))
    weights = np.array([CES_FAST, CES_SLOW])
    score = _draw_scores(rng, weights[tickets.is_slow[rows].astype(np.int64)]) + 1
    return _finish(rng, tickets.customer[rows], answered, score, calendar)


def forwarded_answers(rng: np.random.Generator, tickets: Tickets, size: int, calendar: Calendar) -> Answers:
    """NPS answers of the people behind the shared inbox: its address is the recipient of `size` of them."""
    rows = np.flatnonzero(tickets.is_inbox)[:size]
    answered = _seconds(tickets.created_us[rows] + rng.integers(HOUR, 10 * HOUR, len(rows)))
    score = _draw_scores(rng, np.array([NPS_HAPPY])[np.zeros(len(rows), dtype=np.int64)])
    answers = _finish(rng, tickets.customer[rows], answered, score, calendar)
    return Answers(
        answers.customer, answers.answered_us, answers.score, np.ones(len(answers), dtype=np.bool_)
    )


def join_answers(first: Answers, second: Answers) -> Answers:
    """Both, sorted by time."""
    columns = [np.concatenate(pair) for pair in zip(vars(first).values(), vars(second).values(), strict=True)]
    order = np.lexsort((columns[0], columns[1]))
    return Answers(*(column[order] for column in columns))


def _seconds(moments: Ints) -> Ints:
    return moments // SECOND * SECOND


def _draw_scores(rng: np.random.Generator, weights: np.ndarray) -> Ints:
    """One 0-based score per row of weights."""
    running = np.cumsum(weights, axis=1)
    scores: Ints = (rng.random(len(weights))[:, None] > running).sum(axis=1)
    bounded: Ints = np.minimum(scores, weights.shape[1] - 1)
    return bounded


def _finish(
    rng: np.random.Generator, customer: Ints, answered: Ints, score: Ints, calendar: Calendar
) -> Answers:
    """The answers inside the sample; one in twenty was left unfinished, without a score."""
    score = np.where(rng.random(len(score)) < 0.05, -1, score)
    inside = np.flatnonzero(answered < calendar.end_us)
    inside = inside[np.lexsort((customer[inside], answered[inside]))]
    return Answers(customer[inside], answered[inside], score[inside], np.zeros(len(inside), dtype=np.bool_))
