"""Who owns which identifier in the exports, and which identifiers the evidence there can join."""

from __future__ import annotations

import numpy as np

from journey_mining.sample.arrays import texts
from journey_mining.sample.block import Block
from journey_mining.sample.clock import Flags, Ints
from journey_mining.sample.crm_documents import lead_guid
from journey_mining.sample.people import (
    POISONED,
    SHARED_INBOX,
    SLOTS,
    alias_email,
    contact_id,
    dense_phone,
    email,
    phone,
    requester_id,
    true_customer,
    user_id,
    written_email,
)
from journey_mining.sample.web_events import PLACEHOLDER, shown_users

Row = tuple[str, str, str, str, str]
"""identifier_type, identifier, true_customer, linked_group, status."""


def shared_rows() -> list[Row]:
    """The identifiers that belong to nobody: the shared inbox and the placeholders."""
    inbox: list[Row] = [("email", SHARED_INBOX, "", "", "shared")]
    return inbox + [("any", value, "", "", "poisoned") for value in ("", *POISONED)]


class IdentifierBook:
    """The identifiers of a block and how far the exports link them."""

    def __init__(self, block: Block) -> None:
        self.block = block
        size = len(block.people)
        self.cookies = _list_cookies(block)
        self.has_ticket = _mark(size, block.tickets.customer)
        self.own_ticket = _mark(size, block.tickets.customer[~block.tickets.is_inbox])
        answers = [answers.customer[~answers.is_forwarded] for answers in (block.nps, block.ces)]
        self.has_answer = _mark(size, np.concatenate(answers))
        self.has_contact = block.book.created_us < block.book.end_us
        self.has_mail = _mark(size, block.mail.customer)
        forwarded = block.nps.customer[block.nps.is_forwarded]
        used = self.cookies["customer"][self.cookies["is_linked"]]
        named = (
            self.has_ticket | self.has_answer | self.has_contact | _mark(size, used) | _mark(size, forwarded)
        )
        self.has_user = block.people.is_registered & named
        self.has_alias = block.people.has_alias & (block.book.enquired_us < block.book.end_us)
        self.links_email = self.has_user & (
            (self.has_contact & ~block.people.is_poisoned) | self.own_ticket | self.has_answer
        )

    @property
    def has_email(self) -> Flags:
        """Whose own address stands somewhere in the exports."""
        in_contact = self.has_contact & ~self.block.people.is_poisoned
        found: Flags = in_contact | self.own_ticket | self.has_answer | self.has_mail
        return found

    def fully_linked(self) -> Flags:
        """Customers all of whose identifiers are joined by the exports, and to nobody else's."""
        people, cookies = self.block.people, self.cookies
        groups = self.has_user.astype(np.int64)
        np.add.at(groups, cookies["customer"], ~cookies["is_linked"])
        groups += self.has_email & ~self.links_email
        groups += self.has_alias & (self.block.book.merged_us == 0)
        on_family = people.shares_device | people.owns_shared_device
        # The forms of people who typed a placeholder cannot be told to be theirs.
        is_alone: Flags = (groups == 1) & ~on_family & ~people.is_poisoned
        return is_alone

    def rows(self) -> list[Row]:
        """All rows of identifiers.csv for the block."""
        return [
            *self._cookie_rows(),
            *(row for index in range(len(self.block.people)) for row in self._rows_of(index)),
        ]

    def _cookie_rows(self) -> list[Row]:
        """Cookies with one account are in its group; two accounts on one cookie link nobody."""
        found: list[Row] = []
        people, cookies = self.block.people, self.cookies
        accounts: dict[str, list[str]] = {}
        owners = [true_customer(number) for number in people.number[cookies["customer"]].tolist()]
        for name, owner, is_linked in zip(cookies["name"], owners, cookies["is_linked"], strict=True):
            accounts.setdefault(name, []).extend([owner] if is_linked else [])
        is_shared = people.owns_shared_device[cookies["cookie"] // SLOTS] & (cookies["cookie"] % SLOTS == 0)
        for name, owner, shared in zip(cookies["name"], owners, is_shared, strict=True):
            names = accounts[name]
            group = names[0] if len(names) == 1 else f"cookie/{name}"
            found.append(("cookie", name, owner, group, "shared_device" if shared else "owned"))
        return found

    def _rows_of(self, index: int) -> list[Row]:
        people, number = self.block.people, int(self.block.people.number[index])
        owner = main = true_customer(number)
        mailed = main if self.links_email[index] else f"{owner}/email"
        twin = main if self.block.book.merged_us[index] else f"{owner}/alias"
        of_contact = main if people.is_registered[index] else mailed
        values: list[tuple[str, str | None, str]] = []
        if self.has_user[index]:
            values.append(("user_id", user_id(number), main))
        if self.has_email[index]:
            values.append(("email", email(number), mailed))
        if self.has_contact[index]:
            values += self._contact_values(index, number, of_contact)
        if self.has_alias[index]:
            values += [
                ("email", alias_email(number), twin),
                ("contact_id", str(contact_id(number, True)), twin),
            ]
            values += [("lead_guid", lead_guid(number, True), twin)]
        if self.has_ticket[index]:
            values += self._requester_values(index, number, main if people.is_registered[index] else mailed)
        return [(kind, value, owner, group, "owned") for kind, value, group in values if value]

    def _contact_values(self, index: int, number: int, group: str) -> list[tuple[str, str | None, str]]:
        spaced = phone(number, int(self.block.people.zone[index]))
        values = [("contact_id", str(contact_id(number)), group), ("lead_guid", lead_guid(number), group)]
        return [*values, ("phone", spaced, group)]

    def _requester_values(self, index: int, number: int, group: str) -> list[tuple[str, str | None, str]]:
        values: list[tuple[str, str | None, str]] = [("requester_id", str(requester_id(number)), group)]
        if not self.own_ticket[index]:
            return values
        if written_email(number) != email(number):
            values.append(("email", written_email(number), group))
        return [*values, ("phone", dense_phone(number, int(self.block.people.zone[index])), group)]


def _mark(size: int, customers: Ints) -> Flags:
    found = np.zeros(size, dtype=np.bool_)
    found[customers] = True
    return found


def _list_cookies(block: Block) -> dict[str, np.ndarray]:
    """One row per customer and cookie that carries events: its name, and whether a login links it."""
    events, facts = block.events, block.facts
    rows = np.flatnonzero(~facts.is_denied[events.visit])
    users = shown_users(events, facts, rows)
    is_login = (users != None) & (users != PLACEHOLDER)  # noqa: E711  (elementwise)
    visit = events.visit[rows]
    size = len(block.people) * SLOTS
    key = facts.customer[visit] * size + block.visits.cookie[visit]
    keys, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    linked = np.zeros(len(keys), dtype=np.bool_)
    linked[inverse[is_login]] = True
    names = texts(facts.cookie_id[visit[first]].tolist())
    return {"customer": keys // size, "cookie": keys % size, "is_linked": linked, "name": names}
