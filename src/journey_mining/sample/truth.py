"""What the generator knows: who owns which identifier, each customer's contacts, sessions and journeys."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from journey_mining.sample.arrays import first_of_group
from journey_mining.sample.catalog import NO_TOUCHPOINT, TOUCHPOINT, TOUCHPOINTS
from journey_mining.sample.clock import DAY, MINUTE, Flags, Ints
from journey_mining.sample.people import true_customer

EXPIRY_US = 30 * DAY
INACTIVITY_US = 30 * MINUTE
WEB, CRM, SUPPORT, SURVEY = range(4)
SOURCES = ("web", "crm", "support", "survey")
IDENTIFIER_COLUMNS = ("identifier_type", "identifier", "true_customer", "linked_group", "status")
JOURNEY_COLUMNS = (
    "true_customer", "journey_number", "started_at", "ended_at", "last_activity_at", "converted", "step_count",
    "is_fully_linked", "touchpoints",
)  # fmt: skip
SESSION_COLUMNS = (
    "true_customer",
    "session_number",
    "started_at",
    "ended_at",
    "event_count",
    "sources",
    "is_fully_linked",
)


@dataclass(frozen=True)
class Contacts:
    """One row per contact (no background events), sorted by customer, time and source."""

    customer: Ints
    occurred_us: Ints
    touchpoint: Ints
    by_customer: Flags
    source: Ints

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: Ints | Flags) -> Contacts:
        """The contacts of `rows`."""
        return Contacts(*(column[rows] for column in vars(self).values()))


def contacts_of(
    customer: Ints, occurred_us: Ints, touchpoint: Ints | int, by_customer: bool, source: int
) -> Contacts:
    """Contacts of one source; rows without a touchpoint or a time are left out."""
    codes = np.broadcast_to(np.asarray(touchpoint, dtype=np.int64), customer.shape)
    rows = np.flatnonzero((occurred_us > 0) & (codes != NO_TOUCHPOINT))
    size = len(rows)
    flags, sources = np.full(size, by_customer), np.full(size, source, dtype=np.int64)
    return Contacts(customer[rows], occurred_us[rows], codes[rows].astype(np.int64), flags, sources)


def sort_contacts(parts: Iterable[Contacts]) -> Contacts:
    """All contacts in the order of a customer's life; equal times keep web, crm, support, survey."""
    columns = [
        np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)
    ]
    joined = Contacts(*columns)
    return joined.take(
        np.lexsort((np.arange(len(joined)), joined.source, joined.occurred_us, joined.customer))
    )


def iso_micros(moments_us: Ints) -> list[str]:
    """UTC times with microseconds, 2026-03-05T10:11:12.345678Z."""
    return [text + "Z" for text in np.datetime_as_string(moments_us.astype("datetime64[us]")).tolist()]


def number_runs(contacts: Contacts, limit_us: int) -> Ints:
    """A number per contact that grows where the customer's own activity paused longer than the limit.

    Contacts by the company belong to the run before them.
    """
    new = first_of_group(contacts.customer)
    own = np.flatnonzero(contacts.by_customer)
    pause = np.diff(contacts.occurred_us[own], prepend=0) > limit_us
    same = (
        np.concatenate([[False], contacts.customer[own][1:] == contacts.customer[own][:-1]])
        if len(own)
        else pause
    )
    new[own] |= pause & same
    return np.cumsum(new).astype(np.int64)


def journey_rows(contacts: Contacts, numbers: Ints, is_linked: Flags) -> list[list[object]]:
    """The rows of journeys.csv; consecutive repeats of a touchpoint are one step."""
    if not len(contacts):
        return []
    run = number_runs(contacts, EXPIRY_US)
    starts = np.flatnonzero(first_of_group(run))
    ends = np.append(starts[1:], len(run))
    is_step = first_of_group(run * len(TOUCHPOINTS) + contacts.touchpoint)
    steps = contacts.touchpoint[is_step]
    step_ends = np.cumsum(is_step)[ends - 1].tolist()
    converted = np.add.reduceat(contacts.touchpoint == TOUCHPOINT["purchase"], starts) > 0
    active = np.maximum.reduceat(np.where(contacts.by_customer, contacts.occurred_us, 0), starts)
    names = [TOUCHPOINTS[code] for code in steps.tolist()]
    customers = contacts.customer[starts]
    rows: list[list[object]] = []
    columns = (
        customers.tolist(), iso_micros(contacts.occurred_us[starts]), iso_micros(contacts.occurred_us[ends - 1]),
        iso_micros(active), converted.tolist(), is_linked[customers].tolist(), step_ends,
    )  # fmt: skip
    previous, number, begin = -1, 0, 0
    for customer, started, ended, last, won, linked, end in zip(*columns, strict=True):
        number = number + 1 if customer == previous else 1
        path = " > ".join(names[begin:end])
        name = true_customer(int(numbers[customer]))
        rows.append([name, number, started, ended, last, int(won), end - begin, int(linked), path])
        previous, begin = customer, end
    return rows


def session_rows(contacts: Contacts, numbers: Ints, is_linked: Flags) -> list[list[object]]:
    """The rows of sessions.csv: runs of the customer's own contacts without a pause over 30 minutes."""
    own = contacts.take(contacts.by_customer)
    if not len(own):
        return []
    run = number_runs(own, INACTIVITY_US)
    starts = np.flatnonzero(first_of_group(run))
    ends = np.append(starts[1:], len(run))
    masks = np.bitwise_or.reduceat(1 << own.source, starts)
    customers = own.customer[starts]
    labels = {
        mask: "+".join(name for bit, name in enumerate(SOURCES) if mask >> bit & 1) for mask in range(16)
    }
    columns = (
        customers.tolist(), iso_micros(own.occurred_us[starts]), iso_micros(own.occurred_us[ends - 1]),
        (ends - starts).tolist(), masks.tolist(), is_linked[customers].tolist(),
    )  # fmt: skip
    rows: list[list[object]] = []
    previous, number = -1, 0
    for customer, started, ended, count, mask, linked in zip(*columns, strict=True):
        number = number + 1 if customer == previous else 1
        rows.append(
            [true_customer(int(numbers[customer])), number, started, ended, count, labels[mask], int(linked)]
        )
        previous = customer
    return rows


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows as CSV lines, without a header."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
