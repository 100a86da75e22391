"""What comes of each visit: cart, checkout, error, purchase, login, lead; and the support tickets that interact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_mining.sample.arrays import count_before, minimum_by_group, rank_in_group
from journey_mining.sample.clock import DAY, HOUR, SECOND, Calendar, Flags, Floats, Ints
from journey_mining.sample.effects import PlantedEffects
from journey_mining.sample.people import MOBILE, SLOTS, People
from journey_mining.sample.visits import PAID_SOCIAL, Visits, is_assisted

CHANNEL_FACTORS = np.array([1.0, 1.2, 0.4, 1.25, 1.05, 1.35, 0.85])
TICKET_CHANNELS = ("web", "email", "chat", "voice")
NOT_RATED, OFFERED, GOOD, BAD = range(4)


@dataclass(frozen=True)
class Outcomes:
    """One row per visit."""

    has_cart: Flags
    has_checkout: Flags
    has_error: Flags
    is_purchase: Flags
    is_mobile: Flags
    after_slow: Flags
    is_assisted: Flags
    earlier_purchases: Ints
    is_remembered: Flags
    is_login: Flags
    is_checkout_login: Flags
    is_lead: Flags
    has_review: Flags
    has_referral: Flags
    value: Floats


@dataclass(frozen=True)
class Tickets:
    """One row per support ticket; times in UTC microseconds, whole seconds; 0 where it has not happened."""

    customer: Ints
    created_us: Ints
    channel: Ints
    is_slow: Flags
    is_inbox: Flags
    is_order: Flags
    replied_us: Ints
    answered_us: Ints
    solved_us: Ints
    closed_us: Ints
    rating: Ints
    rated_us: Ints

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: Ints) -> Tickets:
        """The tickets of `rows`."""
        return Tickets(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True)
class _Draws:
    cart: Floats
    checkout: Floats
    error: Floats
    completion: Floats


def draw_outcomes(
    rng: np.random.Generator, people: People, visits: Visits, calendar: Calendar, effects: PlantedEffects
) -> tuple[Outcomes, Tickets]:
    """The outcome of each visit, and the support tickets.

    Two passes: first purchases decide the tickets, slow tickets then lower the later checkouts.
    """
    draws = _Draws(*(rng.random(len(visits)) for _ in range(4)))
    none = np.zeros(len(visits), dtype=np.bool_)
    purchased = _decide_visits(people, visits, draws, none, effects)[3]
    tickets = _draw_tickets(rng, people, visits, purchased, calendar, effects)
    slow_from = minimum_by_group(
        tickets.customer[tickets.is_slow],
        tickets.created_us[tickets.is_slow] + 48 * HOUR,
        len(people),
        calendar.end_us,
    )
    after_slow = visits.start_us > slow_from[visits.customer]
    decided = _decide_visits(people, visits, draws, after_slow, effects)
    return _complete(rng, people, visits, decided, after_slow, effects), tickets


def _decide_visits(
    people: People, visits: Visits, draws: _Draws, after_slow: Flags, effects: PlantedEffects
) -> tuple[Flags, Flags, Flags, Flags]:
    """Per visit: cart, checkout, error and purchase."""
    assisted = is_assisted(visits)
    chance = effects.cart_rate * people.propensity[visits.customer] * CHANNEL_FACTORS[visits.channel]
    chance *= np.where(assisted, effects.assist_factor, 1.0) * (
        0.8 + 0.15 * np.minimum(visit_rank(visits), 4)
    )
    has_cart = draws.cart < np.minimum(chance, 0.85)
    checkout_rate = effects.checkout_rate * np.where(after_slow, effects.slow_checkout_factor, 1.0)
    has_checkout = has_cart & (draws.checkout < checkout_rate) & (visits.channel != PAID_SOCIAL)
    error_rate = np.where(
        device_of(people, visits) == MOBILE,
        effects.payment_error_rate_mobile,
        effects.payment_error_rate_other,
    )
    has_error = has_checkout & (draws.error < error_rate)
    completion = np.where(has_error, effects.completion_rate_after_error, effects.completion_rate)
    return has_cart, has_checkout, has_error, has_checkout & (draws.completion < completion)


def visit_rank(visits: Visits) -> Ints:
    """0-based number of the visit in its journey."""
    return rank_in_group(visits.journey)


def device_of(people: People, visits: Visits) -> Ints:
    """The device category of each visit."""
    return people.device.ravel()[visits.cookie]


def _complete(
    rng: np.random.Generator,
    people: People,
    visits: Visits,
    decided: tuple[Flags, Flags, Flags, Flags],
    after_slow: Flags,
    effects: PlantedEffects,
) -> Outcomes:
    has_cart, has_checkout, has_error, is_purchase = decided
    earlier = count_before(is_purchase, visits.customer)
    remembered, login, checkout_login = _draw_logins(rng, people, visits, has_checkout)
    happy = (earlier > 0) & ~after_slow
    size = len(visits)
    return Outcomes(
        has_cart=has_cart,
        has_checkout=has_checkout,
        has_error=has_error,
        is_purchase=is_purchase,
        is_mobile=device_of(people, visits) == MOBILE,
        after_slow=after_slow,
        is_assisted=is_assisted(visits),
        earlier_purchases=earlier,
        is_remembered=remembered,
        is_login=login,
        is_checkout_login=checkout_login,
        is_lead=_choose_leads(people, visits),
        has_review=happy & (rng.random(size) < effects.review_rate),
        has_referral=happy & (rng.random(size) < effects.refer_rate),
        value=np.round(rng.lognormal(3.9, 0.6, size), 2),
    )


def _choose_leads(people: People, visits: Visits) -> Flags:
    at = people.number[visits.customer] % 2
    chosen: Flags = people.is_lead[visits.customer] & (rank_in_group(visits.customer) == at)
    return chosen


def _draw_logins(
    rng: np.random.Generator, people: People, visits: Visits, has_checkout: Flags
) -> tuple[Flags, Flags, Flags]:
    """Per visit: still logged in from before, logs in while browsing, logs in at the checkout."""
    signed_up = count_before(visits.is_sign_up, visits.customer) > 0
    has_account = people.is_existing[visits.customer] | signed_up
    shared = people.shares_device[visits.customer] & (visits.cookie // SLOTS != visits.customer)
    on_family = shared | (people.owns_shared_device[visits.customer] & (visits.cookie % SLOTS == 0))
    login = has_account & (rng.random(len(visits)) < np.where(on_family, 0.9, 0.35))
    checkout_login = has_account & has_checkout & ~login & (rng.random(len(visits)) < 0.85)
    first_login = minimum_by_group(
        visits.cookie[login | checkout_login | visits.is_sign_up],
        visits.start_us[login | checkout_login | visits.is_sign_up],
        len(people) * SLOTS,
        np.iinfo(np.int64).max,
    )
    known = has_account & (visits.start_us > first_login[visits.cookie]) & ~on_family
    remembered = known & (rng.random(len(visits)) < 0.6)
    return remembered, login & ~remembered, checkout_login & ~remembered


def _draw_tickets(
    rng: np.random.Generator,
    people: People,
    visits: Visits,
    purchased: Flags,
    calendar: Calendar,
    effects: PlantedEffects,
) -> Tickets:
    size = len(visits)
    first_purchase = purchased & (count_before(purchased, visits.customer) == 0)
    is_order = first_purchase & (rng.random(size) < effects.ticket_rate_after_purchase)
    is_question = ~purchased & (rng.random(size) < effects.question_rate)
    delay = np.where(
        is_order, rng.gamma(2.0, 1.2, size) * DAY + DAY // 2, rng.integers(HOUR // 2, HOUR, size)
    )
    created = visits.start_us + delay.astype(np.int64)
    rows = np.flatnonzero((is_order | is_question) & (created < calendar.end_us - HOUR))
    inbox = _choose_inbox_visits(people, visits, visits.customer[rows], effects.shared_inbox_size)
    inbox = inbox[visits.start_us[inbox] + HOUR < calendar.end_us - HOUR]
    rows_us = np.concatenate([created[rows], visits.start_us[inbox] + HOUR])
    is_inbox = np.arange(len(rows_us)) >= len(rows)
    rows = np.concatenate([rows, inbox])
    return _follow_tickets(rng, visits.customer[rows], rows_us, is_order[rows], is_inbox, calendar, effects)


def _choose_inbox_visits(people: People, visits: Visits, taken: Ints, size: int) -> Ints:
    """The last visit of the first `size` customers with an account and no ticket of their own."""
    free = people.is_registered.copy()
    free[taken] = False
    last = np.ones(len(visits), dtype=np.bool_)
    last[:-1] = visits.customer[1:] != visits.customer[:-1]
    return np.flatnonzero(last & free[visits.customer])[:size]


def _follow_tickets(
    rng: np.random.Generator,
    customer: Ints,
    created: Ints,
    is_order: Flags,
    is_inbox: Flags,
    calendar: Calendar,
    effects: PlantedEffects,
) -> Tickets:
    size = len(customer)
    is_slow = rng.random(size) < effects.slow_rate
    wait = np.where(
        is_slow, rng.uniform(*effects.slow_wait_hours, size), rng.uniform(*effects.fast_wait_hours, size)
    )
    replied = created + (wait * HOUR).astype(np.int64)
    answered = np.where(rng.random(size) < 0.5, replied + rng.integers(HOUR, 20 * HOUR, size), 0)
    solved = np.maximum(replied, answered) + rng.integers(HOUR // 4, 30 * HOUR, size)
    closed = np.where(rng.random(size) < 0.5, solved + 96 * HOUR, 0)
    limit = calendar.end_us
    rating, rated = _draw_ratings(rng, is_slow, solved, limit, effects)
    tickets = Tickets(
        customer=customer,
        created_us=_whole_seconds(created, limit),
        channel=rng.choice(4, size, p=[0.35, 0.3, 0.2, 0.15]).astype(np.int64),
        is_slow=is_slow,
        is_inbox=is_inbox,
        is_order=is_order,
        replied_us=_whole_seconds(replied, limit),
        answered_us=_whole_seconds(answered, limit),
        solved_us=_whole_seconds(solved, limit),
        closed_us=_whole_seconds(closed, limit),
        rating=rating,
        rated_us=_whole_seconds(rated, limit),
    )
    return tickets.take(np.lexsort((customer, created)))


def _draw_ratings(
    rng: np.random.Generator, is_slow: Flags, solved: Ints, limit: int, effects: PlantedEffects
) -> tuple[Ints, Ints]:
    """The rating of each ticket that was solved before the limit, and when it was given."""
    good_rate = np.where(is_slow, effects.good_rating_rate_slow, effects.good_rating_rate_fast)
    verdict = np.where(rng.random(len(solved)) < good_rate, GOOD, BAD)
    rating = np.where(rng.random(len(solved)) < effects.rating_rate, verdict, OFFERED)
    rated = solved + rng.integers(HOUR, 40 * HOUR, len(solved))
    return np.where(solved < limit, np.where(rated < limit, rating, OFFERED), NOT_RATED), rated


def _whole_seconds(moments: Ints, limit: int) -> Ints:
    return np.where(moments < limit, moments // SECOND * SECOND, 0)
