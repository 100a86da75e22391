"""What is planted in the sample company: every rate and effect size, in one frozen model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PlantedEffects(BaseModel):
    """The planted parameters; rates are probabilities, times are in the unit that the name ends with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cart_rate: float = 0.18
    """Chance that a visit by an average customer reaches the cart, before the channel's factor."""
    checkout_rate: float = 0.66
    """Chance that a visit with a cart starts the checkout."""
    payment_error_rate_mobile: float = 0.35
    """Chance of `checkout_error` after the payment details on a mobile device."""
    payment_error_rate_other: float = 0.04
    """The same on desktop and tablet."""
    completion_rate: float = 0.84
    """Chance that a started checkout without an error ends in a purchase."""
    completion_rate_after_error: float = 0.18
    """The same after a `checkout_error`."""
    assist_factor: float = 2.2
    """Factor on the cart rate of visits that follow a paid_social visit in the same journey."""
    ticket_rate_after_purchase: float = 0.30
    """Chance that a customer's first purchase leads to a support ticket."""
    question_rate: float = 0.015
    """Chance that a visit without a purchase leads to a question to support."""
    slow_rate: float = 0.35
    """Share of tickets whose first agent reply takes longer than 48 hours."""
    slow_checkout_factor: float = 0.30
    """Factor on the checkout rate of a customer's visits once a ticket has waited longer than 48 hours."""
    slow_wait_hours: tuple[float, float] = (50.0, 110.0)
    """First reply of slow tickets: uniform between these, hours."""
    fast_wait_hours: tuple[float, float] = (0.3, 20.0)
    """First reply of the other tickets: uniform between these, hours."""
    good_rating_rate_fast: float = 0.86
    """Share of 'good' among the ratings of tickets that were answered in time."""
    good_rating_rate_slow: float = 0.30
    """Share of 'good' among the ratings of slow tickets."""
    rating_rate: float = 0.45
    """Share of solved tickets that are rated; the others stay 'offered'."""
    nps_response_rate: float = 0.30
    """Share of first purchases that lead to an NPS answer."""
    ces_response_rate: float = 0.40
    """Share of solved tickets that lead to a CES answer."""
    review_rate: float = 0.12
    """Chance of a review in a visit after a purchase, unless a slow ticket came before."""
    refer_rate: float = 0.05
    """Chance of a referral in such a visit."""
    open_rate: float = 0.45
    """Share of delivered newsletters that are opened."""
    click_rate: float = 0.30
    """Share of opened newsletters that are clicked; each click opens a web visit."""
    duplicate_rate: float = 0.003
    """Share of web lines that are delivered twice, byte for byte."""
    late_rate: float = 0.005
    """Share of web lines that stand in the file of one to three days later."""
    broken_rate: float = 0.0001
    """Added broken web lines of each kind, as a share of the lines; at least two of each kind a block."""
    denied_rate: float = 0.10
    """Share of customers without an account who deny consent: their web events carry no identifier."""
    shared_device_every: int = 100
    """One family device in this many customers: two people log in on it."""
    shared_inbox_size: int = 24
    """Support users who write from the one shared inbox, in each block."""
    forwarded_answers: int = 6
    """NPS answers, in each block, that name the shared inbox as their recipient."""
    poisoned_rate: float = 0.01
    """Share of contacts and anonymous visits that carry a placeholder instead of an identifier."""
    merge_rate: float = 0.35
    """Share of leads with an account who used another address, and whose two contacts were merged later."""
