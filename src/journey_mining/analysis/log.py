"""The event log that questions are asked of: a published database, or events loaded into memory."""

from __future__ import annotations

import difflib
import re
import sys
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Number
from typing import Any

import duckdb
import pandas as pd
from pandas.api.types import is_object_dtype

from journey_mining.analysis.arrow_frames import READABLE, frame_of
from journey_mining.errors import QueryError
from journey_mining.warehouse import Connection, quoted_name

MISSING = "(missing)"
"""Touchpoint of an event that names none: it matches nothing, and no transition bridges it."""
NEAR = 0.8
"""Similarity (difflib) from which an unknown name is taken for a misspelt one."""
_NUMBER = re.compile(r"(\d+|(?<=_)[a-z])$")
ENRICHED = frozenset({"session_id", "journey_id", "stage", "channel"})
"""Columns of `events` that questions of the API name, and that a log in memory has only after deriving its journeys."""


@dataclass
class EventLog:
    """Events and what was derived from them, behind one connection.

    `derive` makes a table be there (nothing to do in a published database, a model to run in memory);
    `tie_order` are the columns that order events of equal time.
    """

    connection: Connection
    derive: Callable[[str], None]
    tie_order: tuple[str, ...]
    is_loaded: bool
    """Loaded into memory: names that no event has may be meant, since such a log is often a part."""
    declared: tuple[str, ...] = ()
    """Touchpoints that may occur though no event has them."""
    settings: dict[str, str | None] = field(default_factory=dict)
    enriched: frozenset[str] = ENRICHED
    """Columns of `events` that a log in memory has only after its journeys were derived."""
    keep: Any = None
    """What must live as long as the log: the temporary folder of a log in memory."""

    def require(self, *tables: str) -> None:
        """Make the tables be there."""
        for table in tables:
            self.derive(table)

    def read(self, query: str, repeated: Sequence[str] = ()) -> pd.DataFrame:
        """The rows of a query, ids as text; raises QueryError.

        A UUID would be a Python object a cell, which takes several times as long to make as most answers to find.
        Columns in `repeated` hold few different texts, and are read as categories.
        """
        try:
            kinds = self._describe(query)
            ids = [name for name, kind in kinds.items() if kind == "UUID"]
            if ids and ";" not in query:
                texts = ", ".join(f"cast({name} as varchar) as {name}" for name in map(quoted_name, ids))
                query = f"select * replace ({texts}) from (\n{query}\n)"
            if kinds and READABLE.issuperset(kinds.values()) and (";" not in query or not ids):
                return frame_of(self.connection.sql(query).to_arrow_table(), repeated)
            frame = self.connection.execute(query).df()
        except duckdb.Error as error:
            raise QueryError(f"The query failed: {str(error).strip()}") from error
        return _spell_ids(frame)

    def _describe(self, query: str) -> dict[str, str]:
        """The columns of a query with their types; none where they cannot be named one by one in a query around it."""
        try:
            described = self.connection.execute(f"describe {query}").fetchall()
        except duckdb.Error:  # an EXPLAIN, or a query whose own error is to be told
            return {}
        is_plain = len({str(name).lower() for name, *_ in described}) == len(described)
        return {str(name): str(kind) for name, kind, *_ in described} if is_plain else {}

    @contextmanager
    def keeping(self, table: str, query: str) -> Iterator[None]:
        """The rows of a query as a temporary table, while the context lasts; raises QueryError."""
        try:
            self.connection.execute(f"create or replace temp table {table} as {query}")
        except duckdb.Error as error:
            raise QueryError(f"The query failed: {str(error).strip()}") from error
        try:
            yield
        finally:
            self.connection.execute(f"drop table if exists temp.{table}")

    def value(self, query: str) -> Any:
        """The first column of the only row of a query."""
        rows = self.connection.execute(query).fetchall()
        return rows[0][0] if rows else None

    @property
    def columns(self) -> dict[str, str]:
        """Columns of `events` with their types, also those that are derived on demand."""
        rows = self.connection.execute("describe events").fetchall()
        found = {str(row[0]): str(row[1]) for row in rows}
        return {**dict.fromkeys(sorted(ENRICHED), "VARCHAR"), **found} if self.is_loaded else found

    @cached_property
    def derived_columns(self) -> frozenset[str]:
        """Columns of `events` that a log in memory has only after its journeys were derived; a stage is always checked."""
        if not self.is_loaded:
            return frozenset()
        given = {str(row[0]).lower() for row in self.connection.execute("describe given_events").fetchall()}
        return self.enriched - (given - {"stage"})

    def require_columns(self, names: Iterable[str]) -> None:
        """Make columns of `events` be there; raises QueryError naming the nearest one."""
        known = {name.lower(): name for name in (*self.derived_columns, *self.columns)}
        for name in names:
            if name.lower() not in known:
                near = difflib.get_close_matches(name.lower(), known, 1, 0.6)
                raise QueryError(
                    f"The events have no column '{name}'.",
                    expected="one of " + ", ".join(known.values()),
                    fix=f"did you mean '{known[near[0]]}'?" if near else "name one of these",
                )
            if self.is_loaded and name.lower() in self.derived_columns:
                self.require("events")

    @cached_property
    def has_flags(self) -> bool:
        """Whether journeys that no person makes are in the log; those of events given by hand are all a person's."""
        return not self.is_loaded and bool(self.value("select count(*) from journeys where is_flagged"))

    @cached_property
    def has_ordinals(self) -> bool:
        """Whether an event's place among those of its customer needs no window."""
        return self.is_loaded or "event_ordinal" in self.columns

    @cached_property
    def touchpoints(self) -> list[str]:
        """The names of all touchpoints, sorted."""
        rows = self.connection.execute(
            "select distinct touchpoint from events where touchpoint is not null order by touchpoint"
        ).fetchall()
        return [str(row[0]) for row in rows]

    @cached_property
    def background_touchpoints(self) -> frozenset[str]:
        """The touchpoints of background events, which may have other events too."""
        if "is_background" not in self.columns:
            return frozenset()
        query = "select distinct touchpoint from events where is_background and touchpoint is not null"
        return frozenset(str(row[0]) for row in self.connection.execute(query).fetchall())

    @cached_property
    def stages(self) -> list[str]:
        """The stages in their order."""
        self.require("stages")
        rows = self.connection.execute("select stage from stages order by stage_number").fetchall()
        return [str(row[0]) for row in rows]

    @cached_property
    def cutoff_us(self) -> int:
        """The horizon of the data in microseconds: the run's cutoff, or the latest event."""
        if not self.is_loaded and self.settings.get("cutoff_at"):
            return int(self.value(f"select epoch_us(timestamptz '{self.settings['cutoff_at']}')"))
        return int(self.value("select coalesce(max(occurred_us), 0) from events"))

    def check_touchpoint(self, name: Any, renamed: list[str] | None = None) -> str:
        """The name itself; raises QueryError naming the nearest touchpoints when no event has it, and for what is no text.

        In a log in memory an unknown name that resembles none is answered (nobody reached it) with a warning.
        `renamed`: the names that count where a question calls touchpoints otherwise than the events do.
        """
        if not isinstance(name, str):
            raise QueryError(
                f"{name!r} is no touchpoint.", expected="a touchpoint's name (text)", fix=spell_as_text(name)
            )
        known = self.touchpoints if renamed is None else renamed
        if name in known or (renamed is None and name in self.declared):
            return name
        near = nearest(name, known, NEAR if self.is_loaded else 0.4)
        if self.is_loaded:  # 'step 3' is no misspelt 'step 2'
            near = [one for one in near if _plain(one) == _plain(name) or _series(one) != _series(name)]
        if near or not self.is_loaded:
            raise QueryError(
                f"No event has the touchpoint '{name}'.",
                expected=_listed(known),
                fix=f"did you mean {' or '.join(repr(one) for one in near)}?"
                if near
                else "name one of these",
            )
        warn_caller(f"No event has the touchpoint '{name}': nobody reached it.")
        return name

    def check_stage(self, name: str) -> str:
        """The stage itself; raises QueryError naming the nearest stages."""
        if name not in self.stages:
            near = difflib.get_close_matches(name, self.stages, 1, 0.5)
            raise QueryError(
                f"There is no stage '{name}'.",
                expected="one of " + ", ".join(self.stages),
                fix=f"did you mean '{near[0]}'?" if near else "name one of these",
            )
        return name


def warn_caller(message: str) -> None:
    """Warn at the line outside this package that asked."""
    frame, level = sys._getframe(), 1
    while (
        frame.f_back is not None
        and frame.f_globals.get("__name__", "").split(".")[0] == __name__.split(".")[0]
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)


def spell_as_text(given: Any) -> str | None:
    """What to write in the place of a number that stands for a name; None for what is no number.

    >>> spell_as_text(1000)
    'write "1000"'
    """
    return f'write "{given}"' if isinstance(given, Number) else None


def nearest(name: str, known: Iterable[str], cutoff: float) -> list[str]:
    """Up to three known names that resemble `name`, whatever their case, blanks and hyphens.

    >>> nearest("Add to cart", ["add_to_cart", "catalog"], 0.8)
    ['add_to_cart']
    """
    plain = {_plain(one): one for one in known}
    return [plain[one] for one in difflib.get_close_matches(_plain(name), plain, 3, cutoff)]


def _series(name: str) -> str:
    """What is left of a name without the number, or single letter, that it ends with."""
    return _NUMBER.sub("", _plain(name))


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def _listed(known: list[str]) -> str:
    shown = ", ".join(known[:20])
    return f"one of {shown}" + (f", … ({len(known)} in all)" if len(known) > 20 else "")


def _spell_ids(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with text in the place of UUIDs."""
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if is_object_dtype(column) and isinstance(next(iter(column.dropna()), None), uuid.UUID):
            frame.isetitem(place, column.map(str, na_action="ignore").astype("str").array)
    return frame
