"""Business enquiries: the form that a lead sends, and the deal that sales makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_mining.sample.catalog import EVENT
from journey_mining.sample.clock import DAY, HOUR, Calendar, Flags, Floats, Ints
from journey_mining.sample.people import People
from journey_mining.sample.visits import Visits
from journey_mining.sample.web_events import WebEvents

DEAL_STAGES = ("appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon", "closedlost")
CLOSED_WON, CLOSED_LOST = 3, 4
SIGN_UP_FORM, ENQUIRY_FORM = range(2)
FORM_NAMES = ("Account and newsletter", "Business enquiry")


@dataclass(frozen=True)
class Forms:
    """One row per form submission; times in UTC microseconds, whole milliseconds."""

    customer: Ints
    submitted_us: Ints
    form: Ints
    visit: Ints
    is_alias: Flags

    def __len__(self) -> int:
        return len(self.customer)


@dataclass(frozen=True)
class Deals:
    """One row per deal; `moved_us` has a column per step (three open stages and the close), 0 if not reached."""

    customer: Ints
    moved_us: Ints
    is_won: Flags
    amount: Floats

    def __len__(self) -> int:
        return len(self.customer)


def read_forms(people: People, visits: Visits, events: WebEvents) -> Forms:
    """The form submissions behind the sign-up and enquiry events, half a second later."""
    rows = np.flatnonzero((events.event == EVENT["sign_up"]) | (events.event == EVENT["generate_lead"]))
    customer = visits.customer[events.visit[rows]]
    form = np.where(events.event[rows] == EVENT["sign_up"], SIGN_UP_FORM, ENQUIRY_FORM)
    submitted = events.occurred_us[rows] // 1000 * 1000 + 500_000
    is_alias = (form == ENQUIRY_FORM) & people.has_alias[customer]
    order = np.lexsort((customer, submitted))
    rows = rows[order]
    return Forms(customer[order], submitted[order], form[order], events.visit[rows], is_alias[order])


def draw_deals(rng: np.random.Generator, forms: Forms, calendar: Calendar) -> Deals:
    """Deals of six in ten enquiries; two in five are won."""
    rows = np.flatnonzero((forms.form == ENQUIRY_FORM) & (rng.random(len(forms)) < 0.6))
    size = len(rows)
    steps = [rng.integers(HOUR, DAY, size), *(rng.integers(DAY, 8 * DAY, size) for _ in range(3))]
    moved = forms.submitted_us[rows][:, None] + np.cumsum(np.stack(steps, axis=1), axis=1)
    moved = np.where(moved < calendar.end_us, moved // 1000 * 1000, 0)
    amount = np.round(rng.lognormal(6.5, 0.6, size), 2)
    begun = moved[:, 0] > 0
    return Deals(forms.customer[rows][begun], moved[begun], (rng.random(size) < 0.4)[begun], amount[begun])
