"""The customers of the sample company and every identifier that they own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_mining.sample.clock import Flags, Floats, Ints
from journey_mining.sample.effects import PlantedEffects

SLOTS = 4
"""Cookies that a customer may own: first device, second device, third device, first device after a reset."""
SHARED_INBOX = "support@example.com"
POISONED = ("test@test.com", "undefined", "null", "anonymous", "0000000000")
DESKTOP, MOBILE, TABLET = range(3)

FIRST_NAMES = (
    "Alrun", "Benko", "Ceska", "Dario", "Elvin", "Fenja", "Gesa", "Harro", "Ilvy", "Jorin", "Kaia",
    "Levko", "Mirea", "Nilo", "Orla", "Pavo", "Quirin", "Runa", "Selmo", "Tarja", "Ulvi", "Veda",
    "Wenko", "Xaver", "Yorik", "Zelda", "Amaro", "Brisa", "Corvin", "Delja", "Esko", "Finja", "Gorm",
    "Hedda", "Isko", "Jelka", "Kolja", "Linnea", "Marlo", "Noemi",
)  # fmt: skip
LAST_NAMES = (
    "Abendal", "Birkfeld", "Cornau", "Dornbach", "Elsgrund", "Farnholt", "Grauwald", "Hainmoor",
    "Immental", "Jorsted", "Kaltbrunn", "Lindrup", "Moosberg", "Nordhain", "Ostrand", "Pfeilau",
    "Quellmann", "Rabental", "Sandrup", "Tannhof", "Ulmsund", "Vogelau", "Wiesbrook", "Yberg",
    "Zellmoos", "Ahornby", "Brunnlow", "Distelow", "Erlgard", "Forstby", "Ginsterau", "Hopfby",
    "Ilmbrook", "Kornlow", "Laubby", "Mohnau", "Nebelow", "Rohrby", "Schilfau", "Wackby",
)  # fmt: skip
MAIL_DOMAINS = ("example.com", "example.org", "example.net")
GERMAN_PREFIXES = ("30 23125", "69 90009", "40 66969", "89 99998")
"""Number blocks that the German regulator keeps for fiction, three digits follow."""
AMERICAN_AREAS = tuple(code for code in range(201, 990) if code % 100 != 11)


@dataclass(frozen=True)
class People:
    """One block of customers, a column each; cookies are numbered customer * SLOTS + slot within the block."""

    number: Ints
    zone: Ints
    is_registered: Flags
    is_existing: Flags
    is_subscribed: Flags
    is_lead: Flags
    is_denied: Flags
    has_alias: Flags
    is_poisoned: Flags
    propensity: Floats
    first_day: Ints
    visit_count: Ints
    device: Ints
    device_count: Ints
    shares_device: Flags
    """The second person of a family device: slot 1 is the previous customer's slot 0."""

    def __len__(self) -> int:
        return len(self.number)

    @property
    def owns_shared_device(self) -> Flags:
        """The first person of each family device."""
        owners = np.zeros(len(self), dtype=np.bool_)
        owners[:-1] = self.shares_device[1:]
        return owners


def draw_people(
    rng: np.random.Generator, first: int, count: int, days: int, effects: PlantedEffects
) -> People:
    """Customers `first` .. `first + count - 1` with their habits."""
    number = np.arange(first, first + count, dtype=np.int64)
    shares = (number % effects.shared_device_every == effects.shared_device_every // 2) & (
        np.arange(count) > 0
    )
    near = shares | np.roll(shares, -1)
    is_registered = (rng.random(count) < 0.60) | near
    is_existing = is_registered & ((rng.random(count) < 0.45) | near)
    first_day = _draw_first_days(rng, is_existing, max(1, days - 5))
    visits = rng.lognormal(1.62, 0.85, count) * (0.4 + 0.6 * days / 120) * np.where(is_existing, 1.25, 1.0)
    is_lead = rng.random(count) < 0.08
    return People(
        number=number,
        zone=(rng.random(count) < 0.25).astype(np.int64),
        is_registered=is_registered,
        is_existing=is_existing,
        is_subscribed=is_registered & (rng.random(count) < 0.55),
        is_lead=is_lead,
        is_denied=~is_registered & (rng.random(count) < effects.denied_rate),
        has_alias=is_lead & is_registered & (rng.random(count) < effects.merge_rate),
        is_poisoned=rng.random(count) < effects.poisoned_rate,
        propensity=rng.lognormal(0.0, 0.5, count),
        first_day=first_day,
        visit_count=np.clip(visits, 1, 80).astype(np.int64) + shares * 3,
        device=rng.choice(3, size=(count, SLOTS), p=[0.48, 0.45, 0.07]).astype(np.int64),
        device_count=np.maximum(rng.choice([1, 2, 3], size=count, p=[0.62, 0.31, 0.07]), 1 + shares).astype(
            np.int64
        ),
        shares_device=shares,
    )


def _draw_first_days(rng: np.random.Generator, is_existing: Flags, span: int) -> Ints:
    """Existing customers come back in the first quarter, new ones come at any time."""
    early = rng.integers(0, max(1, span // 4), len(is_existing))
    return np.where(is_existing, early, rng.integers(0, span, len(is_existing)))


def scramble(number: int) -> int:
    """A number below 2**31 that no other number below 2**31 is mapped to (multiplication by an odd constant)."""
    return (number * 0x5BD1E995 + 0x3C6EF35F) & 0x7FFFFFFF


def user_id(number: int) -> str:
    """The shop's user id: GA4 user_id, HubSpot customer_id, Zendesk external_id."""
    return f"u_{scramble(number):08x}"


def true_customer(number: int) -> str:
    """The name of a customer in the truth files."""
    return f"T{number:08d}"


def full_name(number: int) -> tuple[str, str]:
    """First and last name."""
    mixed = scramble(number)
    return FIRST_NAMES[mixed % len(FIRST_NAMES)], LAST_NAMES[mixed // 64 % len(LAST_NAMES)]


def email(number: int) -> str:
    """The customer's e-mail address, unique."""
    first, last = full_name(number)
    return f"{first}.{last}.{number}@{MAIL_DOMAINS[number % 3]}".lower()


def alias_email(number: int) -> str:
    """A second address of customers whose contacts were merged."""
    first, last = full_name(number)
    return f"{last}.{first[0]}{number}@{MAIL_DOMAINS[(number + 1) % 3]}".lower()


def written_email(number: int) -> str:
    """The address as support has it: some people write it in capitals."""
    return email(number).upper() if number % 11 == 0 else email(number)


def phone(number: int, zone: int) -> str | None:
    """A phone number of a block kept for fiction, spaced, or None; no two customers have the same."""
    index = number // 3
    if number % 3:
        return None
    if zone == 0:
        prefix = index // 1000
        return f"+49 {GERMAN_PREFIXES[prefix]} {index % 1000:03d}" if prefix < len(GERMAN_PREFIXES) else None
    area = index // 100
    return f"+1 {AMERICAN_AREAS[area]}-555-01{index % 100:02d}" if area < len(AMERICAN_AREAS) else None


def dense_phone(number: int, zone: int) -> str | None:
    """The same phone number as support has it, without spaces."""
    spaced = phone(number, zone)
    return spaced.replace(" ", "").replace("-", "") if spaced else None


def contact_id(number: int, is_duplicate: bool = False) -> int:
    """HubSpot's vid of the contact, or of the duplicate that was merged into it."""
    return 100_001 + number * 2 + is_duplicate


def requester_id(number: int) -> int:
    """Zendesk's id of the user."""
    return 360_000_000_000 + scramble(number)


def cookie(cookie_number: int, first_seconds: int) -> str:
    """GA4's user_pseudo_id: a random-looking number and the time of the first visit, unique."""
    return f"{scramble(cookie_number)}.{first_seconds}"
