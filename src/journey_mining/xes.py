"""Event logs in XES (IEEE 1849-2016): a trace for each journey or customer, an event for each step."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import quoteattr

from journey_mining.mining.graph import xml_text
from journey_mining.streaming import stream_rows, utc_text
from journey_mining.warehouse import Connection

_EXTENSIONS = ("Concept", "Time", "Lifecycle")
_TRACE = ("customer_id", "state", "entry_channel")
"""Attributes of a trace, beside its name."""
_STEP = ("channel", "stage")
"""Attributes of an event that are texts."""


def write_xes(connection: Connection, path: Path, unit: str = "journeys") -> None:
    """Write the steps of all journeys but those of machines; `unit` (journeys, customers) makes the traces.

    Direct repeats of a touchpoint are one event with a repeat_count, as in the published transitions, whose counts
    the log's directly-follows graph has. Times are the steps' first contacts, UTC.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        _write_header(file, unit)
        rows = stream_rows(connection, f"xes_{unit}")
        for case_id, steps in groupby(rows, key=lambda row: row.case_id):
            _write_trace(file, str(case_id), steps)
        file.write("</log>\n")


def _write_header(file: TextIO, unit: str) -> None:
    file.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    file.write('<log xes.version="1849-2016" xes.features="" xmlns="http://www.xes-standard.org/">\n')
    for name in _EXTENSIONS:
        prefix = name.lower()
        uri = f"http://www.xes-standard.org/{prefix}.xesext"
        file.write(f'<extension name="{name}" prefix="{prefix}" uri="{uri}"/>\n')
    file.write(f'<global scope="trace">{_text("concept:name", "")}</global>\n')
    file.write(
        f'<global scope="event">{_text("concept:name", "")}{_text("lifecycle:transition", "complete")}'
        '<date key="time:timestamp" value="1970-01-01T00:00:00+00:00"/></global>\n'
    )
    file.write('<classifier name="Activity" keys="concept:name"/>\n')
    file.write(_text("concept:name", f"customer journeys, a trace for each of the {unit}") + "\n")


def _write_trace(file: TextIO, name: str, steps: Any) -> None:
    first = next(steps)
    file.write(f"<trace>{_text('concept:name', name)}{_texts(first, _TRACE)}\n")
    _write_event(file, first)
    for step in steps:
        _write_event(file, step)
    file.write("</trace>\n")


def _write_event(file: TextIO, step: Any) -> None:
    file.write(
        f"<event>{_text('concept:name', step.touchpoint)}"
        f'<date key="time:timestamp" value="{utc_text(step.started_at)}"/>'
        f"{_text('lifecycle:transition', 'complete')}{_texts(step, _STEP)}"
        f'<int key="repeat_count" value="{step.repeat_count}"/>'
        f'<date key="ended_at" value="{utc_text(step.ended_at)}"/></event>\n'
    )


def _texts(row: Any, names: tuple[str, ...]) -> str:
    """The attributes that have a value."""
    values = ((name, getattr(row, name)) for name in names)
    return "".join(_text(name, str(value)) for name, value in values if value is not None)


@lru_cache(maxsize=4096)
def _text(key: str, value: str) -> str:
    return f'<string key="{key}" value={quoteattr(xml_text(value))}/>'
