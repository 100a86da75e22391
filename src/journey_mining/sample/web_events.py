"""The web events of a block of customers, as columns: each visit expanded into its pages and actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from journey_mining.sample.arrays import (
    blank_where,
    minimum_by_group,
    ranges,
    rank_in_group,
    start_index,
    texts,
)
from journey_mining.sample.catalog import (
    CAMPAIGNS,
    EVENT,
    FIRST_PRODUCT,
    LANDED,
    MACRO,
    MACROS,
    PAGES,
    PRODUCT_COUNT,
    campaign_of,
    flat_macros,
)
from journey_mining.sample.clock import SECOND, Calendar, Flags, Floats, Ints
from journey_mining.sample.effects import PlantedEffects
from journey_mining.sample.outcomes import Outcomes
from journey_mining.sample.people import SLOTS, People, cookie, email, user_id
from journey_mining.sample.visits import CHANNELS, DIRECT, EMAIL, PAID_SEARCH, Visits

SCRIPT = (
    "start", "first", "land", "scroll", "login", "browse", "chosen", "add", "cart", "sign_up", "checkout_login",
    "checkout", "pay", "error", "retry", "purchase", "lead", "orders", "subscription", "review", "refer", "engage",
)  # fmt: skip
"""The slots of a visit in their order."""
LANDING_MACROS = {
    "organic": ("home", "item", "list", "post"),
    "paid_search": ("landing", "list", "item", "item"),
    "paid_social": ("landing", "landing", "post", "item"),
    "email": ("landing", "list", "item", "landing"),
    "affiliate": ("item", "landing", "post", "item"),
    "direct": ("home", "home", "list", "home"),
    "referral": ("post", "home", "item", "post"),
}
BROWSE_MACROS = ("item", "item", "item", "item", "list", "list", "list", "search", "search", "delivery")
LONGEST_GAP = 240 * SECOND
PLACEHOLDER = "undefined"
"""What a faulty tag sends as user_id."""


@dataclass(frozen=True)
class VisitFacts:
    """What all events of a visit have in common, one row per visit."""

    customer: Ints
    cookie_id: NDArray[np.object_]
    """user_pseudo_id, None where consent was denied."""
    user: NDArray[np.object_]
    """user_id once logged in, a placeholder, or None."""
    query: NDArray[np.object_]
    """Query string of the landing page, with its question mark, or ''."""
    click_id: NDArray[np.object_]
    """gclid, or ''."""
    number: Ints
    """ga_session_number."""
    channel: Ints
    campaign: Ints
    first_channel: Ints
    first_campaign: Ints
    device: Ints
    place: Ints
    first_seen_us: Ints
    is_denied: Flags
    start_us: Ints
    transaction: NDArray[np.object_]
    value: Floats


@dataclass(frozen=True)
class WebEvents:
    """One row per web event, in the order of visits and time."""

    visit: Ints
    event: Ints
    page: Ints
    occurred_us: Ints
    is_landing: Flags
    has_user: Flags
    engagement: Ints
    """Engagement time in tenths of a second, 0 where there is none."""
    product: Ints
    """1-based product of item events, else 0."""

    def __len__(self) -> int:
        return len(self.visit)


def expand_visits(
    rng: np.random.Generator, people: People, visits: Visits, outcomes: Outcomes, effects: PlantedEffects
) -> WebEvents:
    """All events of all visits."""
    counts = _count_slots(rng, people, visits, outcomes)
    slot, visit = _flatten(counts)
    product = rng.integers(1, PRODUCT_COUNT + 1, len(visits))
    macro = _choose_macros(rng, visits, visit, slot)
    page = _choose_pages(rng, macro, slot, product[visit])
    land = slot == SCRIPT.index("land")
    landing_page = minimum_by_group(visit[land], page[land], len(visits), len(PAGES))
    codes, offsets, lengths = flat_macros()
    part = np.repeat(np.arange(len(macro)), lengths[macro])
    rank = ranges(lengths[macro])
    event = codes[offsets[macro][part] + rank]
    page = np.where(page == LANDED, landing_page[visit], page)[part]
    is_item = (page >= FIRST_PRODUCT) & np.isin(event, _PRODUCT_EVENTS)
    bought = np.where(event == EVENT["purchase"], product[visit[part]], 0)
    return WebEvents(
        visit=visit[part],
        event=event,
        page=page,
        occurred_us=_draw_times(rng, visits, visit[part], event, rank),
        is_landing=(slot <= SCRIPT.index("land"))[part] & np.isin(event, _LANDING_EVENTS),
        has_user=_mark_users(outcomes, visit[part], event),
        engagement=np.where(rng.random(len(event)) < 0.5, rng.integers(5, 600, len(event)), 0),
        product=np.where(is_item, page - FIRST_PRODUCT + 1, bought),
    )


_PRODUCT_EVENTS = [EVENT["view_item"], EVENT["add_to_cart"], EVENT["write_review"]]
_LANDING_EVENTS = [EVENT["session_start"], EVENT["first_visit"], EVENT["page_view"]]


def _count_slots(rng: np.random.Generator, people: People, visits: Visits, outcomes: Outcomes) -> Ints:
    size = len(visits)
    is_new = (_rank_on_cookie(visits) == 0) & ~people.is_existing[visits.customer]
    is_bounce = (rng.random(size) < 0.25) & ~(outcomes.has_cart | outcomes.is_login | visits.is_sign_up)
    browse = np.where(is_bounce, 0, rng.geometric(0.45, size) - 1 + outcomes.has_cart)
    returning = (outcomes.earlier_purchases > 0) & (outcomes.is_login | outcomes.is_remembered)
    columns = {
        "start": np.ones(size), "first": is_new, "land": np.ones(size), "scroll": rng.random(size) < 0.4,
        "login": outcomes.is_login, "browse": np.minimum(browse, 12), "chosen": outcomes.has_cart,
        "add": outcomes.has_cart * (1 + (rng.random(size) < 0.2)), "cart": outcomes.has_cart & (rng.random(size) < 0.8),
        "sign_up": visits.is_sign_up, "checkout_login": outcomes.is_checkout_login, "checkout": outcomes.has_checkout,
        "pay": outcomes.has_checkout, "error": outcomes.has_error, "retry": outcomes.has_error & outcomes.is_purchase,
        "purchase": outcomes.is_purchase, "lead": outcomes.is_lead, "orders": returning & (rng.random(size) < 0.4),
        "subscription": returning & (rng.random(size) < 0.12), "review": outcomes.has_review,
        "refer": outcomes.has_referral, "engage": ~is_bounce & (rng.random(size) < 0.6),
    }  # fmt: skip
    return np.stack([np.asarray(columns[slot]).astype(np.int64) for slot in SCRIPT], axis=1)


def _flatten(counts: Ints) -> tuple[Ints, Ints]:
    """Slot and visit of each macro, in the order of the script."""
    slots = np.tile(np.arange(len(SCRIPT)), len(counts))
    visits = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    return np.repeat(slots, counts.ravel()), visits


def _choose_macros(rng: np.random.Generator, visits: Visits, visit: Ints, slot: Ints) -> Ints:
    same = {"chosen": "item", "checkout_login": "login", "retry": "pay", "land": "home", "browse": "item"}
    macro = np.array([MACRO[same.get(name, name)] for name in SCRIPT])[slot]
    landings = np.array([[MACRO[name] for name in LANDING_MACROS[channel]] for channel in CHANNELS])
    land = np.flatnonzero(slot == SCRIPT.index("land"))
    macro[land] = landings[visits.channel[visit[land]], rng.integers(0, 4, len(land))]
    browse = np.flatnonzero(slot == SCRIPT.index("browse"))
    macro[browse] = np.array([MACRO[name] for name in BROWSE_MACROS])[rng.integers(0, 10, len(browse))]
    return macro.astype(np.int64)


def _choose_pages(rng: np.random.Generator, macro: Ints, slot: Ints, product: Ints) -> Ints:
    first = np.array([item.first_page for item in MACROS.values()])[macro]
    count = np.array([item.page_count for item in MACROS.values()])[macro]
    page = first + (rng.random(len(macro)) * count).astype(np.int64)
    is_chosen = (slot == SCRIPT.index("chosen")) | (slot == SCRIPT.index("add"))
    page = np.where(is_chosen, FIRST_PRODUCT + product - 1, page)
    return np.where(first == LANDED, LANDED, page).astype(np.int64)


def _draw_times(rng: np.random.Generator, visits: Visits, visit: Ints, event: Ints, rank: Ints) -> Ints:
    """Times grow within a visit; what the tag sends with the first page view carries the same time."""
    thinking = np.minimum(rng.lognormal(2.9, 0.9, len(visit)) * SECOND, LONGEST_GAP).astype(np.int64)
    step = np.where(rank == 0, thinking + SECOND, rng.integers(1_000, 900_000, len(visit)))
    checkout = (event == EVENT["begin_checkout"]) | (event == EVENT["add_shipping_info"])
    step = np.where(checkout, rng.integers(2 * SECOND, 60 * SECOND, len(visit)), step)
    position = rank_in_group(visit)
    opens = (position == 0) | ((position == 1) & (event != EVENT["session_start"]))
    previous_first = np.zeros(len(visit), dtype=np.bool_)
    previous_first[1:] = event[:-1] == EVENT["first_visit"]
    step = np.where(opens | (previous_first & (position == 2)), 0, step)
    total = np.cumsum(step)
    times: Ints = visits.start_us[visit] + total - total[start_index(visit)]
    return times


def _mark_users(outcomes: Outcomes, visit: Ints, event: Ints) -> Flags:
    """Events from the login or sign-up of the visit on, or all events of people still logged in."""
    enters = (event == EVENT["login"]) | (event == EVENT["sign_up"])
    entered = np.cumsum(enters)
    before = (entered - enters)[start_index(visit)]
    has_user: Flags = outcomes.is_remembered[visit] | (entered > before)
    return has_user


def describe_visits(
    rng: np.random.Generator, people: People, visits: Visits, outcomes: Outcomes, effects: PlantedEffects
) -> VisitFacts:
    """The facts that the events of each visit share."""
    first_seen, first_row = _first_on_cookie(people, visits)
    denied = people.is_denied[visits.customer]
    numbers = people.number
    click_id = _draw_click_ids(rng, visits)
    return VisitFacts(
        customer=visits.customer,
        cookie_id=blank_where(denied, _name_cookies(people, visits, first_seen)),
        user=_name_users(rng, people, visits, effects),
        query=_write_queries(rng, people, visits, click_id),
        click_id=click_id,
        number=_rank_on_cookie(visits)
        + 1
        + people.is_existing[visits.customer] * (numbers[visits.customer] % 7),
        channel=visits.channel,
        campaign=visits.campaign,
        first_channel=np.where(people.is_existing[visits.customer], DIRECT, visits.channel[first_row]),
        first_campaign=visits.campaign[first_row],
        device=people.device.ravel()[visits.cookie] * 4 + visits.cookie % 4,
        place=people.zone[visits.customer] * 4 + numbers[visits.customer] % 4,
        first_seen_us=first_seen,
        is_denied=denied,
        start_us=visits.start_us,
        transaction=_name_transactions(people, visits, outcomes),
        value=outcomes.value,
    )


def _name_cookies(people: People, visits: Visits, first_seen: Ints) -> NDArray[np.object_]:
    base = int(people.number[0]) * SLOTS
    pairs = zip(visits.cookie.tolist(), first_seen.tolist(), strict=True)
    return texts([cookie(base + number, seen // SECOND) for number, seen in pairs])


def _rank_on_cookie(visits: Visits) -> Ints:
    """0-based number of each visit on its cookie."""
    order = np.lexsort((visits.start_us, visits.cookie))
    rank = np.empty(len(visits), dtype=np.int64)
    rank[order] = rank_in_group(visits.cookie[order])
    return rank


def _first_on_cookie(people: People, visits: Visits) -> tuple[Ints, Ints]:
    """When each visit's cookie was set (existing customers: before the sample), and the row of its first visit."""
    size = len(people) * SLOTS
    first_us = minimum_by_group(visits.cookie, visits.start_us, size, np.iinfo(np.int64).max)
    rows = np.where(visits.start_us == first_us[visits.cookie], np.arange(len(visits)), len(visits))
    first_row = minimum_by_group(visits.cookie, rows, size, len(visits))
    age = people.is_existing * (people.number % 300) * 86_400 * SECOND
    owner = visits.cookie // SLOTS
    return first_us[visits.cookie] - age[owner], first_row[visits.cookie]


def _name_users(
    rng: np.random.Generator, people: People, visits: Visits, effects: PlantedEffects
) -> NDArray[np.object_]:
    names = texts([user_id(number) for number in people.number.tolist()])
    is_registered = people.is_registered[visits.customer]
    users = blank_where(~is_registered, names[visits.customer])
    users[~is_registered & (rng.random(len(visits)) < effects.poisoned_rate)] = PLACEHOLDER
    return users


def _draw_click_ids(rng: np.random.Generator, visits: Visits) -> NDArray[np.object_]:
    draws = rng.integers(0, 2**62, len(visits))
    from_google = np.array([source == "google" for source, _, _ in CAMPAIGNS["paid_search"]])
    has_click_id = (visits.channel == PAID_SEARCH) & from_google[visits.campaign % 3]
    pairs = zip(draws.tolist(), has_click_id.tolist(), strict=True)
    return texts([f"Cj0KCQ{draw:016x}" if wanted else "" for draw, wanted in pairs])


def _write_queries(
    rng: np.random.Generator, people: People, visits: Visits, click_id: NDArray[np.object_]
) -> NDArray[np.object_]:
    """utm_* parameters and gclid; one newsletter link in four also carries the recipient's address."""
    tagged = {
        number: name for number, name in enumerate(CHANNELS) if name not in ("organic", "direct", "referral")
    }
    leaks = (visits.channel == EMAIL) & (rng.random(len(visits)) < 0.25)
    queries = []
    columns = (visits.channel, visits.campaign, click_id, leaks, people.number[visits.customer])
    for channel, campaign, click, leak, number in zip(*(column.tolist() for column in columns), strict=True):
        if channel not in tagged:
            queries.append("")
            continue
        source, medium, name = campaign_of(tagged[channel], campaign)
        query = f"?utm_source={source}&utm_medium={medium}&utm_campaign={name}"
        query += f"&gclid={click}" if click else ""
        queries.append(query + (f"&email={email(number).replace('@', '%40')}" if leak else ""))
    return texts(queries)


def _name_transactions(people: People, visits: Visits, outcomes: Outcomes) -> NDArray[np.object_]:
    numbers = people.number[visits.customer].tolist()
    pairs = zip(numbers, outcomes.earlier_purchases.tolist(), outcomes.is_purchase.tolist(), strict=True)
    return texts([f"O-{number + 1:07d}-{earlier + 1}" if bought else "" for number, earlier, bought in pairs])


def clip_to_sample(events: WebEvents, calendar: Calendar) -> WebEvents:
    """The events that happened before the end of the sample."""
    kept = events.occurred_us < calendar.end_us
    return WebEvents(*(column[kept] for column in vars(events).values()))


def shown_users(events: WebEvents, facts: VisitFacts, rows: Ints) -> NDArray[np.object_]:
    """user_id of each event, None while nobody is logged in or consent was denied."""
    visit = events.visit[rows]
    users: NDArray[np.object_] = facts.user[visit]
    shown = (events.has_user[rows] | (users == PLACEHOLDER)) & ~facts.is_denied[visit]
    return blank_where(~shown, users)
