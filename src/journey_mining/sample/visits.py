"""When the customers visit the shop, on which device, and through which channel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from journey_mining.sample.arrays import (
    count_before,
    first_of_group,
    last_flagged_before,
    minimum_by_group,
    ranges,
    rank_in_group,
)
from journey_mining.sample.clock import DAY, HOUR, MINUTE, SECOND, Calendar, Flags, Ints
from journey_mining.sample.people import SLOTS, People

CHANNELS = ("organic", "paid_search", "paid_social", "email", "affiliate", "direct", "referral")
ORGANIC, PAID_SEARCH, PAID_SOCIAL, EMAIL, AFFILIATE, DIRECT, REFERRAL = range(7)
FIRST_VISIT_SHARES = (0.30, 0.22, 0.20, 0.0, 0.07, 0.12, 0.09)
LATER_VISIT_SHARES = (0.27, 0.15, 0.06, 0.0, 0.08, 0.39, 0.05)
WEEKDAY_WEIGHTS = np.array([1.0, 0.95, 0.93, 0.97, 0.88, 0.70, 0.82])
"""Monday to Sunday: the share of planned visits that take place."""
HOUR_WEIGHTS = np.array(
    [2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 11, 12, 10, 9, 9, 10, 12, 15, 18, 20, 17, 10, 5], dtype=float
)
LATE_HOUR_WEIGHTS = np.roll(HOUR_WEIGHTS, 2)
"""Weekends start two hours later."""
SHORT_GAP_DAYS = 1.7
LONG_GAP_SHARE = 0.13


@dataclass(frozen=True)
class Visits:
    """Web visits sorted by customer and start, a column each."""

    customer: Ints
    start_us: Ints
    cookie: Ints
    channel: Ints
    campaign: Ints
    is_sign_up: Flags

    def __len__(self) -> int:
        return len(self.customer)

    @property
    def journey(self) -> Ints:
        """A number that grows with each visit that comes more than 30 days after the customer's previous one."""
        gap = np.diff(self.start_us, prepend=self.start_us[:1])
        return np.cumsum(first_of_group(self.customer) | (gap > 30 * DAY)).astype(np.int64)

    def take(self, rows: Ints | Flags) -> Visits:
        """The visits of `rows`."""
        return Visits(**{name: column[rows] for name, column in vars(self).items()})


def draw_visits(rng: np.random.Generator, people: People, calendar: Calendar) -> Visits:
    """The visits that start on the customers' own account (newsletter clicks come later)."""
    customer, start_us = _draw_starts(rng, people, calendar)
    order = np.lexsort((start_us, customer))
    customer, start_us = customer[order], start_us[order]
    gap = np.diff(start_us, prepend=start_us[:1])
    kept = first_of_group(customer) | (gap > 3 * HOUR)
    customer, start_us = customer[kept], start_us[kept]
    zeros = np.zeros(len(customer), dtype=np.int64)
    visits = Visits(customer, start_us, zeros, zeros, zeros, zeros > 0)
    visits = replace(visits, cookie=_draw_cookies(rng, people, visits), channel=_draw_channels(rng, visits))
    return replace(visits, is_sign_up=_choose_sign_ups(rng, people, visits))


def _draw_starts(rng: np.random.Generator, people: People, calendar: Calendar) -> tuple[Ints, Ints]:
    customer = np.repeat(np.arange(len(people)), people.visit_count)
    rank = ranges(people.visit_count)
    gap_days = rng.lognormal(0.0, 1.1, len(customer)) * SHORT_GAP_DAYS
    is_long = rng.random(len(customer)) < LONG_GAP_SHARE
    gap_days = np.where(is_long, 31.0 + rng.gamma(2.0, 5.0, len(customer)), gap_days)
    offset = np.cumsum(np.where(rank == 0, 0.0, gap_days))
    day = (people.first_day[customer] + offset - offset[np.arange(len(customer)) - rank]).astype(np.int64)
    weekday = day % 7
    accepted = (rng.random(len(customer)) < WEEKDAY_WEIGHTS[weekday]) & (day < calendar.days)
    customer, day, weekday = customer[accepted], day[accepted], weekday[accepted]
    hour = _draw_hours(rng, weekday)
    start = calendar.local_to_utc(people.zone[customer], day, hour) + rng.integers(0, HOUR, len(customer))
    inside = (start >= calendar.first_us) & (start < calendar.end_us - HOUR)
    return customer[inside].astype(np.int64), start[inside]


def _draw_hours(rng: np.random.Generator, weekday: Ints) -> Ints:
    draws = rng.random(len(weekday))
    early, late = (np.cumsum(weights) / weights.sum() for weights in (HOUR_WEIGHTS, LATE_HOUR_WEIGHTS))
    hours = np.where(weekday < 5, np.searchsorted(early, draws), np.searchsorted(late, draws))
    return np.minimum(hours, 23).astype(np.int64)


def _draw_cookies(rng: np.random.Generator, people: People, visits: Visits) -> Ints:
    """Most visits are on the first device; one customer in eight clears its cookies in mid-period."""
    draws = rng.random(len(visits))
    count = people.device_count[visits.customer]
    slot = np.where((draws > 0.62) & (count > 1), 1, 0) + np.where((draws > 0.88) & (count > 2), 1, 0)
    is_shared = people.shares_device[visits.customer]
    protected = people.shares_device | people.owns_shared_device
    resets_at = np.where((rng.random(len(people)) < 0.125) & ~protected, rng.integers(2, 8, len(people)), 99)
    has_reset = (rank_in_group(visits.customer) >= resets_at[visits.customer]) & (slot == 0)
    slot = np.where(has_reset, SLOTS - 1, slot)
    own = visits.customer * SLOTS + slot
    return np.where(is_shared & (slot == 1), (visits.customer - 1) * SLOTS, own).astype(np.int64)


def _draw_channels(rng: np.random.Generator, visits: Visits) -> Ints:
    draws = rng.random(len(visits))
    first = np.searchsorted(np.cumsum(FIRST_VISIT_SHARES), draws)
    later = np.searchsorted(np.cumsum(LATER_VISIT_SHARES), draws)
    channel = np.where(rank_in_group(visits.journey) == 0, first, later)
    return np.minimum(channel, REFERRAL).astype(np.int64)


def _choose_sign_ups(rng: np.random.Generator, people: People, visits: Visits) -> Flags:
    """The visit in which a new customer opens the account: the first, second or third one."""
    at = rng.choice(3, size=len(people), p=[0.45, 0.35, 0.20])
    is_new = people.is_registered & ~people.is_existing
    chosen: Flags = is_new[visits.customer] & (rank_in_group(visits.customer) == at[visits.customer])
    return chosen


def contact_times(rng: np.random.Generator, people: People, visits: Visits, calendar: Calendar) -> Ints:
    """When each customer's account was opened, UTC microseconds; the end of the sample where it was not."""
    never = calendar.end_us
    rows = visits.is_sign_up
    opened = minimum_by_group(visits.customer[rows], visits.start_us[rows] + 8 * MINUTE, len(people), never)
    before = calendar.first_us - rng.integers(20 * DAY, 400 * DAY, len(people))
    return np.where(people.is_existing, before, opened).astype(np.int64)


def add_click_visits(visits: Visits, customer: Ints, start_us: Ints, campaign: Ints) -> Visits:
    """The visits with those that newsletter clicks open, on the customer's first device."""
    count = len(customer)
    clicks = Visits(
        customer, start_us, customer * SLOTS, np.full(count, EMAIL), campaign, np.zeros(count, dtype=np.bool_)
    )
    columns = zip(vars(visits).values(), vars(clicks).values(), strict=True)
    both = Visits(*(np.concatenate(pair) for pair in columns))
    return both.take(np.lexsort((both.start_us, both.customer)))


def is_free(visits: Visits, customer: Ints, moments_us: Ints) -> Flags:
    """Whether no visit of the customer starts within three hours of each moment."""
    span = np.int64(1) << 50
    keys = visits.customer * span + (visits.start_us - visits.start_us.min() + DAY)
    wanted = customer * span + (moments_us - visits.start_us.min() + DAY)
    after = np.searchsorted(keys, wanted)
    padded: NDArray[np.int64] = np.concatenate([[-span], keys, [np.iinfo(np.int64).max]])
    free: Flags = (wanted - padded[after] > 3 * HOUR) & (padded[after + 1] - wanted > 3 * HOUR)
    return free


def settle_channels(visits: Visits) -> Visits:
    """The visits without direct ones right after paid_social: those people search for the shop's name instead.

    So the last channel other than direct before a purchase is never paid_social.
    """
    journey = visits.journey
    last = last_flagged_before(visits.channel != DIRECT, journey)
    follows_social = (last >= 0) & (visits.channel[np.maximum(last, 0)] == PAID_SOCIAL)
    channel = np.where((visits.channel == DIRECT) & follows_social, ORGANIC, visits.channel)
    campaign = np.where(channel == EMAIL, visits.campaign, (visits.start_us // DAY) % 3)
    return replace(visits, channel=channel, campaign=campaign)


def is_assisted(visits: Visits) -> Flags:
    """Whether a paid_social visit came earlier in the same journey."""
    return count_before(visits.channel == PAID_SOCIAL, visits.journey) > 0


def click_delay_us(rng: np.random.Generator, count: int) -> Ints:
    """Time from a newsletter click to the visit that it opens: 2 to 20 seconds."""
    return rng.integers(2 * SECOND, 20 * SECOND, count)
