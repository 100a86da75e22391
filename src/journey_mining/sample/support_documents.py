"""Zendesk's documents: users, tickets, ticket audits and satisfaction ratings."""

from __future__ import annotations

from typing import Any

from journey_mining.sample.clock import HOUR, iso_seconds
from journey_mining.sample.outcomes import BAD, GOOD, NOT_RATED, OFFERED, TICKET_CHANNELS, Tickets
from journey_mining.sample.people import (
    POISONED,
    SHARED_INBOX,
    People,
    dense_phone,
    full_name,
    requester_id,
    user_id,
    written_email,
)

Record = dict[str, Any]
AGENTS = {350_000_000_001: "Agent One", 350_000_000_002: "Agent Two", 350_000_000_003: "Agent Three"}
SYSTEM_AUTHOR = -1
GROUP_ID = 360_000_000_777
SUBJECTS = ("Where is my order?", "Damaged on arrival", "Question about delivery", "Return and refund")
RATINGS = {OFFERED: "offered", GOOD: "good", BAD: "bad"}


def shown_external_id(people: People, customer: int) -> str | None:
    """The shop's user id as support has it: absent for people without an account, at times a placeholder."""
    if people.is_registered[customer]:
        return user_id(int(people.number[customer]))
    return POISONED[2] if people.is_poisoned[customer] else None


class SupportDesk:
    """The support system's records about a block's tickets."""

    def __init__(self, people: People, tickets: Tickets, first_ticket: int) -> None:
        self.people, self.tickets, self.first_ticket = people, tickets, first_ticket
        self._first_row: dict[int, int] = {}
        for row, customer in enumerate(tickets.customer.tolist()):
            self._first_row.setdefault(customer, row)

    def ticket_id(self, row: int) -> int:
        """The number of the ticket."""
        return self.first_ticket + row

    def assignee(self, row: int) -> int:
        """The agent who answers the ticket."""
        return list(AGENTS)[self.ticket_id(row) % len(AGENTS)]

    def requester(self, row: int) -> int:
        """The end user who wrote."""
        return requester_id(int(self.people.number[self.tickets.customer[row]]))

    def users(self) -> list[Record]:
        """The agents and every end user with a ticket, oldest first."""
        agents = [
            {
                "id": number,
                "url": f"https://shop.zendesk.example.com/api/v2/users/{number}.json",
                "name": name,
                "email": f"{name.lower().replace(' ', '.')}@example.com",
                "created_at": "2025-01-07T08:00:00Z",
                "role": "agent",
            }
            for number, name in AGENTS.items()
        ]
        return agents + [self._end_user(customer, row) for customer, row in self._first_row.items()]

    def _end_user(self, customer: int, row: int) -> Record:
        number = int(self.people.number[customer])
        is_inbox = bool(self.tickets.is_inbox[row])
        created = iso_seconds(int(self.tickets.created_us[row]))
        return {
            "id": requester_id(number),
            "url": f"https://shop.zendesk.example.com/api/v2/users/{requester_id(number)}.json",
            "name": " ".join(full_name(number)),
            "email": SHARED_INBOX if is_inbox else written_email(number),
            "phone": None if is_inbox else dense_phone(number, int(self.people.zone[customer])),
            "external_id": shown_external_id(self.people, customer),
            "role": "end-user",
            "created_at": created,
            "updated_at": created,
            "time_zone": "Berlin" if self.people.zone[customer] == 0 else "Eastern Time (US & Canada)",
            "active": True,
            "verified": True,
            "suspended": False,
        }

    def ticket(self, row: int) -> Record:
        """One ticket in its last state."""
        tickets = self.tickets
        rating = int(tickets.rating[row])
        last = max(int(column[row]) for column in (tickets.created_us, *self._times()))
        channel = TICKET_CHANNELS[tickets.channel[row]]
        return {
            "id": self.ticket_id(row),
            "url": f"https://shop.zendesk.example.com/api/v2/tickets/{self.ticket_id(row)}.json",
            "external_id": None,
            "via": {"channel": channel, "source": {"from": {}, "to": {}, "rel": None}},
            "created_at": iso_seconds(int(tickets.created_us[row])),
            "updated_at": iso_seconds(last),
            "type": "problem" if tickets.is_order[row] else "question",
            "subject": self.subject(row),
            "priority": "high" if tickets.is_order[row] else "normal",
            "status": self._status(row),
            "requester_id": self.requester(row),
            "submitter_id": self.requester(row),
            "assignee_id": self.assignee(row) if tickets.replied_us[row] else None,
            "group_id": GROUP_ID,
            "tags": ["order"] if tickets.is_order[row] else ["question"],
            "satisfaction_rating": {"score": RATINGS.get(rating, "unoffered")},
            "is_public": True,
        }

    def subject(self, row: int) -> str:
        """The ticket's subject line."""
        return SUBJECTS[self.ticket_id(row) % 2 + (0 if self.tickets.is_order[row] else 2)]

    def _times(self) -> tuple[Any, ...]:
        tickets = self.tickets
        return tickets.replied_us, tickets.answered_us, tickets.solved_us, tickets.closed_us

    def _status(self, row: int) -> str:
        for column, status in ((self.tickets.closed_us, "closed"), (self.tickets.solved_us, "solved")):
            if column[row]:
                return status
        if self.tickets.answered_us[row]:
            return "open"
        return "pending" if self.tickets.replied_us[row] else "new"

    def audits(self, row: int) -> list[Record]:
        """The history of one ticket: request, agent's reply, customer's answer, solution, automatic close."""
        tickets, agent = self.tickets, self.assignee(row)
        channel = TICKET_CHANNELS[tickets.channel[row]]
        opening = [
            *(_created(name, value) for name, value in (("subject", self.subject(row)), ("status", "new"))),
            _comment("Request", self.requester(row), True),
            {"type": "Notification", "subject": "Request received", "body": "(template)", "recipients": [self.requester(row)]},
        ]  # fmt: skip
        reply = [
            _comment("Reply", agent, True),
            _changed("status", "pending", "new"),
            _changed("assignee_id", str(agent), None),
        ]
        answer = [_comment("Answer", self.requester(row), True), _changed("status", "open", "pending")]
        before = "open" if tickets.answered_us[row] else "pending"
        steps = (
            (tickets.created_us, self.requester(row), channel, opening),
            (tickets.replied_us, agent, "web", reply),
            (tickets.answered_us, self.requester(row), channel, answer),
            (tickets.solved_us, agent, "web", [_changed("status", "solved", before)]),
            (tickets.closed_us, SYSTEM_AUTHOR, "rule", [_changed("status", "closed", "solved")]),
        )
        return [
            self._audit(row, position, int(column[row]), author, via, events)
            for position, (column, author, via, events) in enumerate(steps)
            if column[row]
        ]

    def _audit(
        self, row: int, position: int, moment_us: int, author: int, channel: str, events: list[Record]
    ) -> Record:
        number = self.ticket_id(row) * 10 + position
        return {
            "id": number,
            "ticket_id": self.ticket_id(row),
            "created_at": iso_seconds(moment_us),
            "author_id": author,
            "via": {"channel": channel, "source": {"from": {}, "to": {}, "rel": None}},
            "metadata": {"system": {}, "custom": {}},
            "events": [{"id": number * 10 + index, **event} for index, event in enumerate(events)],
        }

    def rating(self, row: int) -> Record | None:
        """The satisfaction rating of one ticket, None before it was asked for."""
        tickets = self.tickets
        code = int(tickets.rating[row])
        if code == NOT_RATED:
            return None
        offered = int(tickets.solved_us[row]) + HOUR // 60
        given = int(tickets.rated_us[row]) if code != OFFERED else offered
        has_comment = code == BAD and self.ticket_id(row) % 3 == 0
        return {
            "id": 900_000_000 + self.ticket_id(row),
            "url": f"https://shop.zendesk.example.com/api/v2/satisfaction_ratings/{900_000_000 + self.ticket_id(row)}.json",
            "ticket_id": self.ticket_id(row),
            "requester_id": self.requester(row),
            "assignee_id": self.assignee(row),
            "group_id": GROUP_ID,
            "score": RATINGS[code] + (" with comment" if has_comment else ""),
            "comment": "It took too long." if has_comment else None,
            "created_at": iso_seconds(offered),
            "updated_at": iso_seconds(given),
        }


def _created(name: str, value: str) -> Record:
    return {"type": "Create", "field_name": name, "value": value}


def _changed(name: str, value: str, previous: str | None) -> Record:
    return {"type": "Change", "field_name": name, "value": value, "previous_value": previous}


def _comment(text: str, author: int, is_public: bool) -> Record:
    return {"type": "Comment", "author_id": author, "body": f"{text} (text removed)", "public": is_public}
