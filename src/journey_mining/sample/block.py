"""One block of customers, simulated whole: who they are, what they did, and what is true about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_mining.sample.catalog import (
    EVENT,
    NO_TOUCHPOINT,
    TOUCHPOINT,
    event_touchpoints,
    page_touchpoints,
)
from journey_mining.sample.clock import Calendar, Ints
from journey_mining.sample.crm_documents import ContactBook
from journey_mining.sample.effects import PlantedEffects
from journey_mining.sample.mail import CLICK, UNSUBSCRIBE, MailEvents, send_newsletters
from journey_mining.sample.opinions import Answers, draw_ces, draw_nps, forwarded_answers, join_answers
from journey_mining.sample.outcomes import BAD, GOOD, Outcomes, Tickets, draw_outcomes
from journey_mining.sample.people import People, draw_people
from journey_mining.sample.sales import ENQUIRY_FORM, Deals, Forms, draw_deals, read_forms
from journey_mining.sample.truth import CRM, SUPPORT, SURVEY, WEB, Contacts, contacts_of, sort_contacts
from journey_mining.sample.visits import Visits, add_click_visits, contact_times, draw_visits, settle_channels
from journey_mining.sample.web_events import (
    VisitFacts,
    WebEvents,
    clip_to_sample,
    describe_visits,
    expand_visits,
)


@dataclass(frozen=True)
class Block:
    """Everything about one block of customers."""

    people: People
    visits: Visits
    outcomes: Outcomes
    facts: VisitFacts
    events: WebEvents
    mail: MailEvents
    tickets: Tickets
    forms: Forms
    deals: Deals
    book: ContactBook
    nps: Answers
    ces: Answers


def simulate_block(
    rng: np.random.Generator, first: int, count: int, calendar: Calendar, effects: PlantedEffects
) -> Block:
    """Customers `first` .. `first + count - 1` and all that they did."""
    people = draw_people(rng, first, count, calendar.days, effects)
    visits = draw_visits(rng, people, calendar)
    contact_us = contact_times(rng, people, visits, calendar)
    mail, clicker, click_us, issue = send_newsletters(rng, people, visits, contact_us, calendar, effects)
    visits = settle_channels(add_click_visits(visits, clicker, click_us, issue))
    outcomes, tickets = draw_outcomes(rng, people, visits, calendar, effects)
    events = clip_to_sample(expand_visits(rng, people, visits, outcomes, effects), calendar)
    facts = describe_visits(rng, people, visits, outcomes, effects)
    forms = read_forms(people, visits, events)
    nps = draw_nps(rng, visits, outcomes, tickets, count, calendar, effects)
    return Block(
        people=people,
        visits=visits,
        outcomes=outcomes,
        facts=facts,
        events=events,
        mail=mail,
        tickets=tickets,
        forms=forms,
        deals=draw_deals(rng, forms, calendar),
        book=ContactBook(people, contact_us, forms, calendar),
        nps=join_answers(nps, forwarded_answers(rng, tickets, effects.forwarded_answers, calendar)),
        ces=draw_ces(rng, tickets, calendar, effects),
    )


def all_contacts(block: Block) -> Contacts:
    """Every contact that can be told whose it is, in the order of each customer's life."""
    mail, tickets, forms, deals = block.mail, block.tickets, block.forms, block.deals
    clicked, left = (np.where(mail.kind == kind, mail.occurred_us, 0) for kind in (CLICK, UNSUBSCRIBE))
    form_touchpoint = np.where(forms.form == ENQUIRY_FORM, TOUCHPOINT["lead form"], TOUCHPOINT["sign in"])
    rated = np.where((tickets.rating == GOOD) | (tickets.rating == BAD), tickets.rated_us, 0)
    parts = [
        _web_contacts(block),
        contacts_of(mail.customer, clicked, TOUCHPOINT["newsletter click"], True, CRM),
        contacts_of(mail.customer, left, TOUCHPOINT["unsubscribe"], True, CRM),
        contacts_of(forms.customer, forms.submitted_us, form_touchpoint, True, CRM),
        *(
            contacts_of(deals.customer, moved, TOUCHPOINT["sales follow-up"], False, CRM)
            for moved in deals.moved_us.T
        ),
        contacts_of(tickets.customer, tickets.created_us, TOUCHPOINT["support request"], True, SUPPORT),
        contacts_of(tickets.customer, tickets.replied_us, TOUCHPOINT["agent reply"], False, SUPPORT),
        contacts_of(tickets.customer, tickets.answered_us, TOUCHPOINT["support request"], True, SUPPORT),
        contacts_of(tickets.customer, tickets.solved_us, TOUCHPOINT["ticket solved"], False, SUPPORT),
        contacts_of(tickets.customer, rated, TOUCHPOINT["support rating"], True, SUPPORT),
        *(_survey_contacts(answers) for answers in (block.nps, block.ces)),
    ]
    return sort_contacts(parts)


def _survey_contacts(answers: Answers) -> Contacts:
    finished = np.where(answers.score >= 0, answers.answered_us, 0)
    return contacts_of(answers.customer, finished, TOUCHPOINT["survey answer"], True, SURVEY)


def _web_contacts(block: Block) -> Contacts:
    events = block.events
    by_event, by_page = np.array(event_touchpoints()), np.array(page_touchpoints())
    is_view = events.event == EVENT["page_view"]
    touchpoint: Ints = np.where(is_view, by_page[events.page], by_event[events.event])
    touchpoint = np.where(block.facts.is_denied[events.visit], NO_TOUCHPOINT, touchpoint)
    return contacts_of(block.facts.customer[events.visit], events.occurred_us, touchpoint, True, WEB)
