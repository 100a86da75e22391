"""Event logs in OCEL 2.0 (JSON): contacts, and the customers, journeys, tickets, deals and orders that they are about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from journey_mining.streaming import stream_rows, utc_text
from journey_mining.warehouse import Connection

_BEGINNING = "1970-01-01T00:00:00+00:00"
"""The moment from which an attribute that never changes holds, by the standard."""
_CUSTOMER, _JOURNEY = "customer", "journey"
_ATTRIBUTES = {
    "channel": "string", "stage": "string", "device": "string", "status": "string", "actor": "string",
    "value": "float", "currency": "string", "score": "float",
}  # fmt: skip
"""Attributes of an event, with their type in the standard."""
Item = dict[str, Any]
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
"""One encoder for all: `json.dumps` would make one for each event."""


def write_ocel(connection: Connection, path: Path) -> None:
    """Write every contact of the journeys that persons make, and the objects that it relates to; times are UTC."""
    types = [row.object_type for row in stream_rows(connection, "ocel_object_types")]
    touchpoints = [row.touchpoint for row in stream_rows(connection, "ocel_event_types")]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("{")
        _write_list(file, "objectTypes", _list_object_types(types))
        file.write(",")
        _write_list(file, "eventTypes", (_declare(name, _ATTRIBUTES) for name in touchpoints))
        file.write(",")
        _write_list(file, "objects", _list_objects(connection))
        file.write(",")
        _write_list(file, "events", map(_build_event, stream_rows(connection, "ocel_events")))
        file.write("}\n")


def _write_list(file: TextIO, key: str, items: Iterable[Item]) -> None:
    file.write(f'\n"{key}": [')
    for number, item in enumerate(items):
        file.write(",\n" if number else "\n")
        file.write(_encode(item))
    file.write("]")


def _declare(name: str, attributes: dict[str, str]) -> Item:
    return {"name": name, "attributes": [{"name": key, "type": kind} for key, kind in attributes.items()]}


def _list_object_types(types: list[str]) -> Iterator[Item]:
    yield _declare(_CUSTOMER, {"sources": "string"})
    yield _declare(_JOURNEY, {"state": "string", "entry_channel": "string"})
    for name in types:
        yield _declare(_type_name(name), {"source": "string", "status": "string"})


def _type_name(object_type: str) -> str:
    """The object's type; one that a source calls as this project calls its own gets the word object before it."""
    return f"object {object_type}" if object_type in (_CUSTOMER, _JOURNEY) else object_type


def _object_id(row: Any) -> str:
    """Ids hold within a source only: 4711 may be a ticket of one system and an order of another."""
    return f"{row.source}/{_type_name(row.object_type)}/{row.object_id}"


def _list_objects(connection: Connection) -> Iterator[Item]:
    for row in stream_rows(connection, "ocel_customers"):
        yield _build_object(f"{_CUSTOMER}/{row.customer_id}", _CUSTOMER, {"sources": row.sources})
    for row in stream_rows(connection, "ocel_journeys"):
        item = _build_object(
            f"{_JOURNEY}/{row.journey_id}", _JOURNEY, {"state": row.state, "entry_channel": row.entry_channel}
        )
        yield {**item, "relationships": [_relate(f"{_CUSTOMER}/{row.customer_id}", "made by")]}
    for key, rows in groupby(stream_rows(connection, "ocel_objects"), key=_object_id):
        changes = list(rows)
        item = _build_object(key, _type_name(changes[0].object_type), {"source": changes[0].source})
        item["attributes"] += [
            _attribute("status", row.status, row.changed_at) for row in changes if row.status is not None
        ]
        yield item


def _build_object(key: str, kind: str, attributes: dict[str, Any]) -> Item:
    held = [_attribute(name, value) for name, value in attributes.items() if value is not None]
    return {"id": key, "type": kind, "attributes": held}


def _attribute(name: str, value: Any, since: datetime | None = None) -> Item:
    return {"name": name, "time": _BEGINNING if since is None else utc_text(since), "value": value}


def _relate(key: str, qualifier: str) -> Item:
    return {"objectId": key, "qualifier": qualifier}


def _build_event(row: Any) -> Item:
    relations = [_relate(f"{_CUSTOMER}/{row.customer_id}", "customer"),
                 _relate(f"{_JOURNEY}/{row.journey_id}", "journey")]  # fmt: skip
    if row.object_id is not None:
        relations.append(_relate(_object_id(row), "about"))
    values = ((name, getattr(row, name)) for name in _ATTRIBUTES)
    return {
        "id": str(row.event_id),
        "type": row.touchpoint,
        "time": utc_text(row.occurred_at),
        "attributes": [{"name": name, "value": value} for name, value in values if value is not None],
        "relationships": relations,
    }
