"""HubSpot's documents: contacts (v1), deals (v3), e-mail events (v1) and form submissions (v1)."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from journey_mining.sample.catalog import HOST
from journey_mining.sample.clock import DAY, Calendar, Ints, iso_millis
from journey_mining.sample.mail import BOUNCE, CLICK, KINDS, OPEN, UNSUBSCRIBE, MailEvents
from journey_mining.sample.people import (
    POISONED,
    People,
    alias_email,
    contact_id,
    email,
    full_name,
    phone,
    user_id,
)
from journey_mining.sample.sales import (
    CLOSED_LOST,
    CLOSED_WON,
    DEAL_STAGES,
    ENQUIRY_FORM,
    FORM_NAMES,
    Deals,
    Forms,
)

PORTAL_ID = 8675309
APP_ID = 113
FIRST_CAMPAIGN_ID = 91_000_001
Record = dict[str, Any]


def native_id(*parts: object) -> str:
    """A UUID made of the parts, the same in every draw."""
    text = "/".join(map(str, parts))
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def millis(moment_us: int) -> int:
    """Milliseconds since the epoch."""
    return moment_us // 1000


def _property(value: str, moment_us: int) -> Record:
    version = {
        "value": value,
        "source-type": "INTEGRATION",
        "timestamp": millis(moment_us),
        "selected": False,
    }
    return {"value": value, "versions": [version]}


def shown_email(number: int, is_poisoned: bool) -> str:
    """The contact's address, or the placeholder that somebody typed instead."""
    return POISONED[0] if is_poisoned else email(number)


def lead_guid(number: int, is_duplicate: bool = False) -> str:
    """The identity that HubSpot gives to a contact."""
    return native_id("lead", number, int(is_duplicate))


def _identity_profile(vid: int, address: str, guid: str, moment_us: int) -> Record:
    moment = millis(moment_us)
    identities: list[Record] = [{"type": "EMAIL", "value": address, "timestamp": moment, "is-primary": True}]
    identities.append({"type": "LEAD_GUID", "value": guid, "timestamp": moment})
    return {
        "vid": vid,
        "saved-at-timestamp": moment,
        "deleted-changed-timestamp": 0,
        "identities": identities,
    }


class ContactBook:
    """The contacts of a block: who has one, since when, and which were merged."""

    def __init__(self, people: People, contact_us: Ints, forms: Forms, calendar: Calendar) -> None:
        self.people, self.end_us = people, calendar.end_us
        enquiry = forms.form == ENQUIRY_FORM
        enquired = np.full(len(people), calendar.end_us, dtype=np.int64)
        np.minimum.at(enquired, forms.customer[enquiry], forms.submitted_us[enquiry])
        self.enquired_us = enquired
        own = np.where(people.has_alias, contact_us, np.minimum(contact_us, enquired))
        self.created_us = np.where(people.is_registered, own, enquired)
        is_merged = people.has_alias & (enquired < calendar.end_us) & (contact_us < calendar.end_us)
        merged = np.maximum(enquired, self.created_us) + 5 * DAY
        self.merged_us = np.where(is_merged & (merged < calendar.end_us), merged, 0)
        self.has_duplicate = is_merged

    def records(self) -> list[Record]:
        """One record per contact that is still there at the end."""
        found = []
        for row in range(len(self.people)):
            if self.created_us[row] < self.end_us:
                found.append(self._record(row))
            if self._keeps_duplicate(row):
                found.append(self._duplicate_record(row))
        return found

    def _keeps_duplicate(self, row: int) -> bool:
        """Leads under a second address whose contact was not merged (yet)."""
        enquired = self.people.has_alias[row] and self.enquired_us[row] < self.end_us
        return bool(enquired and not self.merged_us[row])

    def _record(self, row: int) -> Record:
        people, number = self.people, int(self.people.number[row])
        created, merged = int(self.created_us[row]), int(self.merged_us[row])
        vid, address = contact_id(number), shown_email(number, bool(people.is_poisoned[row]))
        profiles = [_identity_profile(vid, address, lead_guid(number), created)]
        audits = []
        if merged:
            twin, other = contact_id(number, True), alias_email(number)
            profiles.append(
                _identity_profile(twin, other, lead_guid(number, True), int(self.enquired_us[row]))
            )
            audits.append(
                _merge_audit(vid, twin, address, other, created, int(self.enquired_us[row]), merged)
            )
        return {
            "vid": vid,
            "canonical-vid": vid,
            "merged-vids": [contact_id(number, True)] if merged else [],
            "portal-id": PORTAL_ID,
            "is-contact": True,
            "properties": self._properties(row, address, created),
            "identity-profiles": profiles,
            "merge-audits": audits,
        }

    def _duplicate_record(self, row: int) -> Record:
        number, created = int(self.people.number[row]), int(self.enquired_us[row])
        vid, address = contact_id(number, True), alias_email(number)
        properties = {
            "email": _property(address, created),
            "createdate": _property(str(millis(created)), created),
        }
        return {
            "vid": vid,
            "canonical-vid": vid,
            "merged-vids": [],
            "portal-id": PORTAL_ID,
            "is-contact": True,
            "properties": {**properties, "lifecyclestage": _property("lead", created)},
            "identity-profiles": [_identity_profile(vid, address, lead_guid(number, True), created)],
            "merge-audits": [],
        }

    def _properties(self, row: int, address: str, created: int) -> Record:
        people, number = self.people, int(self.people.number[row])
        first, last = full_name(number)
        number_called = phone(number, int(people.zone[row]))
        values = {
            "email": address,
            "firstname": first,
            "lastname": last,
            "phone": number_called,
            "createdate": str(millis(created)),
            "lifecyclestage": "customer" if people.is_registered[row] else "lead",
            "hs_analytics_source": ("ORGANIC_SEARCH", "PAID_SEARCH", "SOCIAL_MEDIA", "DIRECT_TRAFFIC")[
                number % 4
            ],
            "customer_id": user_id(number) if people.is_registered[row] else None,
        }
        return {name: _property(value, created) for name, value in values.items() if value is not None}


def _merge_audit(
    vid: int, twin: int, kept: str, gone: str, created: int, enquired: int, merged: int
) -> Record:
    def version(address: str, moment_us: int) -> Record:
        return {"value": address, "source-type": "FORM", "timestamp": millis(moment_us), "selected": False}

    return {
        "canonical-vid": vid,
        "vid-to-merge": twin,
        "timestamp": millis(merged),
        "entity-id": f"contact={vid}",
        "user-id": 4711,
        "num-properties-moved": 3,
        "merged_from_email": version(gone, enquired),
        "merged_to_email": version(kept, created),
    }


def contacts_document(records: list[Record], last_vid: int) -> Record:
    """The page of contacts."""
    return {"contacts": records, "has-more": False, "vid-offset": last_vid}


def deals_document(deals: Deals, people: People) -> Record:
    """The page of deals, with the history of their stage, newest first."""
    return {"results": [_deal(deals, people, row) for row in range(len(deals))]}


def _deal(deals: Deals, people: People, row: int) -> Record:
    number = int(people.number[deals.customer[row]])
    codes = (0, 1, 2, CLOSED_WON if deals.is_won[row] else CLOSED_LOST)
    moves = [(DEAL_STAGES[code], int(at)) for code, at in zip(codes, deals.moved_us[row], strict=True) if at]
    created, updated = iso_millis(moves[0][1]), iso_millis(moves[-1][1])
    properties = {
        "amount": f"{deals.amount[row]:.2f}",
        "closedate": updated if len(moves) == len(codes) else None,
        "createdate": created,
        "dealname": f"Enquiry {number}",
        "dealstage": moves[-1][0],
        "hs_lastmodifieddate": updated,
        "hs_object_id": str(70_000_001 + number),
        "pipeline": "default",
    }
    history = [
        {"value": stage, "timestamp": iso_millis(at), "sourceType": "CRM_UI", "sourceId": "userId:4711"}
        for stage, at in reversed(moves)
    ]
    return {
        "id": str(70_000_001 + number),
        "properties": properties,
        "propertiesWithHistory": {"dealstage": history},
        "createdAt": created,
        "updatedAt": updated,
        "archived": False,
        "associations": {"contacts": {"results": [{"id": str(contact_of_deal(people, deals, row)), "type": "deal_to_contact"}]}},
    }  # fmt: skip


def contact_of_deal(people: People, deals: Deals, row: int) -> int:
    """The contact that a deal belongs to: the one that sent the enquiry."""
    customer = deals.customer[row]
    return contact_id(int(people.number[customer]), bool(people.has_alias[customer]))


def email_event_texts(mail: MailEvents, people: People) -> list[str]:
    """Each e-mail event as JSON text."""
    columns = (people.number[mail.customer], mail.issue, mail.kind, mail.occurred_us, mail.sent_us)
    return [_email_event(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _email_event(number: int, issue: int, kind: int, occurred: int, sent: int) -> str:
    campaign = FIRST_CAMPAIGN_ID + issue
    sender = ""
    if kind:
        sender = f',"sentBy":{{"id":"{native_id("mail", number, issue, 0)}","created":{millis(sent)}}}'
    return (
        f'{{"appId":{APP_ID},"appName":"Batch","created":{millis(occurred)},"emailCampaignId":{campaign},'
        f'"emailCampaignGroupId":{campaign - 1_000_000},"id":"{native_id("mail", number, issue, kind)}",'
        f'"portalId":{PORTAL_ID},"recipient":"{email(number)}","type":"{KINDS[kind]}"{sender}'
        f"{_email_event_details(kind, issue)}}}"
    )


def _email_event_details(kind: int, issue: int) -> str:
    """The fields that only events of this kind have, as JSON text that begins with a comma."""
    if kind == OPEN:
        return ',"filteredEvent":false'
    if kind == CLICK:
        query = f"utm_source=newsletter&utm_medium=email&utm_campaign=newsletter-{issue + 1:02d}"
        return f',"filteredEvent":false,"url":"{HOST}/?{query}"'
    if kind == BOUNCE:
        return ',"category":"UNKNOWN_USER","response":"550 5.1.1 unknown user","status":"5.1.1"'
    if kind == UNSUBSCRIBE:
        return ',"portalSubscriptionStatus":"UNSUBSCRIBED","source":"SOURCE_RECIPIENT","subscriptions":[]'
    return ""


def forms_document(forms: Forms, people: People) -> Record:
    """The page of form submissions."""
    return {"results": [_form(forms, people, row) for row in range(len(forms))], "paging": {}}


def _form(forms: Forms, people: People, row: int) -> Record:
    customer, form = int(forms.customer[row]), int(forms.form[row])
    number = int(people.number[customer])
    address = (
        alias_email(number)
        if forms.is_alias[row]
        else shown_email(number, bool(people.is_poisoned[customer]))
    )
    first, last = full_name(number)
    values = [("email", address), ("firstname", first), ("lastname", last)]
    moment = millis(int(forms.submitted_us[row]))
    return {
        "conversionId": native_id("form", number, form),
        "formId": native_id("form guid", form),
        "formName": FORM_NAMES[form],
        "submittedAt": moment,
        "values": [{"name": name, "value": value, "objectTypeId": "0-1"} for name, value in values],
        "pageUrl": HOST + ("/contact" if form == ENQUIRY_FORM else "/signup"),
    }
