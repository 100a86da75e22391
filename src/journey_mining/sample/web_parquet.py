"""GA4's BigQuery export as Parquet: nested records, real integers, one row group after the other per day."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet
from numpy.typing import NDArray

from journey_mining.sample.arrays import blank_where
from journey_mining.sample.block import Block
from journey_mining.sample.catalog import (
    EVENT,
    EVENT_NAMES,
    FIRST_PRODUCT,
    FIRST_SEARCH,
    HOST,
    PAGES,
    SEARCH_TERMS,
    campaign_of,
    price,
)
from journey_mining.sample.clock import SECOND, Calendar, Flags, Ints
from journey_mining.sample.visits import CHANNELS
from journey_mining.sample.web_events import shown_users
from journey_mining.sample.web_json import (
    ERROR_CODES,
    PLACES,
    STREAM_ID,
    USD_RATE,
    device_fields,
    landing_referrer,
)
from journey_mining.sample.web_layout import FAR_YEAR, FAR_YEAR_US, NO_NAME, Layout

GROUP_ROWS = 122_880
"""Rows of a row group, as large as DuckDB likes them."""
TEXT, NUMBER = pa.string(), pa.int64()


def _record(**fields: pa.DataType) -> pa.DataType:
    return pa.struct(list(fields.items()))


PARAM_VALUE = _record(
    string_value=TEXT, int_value=NUMBER, float_value=pa.float64(), double_value=pa.float64()
)
PARAMS = pa.list_(_record(key=TEXT, value=PARAM_VALUE))
ITEMS = pa.list_(_record(item_id=TEXT, item_name=TEXT, price=pa.float64(), quantity=NUMBER))
CAMPAIGN = _record(source=TEXT, medium=TEXT, campaign_name=TEXT)
SCHEMA = pa.schema(
    {
        "event_date": TEXT,
        "event_timestamp": NUMBER,
        "event_name": TEXT,
        "event_params": PARAMS,
        "event_bundle_sequence_id": NUMBER,
        "user_id": TEXT,
        "user_pseudo_id": TEXT,
        "privacy_info": _record(analytics_storage=TEXT, ads_storage=TEXT, uses_transient_token=TEXT),
        "user_first_touch_timestamp": NUMBER,
        "device": _record(
            category=TEXT, operating_system=TEXT, language=TEXT, web_info=_record(browser=TEXT, hostname=TEXT)
        ),
        "geo": _record(country=TEXT, city=TEXT),
        "traffic_source": _record(name=TEXT, medium=TEXT, source=TEXT),
        "stream_id": TEXT,
        "platform": TEXT,
        "ecommerce": _record(
            total_item_quantity=NUMBER,
            purchase_revenue_in_usd=pa.float64(),
            purchase_revenue=pa.float64(),
            transaction_id=TEXT,
        ),
        "items": ITEMS,
        "collected_traffic_source": _record(
            manual_campaign_name=TEXT, manual_source=TEXT, manual_medium=TEXT, gclid=TEXT
        ),
        "session_traffic_source_last_click": _record(manual_campaign=CAMPAIGN),
    }
)
DEVICE_COUNT = 12
CAMPAIGN_LIMIT = 64
"""Campaign numbers of a channel are below this."""
_LANDING_KEYS = ("page_referrer", "source", "medium", "campaign")


class _Tables:
    """Small arrays of everything that repeats, to be taken by number."""

    def __init__(self) -> None:
        self.location = pa.array([HOST + path for path, _ in PAGES], TEXT)
        self.title = pa.array([title for _, title in PAGES], TEXT)
        self.event = pa.array(EVENT_NAMES, TEXT)
        devices = [_device(device, place) for device in range(DEVICE_COUNT) for place in range(len(PLACES))]
        self.device = pa.array(devices, _type("device"))
        self.place = pa.array([{"country": land, "city": city} for land, city, _ in PLACES], _type("geo"))
        self.consent = pa.array([_consent("Yes", "No"), _consent("No", "Yes")], _type("privacy_info"))
        self.item = pa.array(_all_items(), ITEMS)
        self.error = pa.array(ERROR_CODES, TEXT)
        self.term = pa.array(SEARCH_TERMS, TEXT)
        self._add_campaigns(
            [campaign_of(name, number) for name in CHANNELS for number in range(CAMPAIGN_LIMIT)]
        )

    def _add_campaigns(self, campaigns: list[tuple[str, str, str]]) -> None:
        """The columns that depend on the campaign alone."""
        sessions = [
            {"manual_campaign": {"source": s, "medium": m, "campaign_name": n or "(not set)"}}
            for s, m, n in campaigns
        ]
        self.campaign = pa.array(sessions, _type("session_traffic_source_last_click"))
        users = [{"name": n or f"({m.strip('()')})", "medium": m, "source": s} for s, m, n in campaigns]
        self.first = pa.array(users, _type("traffic_source"))
        self.source = pa.array([None if m == "(none)" else s for s, m, _ in campaigns], TEXT)
        self.medium = pa.array([None if m == "(none)" else m for _, m, _ in campaigns], TEXT)
        self.name = pa.array([n or None for _, _, n in campaigns], TEXT)
        self.referrer = pa.array([landing_referrer(s, m) or None for s, m, _ in campaigns], TEXT)


def _type(column: str) -> pa.DataType:
    return SCHEMA.field(column).type


def _device(device: int, place: int) -> dict[str, object]:
    category, system, browser = device_fields(device)
    web = {"browser": browser, "hostname": "shop.example.com"}
    return {"category": category, "operating_system": system, "language": PLACES[place][2], "web_info": web}


def _consent(storage: str, token: str) -> dict[str, str]:
    return {"analytics_storage": storage, "ads_storage": storage, "uses_transient_token": token}


def _item(product: int) -> dict[str, object]:
    title = PAGES[FIRST_PRODUCT + product - 1][1]
    return {"item_id": f"P{product}", "item_name": title, "price": price(product), "quantity": 1}


def _all_items() -> list[list[dict[str, object]]]:
    """No item, then one list per product."""
    return [[], *([_item(product)] for product in range(1, len(PAGES) - FIRST_PRODUCT + 1))]


class BatchWriter:
    """Turns a block's web events into record batches."""

    def __init__(self, block: Block, calendar: Calendar) -> None:
        self.events, self.facts, self.calendar, self.tables = block.events, block.facts, calendar, _Tables()
        self._dates = pa.array(calendar.dates, TEXT)
        self._cookies = pa.array(self.facts.cookie_id, TEXT)
        self._clicks = pa.array(blank_where(self.facts.click_id == "", self.facts.click_id), TEXT)
        self._campaign = self.facts.channel * CAMPAIGN_LIMIT + self.facts.campaign
        self._first = self.facts.first_channel * CAMPAIGN_LIMIT + self.facts.first_campaign

    def batch(self, rows: Ints, kinds: Ints) -> pa.RecordBatch:
        """The events of `rows`, broken where their kind says so."""
        events, facts, tables, visit = self.events, self.facts, self.tables, self.events.visit[rows]
        occurred, names = events.occurred_us[rows], tables.event.take(events.event[rows])
        shown = np.where(kinds == FAR_YEAR, FAR_YEAR_US, occurred)
        denied = facts.is_denied[visit]
        device = facts.device[visit] * len(PLACES) + facts.place[visit]
        columns = {
            "event_date": self._dates.take(self.calendar.local_day(occurred)),
            "event_timestamp": pa.array(shown),
            "event_name": pa.compute.if_else(pa.array(kinds == NO_NAME), "", names),
            "event_params": self._params(rows, visit),
            "event_bundle_sequence_id": pa.array(occurred % 2_000_000_011),
            "user_id": pa.array(shown_users(events, facts, rows), TEXT),
            "user_pseudo_id": self._cookies.take(visit),
            "privacy_info": tables.consent.take(denied.astype(np.int64)),
            "user_first_touch_timestamp": pa.array(facts.first_seen_us[visit], mask=denied),
            "device": tables.device.take(device),
            "geo": tables.place.take(facts.place[visit]),
            "traffic_source": tables.first.take(self._first[visit]),
            "stream_id": _constant(STREAM_ID, len(rows)),
            "platform": _constant("WEB", len(rows)),
            "ecommerce": self._ecommerce(rows, visit),
            "items": tables.item.take(events.product[rows]),
            "collected_traffic_source": self._collected(rows, visit),
            "session_traffic_source_last_click": tables.campaign.take(self._campaign[visit]),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)

    def _ecommerce(self, rows: Ints, visit: Ints) -> pa.Array:
        is_purchase = self.events.event[rows] == EVENT["purchase"]
        value = self.facts.value[visit]
        fields = [
            pa.array(np.ones(len(rows), dtype=np.int64)),
            pa.array(np.round(value * USD_RATE, 2)),
            pa.array(value),
            pa.array(blank_where(~is_purchase, self.facts.transaction[visit]), TEXT),
        ]
        return pa.StructArray.from_arrays(
            fields, fields=list(_type("ecommerce")), mask=pa.array(~is_purchase)
        )

    def _collected(self, rows: Ints, visit: Ints) -> pa.Array:
        hidden = ~(self.events.is_landing[rows] & (self.facts.query[visit] != ""))
        campaign = self._campaign[visit]
        fields = [self.tables.name.take(campaign), self.tables.source.take(campaign)]
        fields += [self.tables.medium.take(campaign), self._clicks.take(visit)]
        columns = list(_type("collected_traffic_source"))
        return pa.StructArray.from_arrays(fields, fields=columns, mask=pa.array(hidden))

    def _params(self, rows: Ints, visit: Ints) -> pa.Array:
        """event_params: parameter by parameter, then put into the order of the rows."""
        columns = self._param_columns(rows, visit)
        present = np.stack([column[1] for column in columns], axis=1)
        row, param = np.nonzero(present)
        before = np.cumsum(present.sum(axis=0)) - present.sum(axis=0)
        order = before[param] + (np.cumsum(present, axis=0) - 1)[row, param]
        keys = pa.array([column[0] for column in columns], TEXT).take(param)
        filled = [column[2].filter(pa.array(column[1])) for column in columns]
        values = [_concatenate(filled, kind).take(order) for kind in (TEXT, NUMBER, pa.float64())]
        blank = pa.nulls(len(order), pa.float64())
        value = pa.StructArray.from_arrays([values[0], values[1], blank, values[2]], fields=list(PARAM_VALUE))
        entries = pa.StructArray.from_arrays([keys, value], fields=list(PARAMS.value_type))
        offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), entries, type=PARAMS)

    def _param_columns(self, rows: Ints, visit: Ints) -> list[tuple[str, Flags, pa.Array]]:
        """Key, on which rows, and a value for every row."""
        events, facts, tables = self.events, self.facts, self.tables
        event, campaign, landing = events.event[rows], self._campaign[visit], events.is_landing[rows]
        known, everywhere = ~facts.is_denied[visit], np.ones(len(rows), dtype=np.bool_)
        bought = event == EVENT["purchase"]
        landed = [
            (key, table.take(campaign))
            for key, table in zip(_LANDING_KEYS, self._landing_tables(), strict=True)
        ]
        found = event == EVENT["view_search_results"]
        term = np.where(found, events.page[rows] - FIRST_SEARCH, 0)
        return [
            ("ga_session_id", known, pa.array(facts.start_us[visit] // SECOND)),
            ("ga_session_number", known, pa.array(facts.number[visit])),
            ("page_location", everywhere, self._locations(rows, visit, landing)),
            ("page_title", everywhere, tables.title.take(events.page[rows])),
            *((key, landing & np.asarray(values.is_valid()), values) for key, values in landed),
            ("engagement_time_msec", events.engagement[rows] > 0, pa.array(events.engagement[rows] * 100)),
            ("currency", bought, _constant("EUR", len(rows))),
            ("value", bought, pa.array(facts.value[visit])),
            ("transaction_id", bought, pa.array(facts.transaction[visit], TEXT)),
            ("error_code", event == EVENT["checkout_error"], tables.error.take(visit % len(ERROR_CODES))),
            ("search_term", found, tables.term.take(term)),
        ]

    def _landing_tables(self) -> tuple[pa.Array, ...]:
        return self.tables.referrer, self.tables.source, self.tables.medium, self.tables.name

    def _locations(self, rows: Ints, visit: Ints, landing: Flags) -> pa.Array:
        plain = self.tables.location.take(self.events.page[rows])
        queries: NDArray[np.object_] = np.where(landing, self.facts.query[visit], "")
        return pa.compute.binary_join_element_wise(plain, pa.array(queries, TEXT), "")


def _constant(value: str, size: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, TEXT), size)


def _concatenate(arrays: list[pa.Array], kind: pa.DataType) -> pa.Array:
    """The arrays in a row, those of another type as nulls."""
    return pa.concat_arrays([array if array.type == kind else pa.nulls(len(array), kind) for array in arrays])


def write_daily_batches(path: Path, block: Block, layout: Layout, calendar: Calendar) -> list[int]:
    """The rows of each day; writes one record batch per day to an Arrow file."""
    bounds = layout.bounds(calendar.days).tolist()
    writer = BatchWriter(block, calendar)
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_file(path, SCHEMA, options=options) as file:
        for start, end in pairwise(bounds):
            file.write_batch(writer.batch(layout.row[start:end], layout.kind[start:end]))
    return [end - start for start, end in pairwise(bounds)]


def join_daily_batches(sources: list[Path], target: Path, day: int) -> None:
    """Writes one day's Parquet file from the blocks' batches of that day, in row groups of bounded size."""
    with pa.parquet.ParquetWriter(target, SCHEMA, compression="zstd") as file:
        for table in _gather_groups(_read_batch(source, day) for source in sources):
            file.write_table(table, row_group_size=GROUP_ROWS)


def _read_batch(source: Path, day: int) -> pa.RecordBatch:
    with pa.memory_map(str(source)) as mapped:
        return pa.ipc.open_file(mapped).get_batch(day)


def _gather_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(len(part) for part in held) >= GROUP_ROWS:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)
