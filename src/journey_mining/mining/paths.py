"""Paths to conversion or loss as arrays: one entry a contact, the contacts of a path next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from journey_mining.errors import MiningError
from journey_mining.mining.graph import END, START
from journey_mining.mining.markov import Context
from journey_mining.mining.removal import CONVERTED, LOST, Moves
from journey_mining.mining.statistics import FloatArray

IntArray = NDArray[np.int64]
Path = tuple[str, ...]
_CODES_COUNTED = 1 << 20
"""Up to so many possible codes they are counted, which is several times as fast as sorting them."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Checked paths in a settled order; each has one contact or more."""

    channels: list[str]
    """Names of the channels, in order."""
    path: IntArray
    """Number of each contact's path, ascending from 0."""
    channel: IntArray
    """Number of each contact's channel."""
    days: FloatArray
    """Days from each contact to the conversion, NaN without times."""
    conversions: FloatArray
    """Of each path: how often it converted."""
    nulls: FloatArray
    """Of each path: how often it was walked without converting."""
    value: FloatArray
    """Of each path: value of all its conversions."""
    customers: NDArray[Any] | None
    """Of each path: its customer."""

    @cached_property
    def lengths(self) -> IntArray:
        """Contacts of each path."""
        return np.bincount(self.path, minlength=len(self.conversions)).astype(np.int64)

    @cached_property
    def starts(self) -> IntArray:
        """Where each path begins."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def place(self) -> IntArray:
        """Position of each contact in its path, from 0."""
        return np.arange(len(self.path)) - self.starts[self.path]

    @cached_property
    def length(self) -> IntArray:
        """For each contact the length of its path."""
        return self.lengths[self.path]

    @cached_property
    def is_first(self) -> NDArray[np.bool_]:
        """Whether each contact is the first of its channel in its path."""
        is_first = np.zeros(len(self.path), dtype=bool)
        is_first[np.unique(self.path * len(self.channels) + self.channel, return_index=True)[1]] = True
        return is_first

    @cached_property
    def converting(self) -> Paths:
        """The paths that convert."""
        chosen = self.conversions > 0
        kept = chosen[self.path]
        return replace(
            self,
            path=(np.cumsum(chosen) - 1)[self.path[kept]],
            channel=self.channel[kept],
            days=self.days[kept],
            conversions=self.conversions[chosen],
            nulls=self.nulls[chosen],
            value=self.value[chosen],
            customers=None if self.customers is None else self.customers[chosen],
        )

    def total(self, numbers: FloatArray) -> FloatArray:
        """For each contact the sum over its path."""
        return self._spread(np.add, numbers)

    def highest(self, numbers: FloatArray) -> FloatArray:
        """For each contact the maximum over its path."""
        return self._spread(np.maximum, numbers)

    def lowest(self, numbers: FloatArray) -> FloatArray:
        """For each contact the minimum over its path."""
        return self._spread(np.minimum, numbers)

    def _spread(self, reduce: np.ufunc, numbers: FloatArray) -> FloatArray:
        return reduce.reduceat(numbers, self.starts)[self.path] if len(numbers) else numbers

    def list_sets(self) -> list[tuple[int, ...]]:
        """The set of channels (their numbers, ascending) of each path."""
        pairs = np.unique(self.path * len(self.channels) + self.channel)
        path, channel = np.divmod(pairs, max(1, len(self.channels)))
        bounds = np.searchsorted(path, np.arange(1, len(self.conversions)))
        return [tuple(one.tolist()) for one in np.split(channel, bounds)] if len(self.conversions) else []

    def count_moves(self, order: int) -> Moves:
        """The moves of each path from each context of up to `order` contacts, the start and both ends among them, sorted."""
        base, lengths = len(self.channels) + 2, self.lengths + 1
        row = np.repeat(np.arange(len(lengths)), lengths)
        walk = np.ones(len(row), dtype=np.int64)  # 0: before the start; 1: the start
        place = np.arange(len(row)) - (np.cumsum(lengths) - lengths)[row]
        walk[place > 0] = self.channel + 2
        context = np.zeros(len(row), dtype=np.int64)
        for back in range(order):
            context += np.where(place >= back, np.roll(walk, back), 0) * base**back
        following = np.where(place < lengths[row] - 1, np.roll(walk, -1), 0)  # 0: the end
        codes, column = _number(context * base + following, base ** (order + 1))
        ends = np.flatnonzero(codes % base == 0)
        lost_column = np.arange(len(codes))
        lost_column[ends] = len(codes) + np.arange(len(ends))
        names = [None, START, *self.channels]
        steps = [self._spell_move(code, base, order, names) for code in codes.tolist()]
        spelled = [(context, to or CONVERTED) for context, to in steps]
        spelled += [(steps[end][0], LOST) for end in ends]
        columns = sorted(spelled, key=lambda move: (*move[0], move[1]))
        settled = {move: number for number, move in enumerate(columns)}
        rank = np.array([settled[move] for move in spelled], dtype=np.int64)
        shape, ones = (len(lengths), len(columns)), np.ones(len(row))
        bounds = np.r_[0, np.cumsum(lengths)]
        converted, lost = (
            sparse.csr_array((ones, rank[place], bounds), shape=shape)
            for place in (column, lost_column[column])
        )
        return Moves(columns, converted, lost)

    @staticmethod
    def _spell_move(code: int, base: int, order: int, names: list[str | None]) -> tuple[Context, str | None]:
        context, following = divmod(code, base)
        digits = [context // base**back % base for back in reversed(range(order))]
        return tuple(str(names[digit]) for digit in digits if digit), names[following] if following else None


def _number(codes: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """The codes (0 to size - 1) that occur, ascending, and for each code its place among them."""
    if size > _CODES_COUNTED:
        found, place = np.unique(codes, return_inverse=True)
        return found, place
    found = np.flatnonzero(np.bincount(codes, minlength=size))
    place = np.zeros(size, dtype=np.int64)
    place[found] = np.arange(len(found))
    return found, place[codes]


def read_paths(frame: pd.DataFrame, collapses: bool) -> Paths:
    """The checked paths of a frame (mining.attribution.attribute tells its columns); raises MiningError.

    Sorted, so that the order of rows decides nothing. `collapses`: consecutive contacts through one channel count
    once, at the time of the last.
    """
    lacking = sorted({"path", "conversions"} - set(frame.columns))
    if lacking:
        raise MiningError("The paths lack columns.", expected=", ".join(lacking))
    counts = {name: _read_counts(frame, name) for name in ("conversions", "nulls", "value")}
    paths = [tuple(one) if isinstance(one, tuple | list | np.ndarray) else () for one in frame["path"]]
    names = set(chain.from_iterable(paths))
    if not all(paths) or not all(isinstance(name, str) for name in names) or names & {START, END}:
        raise MiningError("A path is a tuple of one or more channels.", found="an empty one, or other things")
    if ((counts["value"] != 0) & (counts["conversions"] == 0)).any():
        raise MiningError("Value belongs to conversions.", found="a path with value and without a conversion")
    days = _read_days(frame, paths)
    if collapses:
        kept = [[i for i, one in enumerate(path) if path[i + 1 : i + 2] != (one,)] for path in paths]
        paths = [tuple(path[i] for i in places) for path, places in zip(paths, kept, strict=True)]
        days = [one[places] for one, places in zip(days, kept, strict=True)]
    customers = list(frame["customer_id"]) if "customer_id" in frame.columns else None
    numbers = [column.tolist() for column in counts.values()]
    spelled = [one.tobytes() for one in days]
    keys = zip(paths, *numbers, map(str, customers or paths), spelled, strict=True)
    rows = [row for row, _ in sorted(enumerate(keys), key=lambda pair: pair[1])]
    return _flatten(paths, days, counts, customers, rows)


def _flatten(
    paths: Sequence[Path],
    days: Sequence[FloatArray],
    counts: dict[str, FloatArray],
    customers: Sequence[Any] | None,
    rows: Sequence[int],
) -> Paths:
    channels = sorted(set(chain.from_iterable(paths)))
    number = {channel: place for place, channel in enumerate(channels)}
    contacts = [number[channel] for row in rows for channel in paths[row]]
    return Paths(
        channels=channels,
        path=np.repeat(np.arange(len(rows)), [len(paths[row]) for row in rows]),
        channel=np.array(contacts, dtype=np.int64),
        days=np.concatenate([days[row] for row in rows]) if rows else np.zeros(0),
        **{name: column[list(rows)] for name, column in counts.items()},
        customers=None if customers is None else np.array([customers[row] for row in rows], dtype=object),
    )


def _read_counts(frame: pd.DataFrame, name: str) -> FloatArray:
    """A column of numbers, 0 where it is missing; counts must be whole and not negative."""
    if name not in frame.columns:
        return np.zeros(len(frame))
    numbers = np.asarray(pd.to_numeric(frame[name]).fillna(0), dtype=np.float64)
    is_wrong = ~np.isfinite(numbers) if name == "value" else ~((numbers >= 0) & (numbers % 1 == 0))
    if is_wrong.any():
        raise MiningError(f"The column {name} holds what it cannot.", found=f"{numbers[is_wrong][0]:g}")
    return numbers


def _read_days(frame: pd.DataFrame, paths: list[Path]) -> list[FloatArray]:
    """Days from each contact to the conversion, NaN for the contacts of a path without times."""
    unknown = [np.full(len(path), np.nan) for path in paths]
    if "times" not in frame.columns or frame.empty:
        return unknown
    times = [list(one) if isinstance(one, tuple | list | np.ndarray) else [] for one in frame["times"]]
    if any(one and len(one) != len(path) for one, path in zip(times, paths, strict=True)):
        raise MiningError("A path needs one time a contact.", found="another number of times")
    ends: list[Any] = list(frame["converted_at"]) if "converted_at" in frame.columns else [None] * len(frame)
    pairs = zip(times, ends, strict=True)
    spans = [[*one, one[-1] if pd.isna(end) else end] if one else [] for one, end in pairs]
    flat = pd.Series(list(chain.from_iterable(spans)))
    if not pd.api.types.is_numeric_dtype(flat):
        flat = (pd.to_datetime(flat, utc=True) - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    seconds = np.split(flat.to_numpy(np.float64), np.cumsum([len(span) for span in spans])[:-1])
    days = [(one[-1] - one[:-1]) / 86_400 if len(one) else None for one in seconds]
    if any(one is not None and not (one >= 0).all() for one in days):
        raise MiningError("A contact has a missing time, or one after its conversion.")
    return [blank if one is None else one for one, blank in zip(days, unknown, strict=True)]
