"""GA4's BigQuery export as JSON lines: INT64 as strings, absent fields left out, as `bq extract` writes it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from journey_mining.sample.arrays import texts
from journey_mining.sample.catalog import (
    EVENT,
    EVENT_NAMES,
    FIRST_PRODUCT,
    FIRST_SEARCH,
    HOST,
    PAGES,
    REFERRERS,
    SEARCH_TERMS,
    campaign_of,
    price,
)
from journey_mining.sample.clock import SECOND, Calendar, Ints
from journey_mining.sample.visits import CHANNELS
from journey_mining.sample.web_events import VisitFacts, WebEvents, shown_users
from journey_mining.sample.web_layout import FAR_YEAR, FAR_YEAR_US, NOT_UTF8, TRUNCATED, Layout

STREAM_ID = "7310482956"
BROWSERS = {0: ("Chrome", "Firefox", "Edge", "Safari"), 1: ("Safari", "Chrome", "Chrome", "Samsung Internet")}
SYSTEMS = {0: ("Windows", "Windows", "Windows", "Macintosh"), 1: ("iOS", "Android", "Android", "Android")}
CATEGORIES = ("desktop", "mobile", "tablet")
PLACES = (
    ("Germany", "Berlin", "de-de"), ("Germany", "Hamburg", "de-de"), ("Germany", "Munich", "de-de"),
    ("Germany", "Leipzig", "en-gb"), ("United States", "New York", "en-us"), ("United States", "Boston", "en-us"),
    ("United States", "Philadelphia", "en-us"), ("United States", "Atlanta", "es-us"),
)  # fmt: skip
USD_RATE = 1.08
ERROR_CODES = ("card_declined", "timeout", "field_missing")


def string_param(key: str, value: str) -> str:
    """One entry of event_params with a string value, as JSON text."""
    return f'{{"key":"{key}","value":{{"string_value":{json.dumps(value)}}}}}'


def int_param(key: str, value: int) -> str:
    """One entry of event_params with an integer value, as JSON text."""
    return f'{{"key":"{key}","value":{{"int_value":"{value}"}}}}'


def double_param(key: str, value: float) -> str:
    """One entry of event_params with a floating value, as JSON text."""
    return f'{{"key":"{key}","value":{{"double_value":{value}}}}}'


def device_fields(code: int) -> tuple[str, str, str]:
    """Category, operating system and browser of a device code."""
    category, variant = code // 4, code % 4
    family = min(category, 1)
    return CATEGORIES[category], SYSTEMS[family][variant], BROWSERS[family][variant]


def landing_params(facts: VisitFacts, row: int, location: str, title: str) -> str:
    """The parameters of the page on which a visit landed: where it came from."""
    source, medium, name = campaign_of(CHANNELS[facts.channel[row]], int(facts.campaign[row]))
    parts = [string_param("page_location", location + facts.query[row]), string_param("page_title", title)]
    referrer = landing_referrer(source, medium)
    parts += [string_param("page_referrer", referrer)] if referrer else []
    if medium != "(none)":
        parts += [string_param("source", source), string_param("medium", medium)]
        parts += [string_param("campaign", name)] if name else []
    return ",".join(parts)


def landing_referrer(source: str, medium: str) -> str:
    """The referrer of a visit, '' where the browser sends none."""
    if medium in ("organic", "cpc"):
        return REFERRERS[source]
    return f"https://{source}/" if medium in ("referral", "affiliate") else ""


def page_params(number: int) -> str:
    """The parameters of a page further into the visit."""
    path, title = PAGES[number]
    return f"{string_param('page_location', HOST + path)},{string_param('page_title', title)}"


class LineWriter:
    """Turns a block's web events into JSON lines; strings that repeat are made once."""

    def __init__(self, events: WebEvents, facts: VisitFacts, calendar: Calendar) -> None:
        self.events, self.facts, self.calendar = events, facts, calendar
        self._pages = texts([page_params(number) for number in range(len(PAGES))])
        self._names = texts(list(EVENT_NAMES))
        self._dates = texts(calendar.dates)
        self._engagements = texts(
            ["", *("," + int_param("engagement_time_msec", n * 100) for n in range(1, 601))]
        )
        self._starts = texts([self._start(row) for row in range(len(facts.customer))])
        self._tails = texts([self._tail(row) for row in range(len(facts.customer))])

    def _start(self, row: int) -> str:
        if self.facts.is_denied[row]:
            return ""
        session = int_param("ga_session_id", int(self.facts.start_us[row]) // SECOND)
        return f"{session},{int_param('ga_session_number', int(self.facts.number[row]))},"

    def _tail(self, row: int) -> str:
        """Everything behind the event's own fields that is the same for the whole visit."""
        facts = self.facts
        cookie_id = facts.cookie_id[row]
        consent = "No" if facts.is_denied[row] else "Yes"
        category, system, browser = device_fields(int(facts.device[row]))
        country, city, language = PLACES[facts.place[row]]
        first = campaign_of(CHANNELS[facts.first_channel[row]], int(facts.first_campaign[row]))
        source, medium, name = campaign_of(CHANNELS[facts.channel[row]], int(facts.campaign[row]))
        identity = f'"user_pseudo_id":"{cookie_id}",' if cookie_id else ""
        touch = f'"user_first_touch_timestamp":"{facts.first_seen_us[row]}",' if cookie_id else ""
        return (
            f'{identity}"privacy_info":{{"analytics_storage":"{consent}","ads_storage":"{consent}",'
            f'"uses_transient_token":"{"Yes" if consent == "No" else "No"}"}},{touch}'
            f'"device":{{"category":"{category}","operating_system":"{system}","language":"{language}",'
            f'"web_info":{{"browser":"{browser}","hostname":"shop.example.com"}}}},'
            f'"geo":{{"country":"{country}","city":"{city}"}},'
            f'"traffic_source":{{"name":"{first[2] or "(" + first[1].strip("()") + ")"}","medium":"{first[1]}",'
            f'"source":"{first[0]}"}},"stream_id":"{STREAM_ID}","platform":"WEB",'
            f'"session_traffic_source_last_click":{{"manual_campaign":{{"source":"{source}","medium":"{medium}",'
            f'"campaign_name":"{name or "(not set)"}"}}}}'
        )

    def lines(self, rows: Ints) -> list[str]:
        """The JSON text of each event in `rows`, without its line end."""
        events, visit = self.events, self.events.visit[rows]
        columns = (
            self._dates[self.calendar.local_day(events.occurred_us[rows])],
            events.occurred_us[rows],
            self._names[events.event[rows]],
            self._starts[visit],
            self._page_texts(rows),
            self._engagements[events.engagement[rows]],
            self._extra_params(rows),
            self._user_texts(rows),
            self._tails[visit],
            self._endings(rows),
        )
        return [
            f'{{"event_date":"{date}","event_timestamp":"{moment}","event_name":"{name}","event_params":['
            f'{start}{page}{engagement}{extra}],"event_bundle_sequence_id":"{moment % 2_000_000_011}",{user}{tail}{end}}}'
            for date, moment, name, start, page, engagement, extra, user, tail, end in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]

    def _page_texts(self, rows: Ints) -> NDArray[np.object_]:
        found = self._pages[self.events.page[rows]]
        for index in np.flatnonzero(self.events.is_landing[rows]).tolist():
            row = rows[index]
            path, title = PAGES[self.events.page[row]]
            found[index] = landing_params(self.facts, int(self.events.visit[row]), HOST + path, title)
        return found

    def _user_texts(self, rows: Ints) -> NDArray[np.object_]:
        users = shown_users(self.events, self.facts, rows)
        return texts([f'"user_id":"{user}",' if user else "" for user in users.tolist()])

    def _extra_params(self, rows: Ints) -> NDArray[np.object_]:
        found = texts([""] * len(rows))
        event = self.events.event[rows]
        for index in np.flatnonzero(np.isin(event, _WITH_EXTRAS)).tolist():
            found[index] = self._extra(int(rows[index]), int(event[index]))
        return found

    def _extra(self, row: int, event: int) -> str:
        visit = int(self.events.visit[row])
        if event == EVENT["purchase"]:
            value = double_param("value", float(self.facts.value[visit]))
            name = string_param("transaction_id", self.facts.transaction[visit])
            return f",{string_param('currency', 'EUR')},{value},{name}"
        if event == EVENT["checkout_error"]:
            return "," + string_param("error_code", ERROR_CODES[visit % 3])
        return "," + string_param("search_term", SEARCH_TERMS[int(self.events.page[row]) - FIRST_SEARCH])

    def _endings(self, rows: Ints) -> NDArray[np.object_]:
        found = texts([""] * len(rows))
        event, product = self.events.event[rows], self.events.product[rows]
        for index in np.flatnonzero((product > 0) | self.events.is_landing[rows]).tolist():
            row = int(rows[index])
            found[index] = self._ending(row, int(event[index]), int(product[index]))
        return found

    def _ending(self, row: int, event: int, product: int) -> str:
        visit = int(self.events.visit[row])
        text = collected_source(self.facts, visit) if self.events.is_landing[row] else ""
        if event == EVENT["purchase"]:
            value = float(self.facts.value[visit])
            text += (
                f',"ecommerce":{{"total_item_quantity":"1","purchase_revenue_in_usd":{round(value * USD_RATE, 2)},'
                f'"purchase_revenue":{value},"transaction_id":"{self.facts.transaction[visit]}"}}'
            )
        if product:
            item = f'"item_id":"P{product}","item_name":"{PAGES[FIRST_PRODUCT + product - 1][1]}","price":{price(product)}'
            text += f',"items":[{{{item},"quantity":"1"}}]'
        return text


_WITH_EXTRAS = [EVENT["purchase"], EVENT["checkout_error"], EVENT["view_search_results"]]


def collected_source(facts: VisitFacts, visit: int) -> str:
    """collected_traffic_source of the landing events, '' where the URL carried nothing."""
    if not facts.query[visit]:
        return ""
    source, medium, name = campaign_of(CHANNELS[facts.channel[visit]], int(facts.campaign[visit]))
    click = f',"gclid":"{facts.click_id[visit]}"' if facts.click_id[visit] else ""
    return (
        f',"collected_traffic_source":{{"manual_campaign_name":"{name}","manual_source":"{source}",'
        f'"manual_medium":"{medium}"{click}}}'
    )


def break_line(line: str, kind: int) -> bytes:
    """The line with the defect of its kind."""
    if kind == TRUNCATED:
        return line[: len(line) * 3 // 5].encode()
    if kind == NOT_UTF8:
        return line.encode().replace(b'"page_title"', b'"page\xfftitle"', 1)
    if kind == FAR_YEAR:
        head, rest = line.split('"event_timestamp":"', 1)
        return f'{head}"event_timestamp":"{FAR_YEAR_US}"{rest[rest.index(chr(34)) + 1 :]}'.encode()
    head, rest = line.split('"event_name":"', 1)
    return f'{head}"event_name":""{rest[rest.index(chr(34)) + 1 :]}'.encode()


def daily_members(writer: LineWriter, layout: Layout, level: int) -> Iterator[bytes]:
    """For each day one gzip member with the block's lines (empty where there are none)."""
    bounds = layout.bounds(writer.calendar.days).tolist()
    for start, end in pairwise(bounds):
        if start == end:
            yield b""
            continue
        kinds = layout.kind[start:end]
        lines: list[bytes] = [line.encode() for line in writer.lines(layout.row[start:end])]
        for index in np.flatnonzero(kinds >= TRUNCATED).tolist():
            lines[index] = break_line(lines[index].decode(), int(kinds[index]))
        yield gzip.compress(b"\n".join(lines) + b"\n", compresslevel=level, mtime=0)
