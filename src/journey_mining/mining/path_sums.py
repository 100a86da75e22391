"""What paths to conversion or loss add up to for each method of attribution: all that its shares and intervals need.

Sums add up: those of all paths are those of some paths and those of the others. Credit is counted in whole numbers of a
small unit, which add and subtract without error, in any order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from journey_mining.mining.markov import MAX_ORDER
from journey_mining.mining.paths import IntArray, Paths
from journey_mining.mining.removal import CONVERTED, LOST
from journey_mining.mining.statistics import FloatArray, Resampling, sum_by_customer

Method = Literal[
    "first", "last", "last_non_direct", "linear", "time_decay", "position_based", "participation", "markov", "shapley"
]  # fmt: skip
METHODS: tuple[Method, ...] = get_args(Method)
FIRST_SHARE = LAST_SHARE = 0.4
UNITS = 1 << 40
"""A conversion in the units that a customer's credit is counted in; 64 bits hold eight million."""
RESTS = 1 << 36
"""A unit of value in the units that what is not a whole number of it is counted in; 64 bits hold over a hundred million."""
_MANY = 1 << 22
Column = tuple[str, ...]
"""What is counted: a channel; nothing, for conversions; a context and what follows it; an end and a set of channels."""
TOTAL: Column = ()


class AttributionRules(BaseModel):
    """The choices behind the methods, and the draws behind the intervals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repeats: Literal["keep", "collapse"] = "keep"
    """Whether consecutive contacts through one channel count each, or once (at the time of the last)."""
    direct: frozenset[str] = frozenset({"direct"})
    """Channels, in any case of letters, that last_non_direct passes over."""
    lookback_days: float = Field(30, gt=0)
    """How far before the conversion last_non_direct looks, days; no limit for paths without times."""
    half_life_days: float = Field(7, gt=0)
    """Days after which a contact's weight has halved in time_decay."""
    order: int = Field(1, ge=1, le=MAX_ORDER)
    """How many contacts a state of the Markov chain remembers."""
    shares_of: Literal["conversions", "value"] = "conversions"
    """What share, low and high are of; the models share value as they share conversions."""
    game: Literal["conversions", "rate"] = "conversions"
    """What a set of channels is worth in shapley, of the paths within it: conversions, or conversions a path."""
    resampling: Resampling = Resampling()
    """The bootstrap over customers."""


@dataclass(frozen=True)
class Unavailable:
    """The answer of a method that the data cannot give."""

    reason: str

    def __str__(self) -> str:
        return f"unavailable, because {self.reason}"


@dataclass(frozen=True, eq=False)
class Tally:
    """What the paths add up to for one method."""

    columns: list[Column]
    """What is counted, in a settled order."""
    rows: Any
    """Amounts, sparse: a row a customer, or where these are not known a path that converts, or is lost; a column each."""
    counts: FloatArray
    """How often each row happened; 1 for a customer."""
    units: int = 1
    """An amount of 1 in the amounts."""
    conversions: FloatArray | None = None
    """Conversions that each channel is credited with, where they are credited path by path."""
    value: IntArray | None = None
    """Value that it is credited with there: whole numbers, and the rests in RESTS."""


@dataclass(frozen=True, eq=False)
class PathSums:
    """What paths add up to."""

    channels: list[str]
    """Names of the channels, in order."""
    customers: NDArray[Any] | None
    """The customers who have paths, in order."""
    path_counts: FloatArray
    """Paths of each customer."""
    contact_counts: FloatArray
    """Contacts through each channel."""
    conversions: float
    """How often paths converted."""
    value: IntArray
    """Value of all conversions: the whole number, and the rests in RESTS."""
    tallies: dict[Method, Tally | Unavailable]
    """By method."""


def sum_paths(read: Paths, methods: Iterable[Method], rules: AttributionRules) -> PathSums:
    """The sums of several methods over paths that were read."""
    customers, path_counts = None, np.zeros(0)
    if read.customers is not None:
        codes, names = pd.factorize(read.customers, sort=True)
        customers = np.asarray(names)
        path_counts = np.bincount(codes[codes >= 0], minlength=len(names)).astype(np.float64)
    return PathSums(
        channels=read.channels,
        customers=customers,
        path_counts=path_counts,
        contact_counts=np.bincount(read.channel, minlength=len(read.channels)).astype(np.float64),
        conversions=float(read.conversions.sum()),
        value=_split(read.value).sum(axis=1),
        tallies={method: _tally(read, method, rules) for method in methods},
    )


def _tally(read: Paths, method: Method, rules: AttributionRules) -> Tally | Unavailable:
    if not len(read.conversions):
        return Unavailable("there are no paths")
    if method == "markov":
        moves = read.count_moves(rules.order)
        columns = [(*context, to) for context, to in moves.columns]
        return Tally(columns, **_sum_by_unit(read, moves.converted, moves.lost, read.conversions))
    if method == "shapley" and rules.game == "rate":
        return _tally_sets(read)
    if method == "time_decay":
        of_converting = read.converting
        timeless = np.isnan(of_converting.days[of_converting.starts])
        if timeless.any():
            return Unavailable(f"{timeless.sum()} of {len(timeless)} converting paths have no times")
    return _tally_credits(read, method, rules)


def _sum_by_unit(read: Paths, converted: Any, lost: Any, weights: FloatArray) -> dict[str, Any]:
    """Rows and their counts: customers, or where they are not known conversions and losses."""
    if read.customers is None:
        return {"rows": sparse.vstack([converted, lost]).tocsr(), "counts": np.r_[weights, read.nulls]}
    times = weights if weights is read.value else _whole(weights)
    rows = sum_by_customer(converted, times, read.customers)
    if lost.nnz:
        rows = rows + sum_by_customer(lost, _whole(read.nulls), read.customers)
    return {"rows": rows, "counts": np.ones(rows.shape[0])}


def _whole(counts: FloatArray) -> NDArray[Any]:
    """Whole numbers as such, so that they are added without error, unless they are too many for it."""
    return counts.astype(np.int64) if counts.max(initial=0) <= 1 or counts.sum() < _MANY else counts


def _tally_credits(read: Paths, method: Method, rules: AttributionRules) -> Tally | Unavailable:
    """Credit path by path. The last column counts the conversions, of which shares are taken."""
    weights: NDArray[Any] = read.conversions
    if rules.shares_of == "value":
        weights = read.value
        if not weights.sum():
            return Unavailable("no conversion has a value")
        if read.customers is None:
            return Unavailable("an interval of value needs the customer of each path")
    size, contacts = len(read.channels), read.converting
    credit = weigh_contacts(contacts, method, rules)
    # The contacts of a path one after the other, then its 1 for the total.
    place = np.arange(len(contacts.path)) + contacts.path
    columns = np.full(len(place) + len(contacts.lengths), size)
    columns[place] = contacts.channel
    amounts = np.full(len(columns), UNITS)
    amounts[place] = np.rint(credit * UNITS)
    counts = np.zeros(len(read.conversions), dtype=np.int64)
    counts[read.conversions > 0] = contacts.lengths + 1
    shape = (len(counts), size + 1)
    converted = sparse.csr_array((amounts, columns, np.r_[0, np.cumsum(counts)]), shape=shape)
    lost = sparse.csr_array(shape, dtype=np.int64)
    value = np.zeros((2, size), dtype=np.int64)
    for part, amount in zip(value, _split(contacts.value[contacts.path] * credit), strict=True):
        np.add.at(part, contacts.channel, amount)
    return Tally(
        columns=[*((channel,) for channel in read.channels), TOTAL],
        **_sum_by_unit(read, converted, lost, weights),
        units=UNITS,
        conversions=np.asarray(
            np.bincount(contacts.channel, contacts.conversions[contacts.path] * credit, size),
            dtype=np.float64,
        ),
        value=value,
    )


def _split(amounts: FloatArray) -> IntArray:
    """Whole numbers, and the rests in RESTS: value may be too large for one number to hold both."""
    whole = np.floor(amounts)
    return np.stack([whole, np.rint((amounts - whole) * RESTS)]).astype(np.int64)


def join_value(parts: IntArray) -> FloatArray:
    """Values of their whole numbers and rests."""
    return np.asarray(parts[0] + parts[1] / RESTS, dtype=np.float64)


def _tally_sets(read: Paths) -> Tally:
    """How many paths converted, and how many were lost, by the set of their channels."""
    places, sets = pd.factorize(pd.Series(read.list_sets()))
    rows, ones, shape = np.arange(len(places)), np.ones(len(places)), (len(places), 2 * len(sets))
    converted, lost = (sparse.csr_array((ones, (rows, places + n)), shape=shape) for n in (0, len(sets)))
    names = [tuple(read.channels[number] for number in one) for one in sets]
    columns = [(end, *one) for end in (CONVERTED, LOST) for one in names]
    return Tally(columns, **_sum_by_unit(read, converted, lost, read.conversions))


def weigh_contacts(contacts: Paths, method: str, rules: AttributionRules) -> FloatArray:
    """The credit of each contact of the converting paths; sums to 1 a path (participation: to its number of channels).

    Shapley's value of the conversions of paths within a set is an equal share for each channel of a path, whatever
    their number (Zhao et al. 2018, eq. 8).
    """
    place, last = contacts.place, contacts.length - 1
    if method in ("first", "last", "last_non_direct"):
        chosen = _find_credited(contacts, method, rules)
        return np.asarray(place == chosen, dtype=np.float64)
    if method == "linear":
        weights = np.ones(len(place))
    elif method == "position_based":
        inner = (1 - FIRST_SHARE - LAST_SHARE) / np.maximum(1, contacts.length - 2)
        weights = np.where((place > 0) & (place < last), inner, 0.0)
        weights += FIRST_SHARE * (place == 0) + LAST_SHARE * (place == last)
    elif method == "time_decay":
        weights = np.exp2(-(contacts.days - contacts.lowest(contacts.days)) / rules.half_life_days)
    else:
        weights = contacts.is_first.astype(np.float64)
    return weights if method == "participation" else weights / contacts.total(weights)


def _find_credited(contacts: Paths, method: str, rules: AttributionRules) -> FloatArray:
    """The place of the contact that has it all; the last one where nothing within the lookback is not direct."""
    last = (contacts.length - 1).astype(np.float64)
    if method != "last_non_direct":
        return np.zeros(len(last)) if method == "first" else last
    direct = {channel.casefold() for channel in rules.direct}
    is_direct = np.array([channel.casefold() in direct for channel in contacts.channels])[contacts.channel]
    too_early = contacts.highest(np.where(contacts.days > rules.lookback_days, contacts.place, -1))
    found = contacts.highest(np.where(~is_direct & (contacts.place > too_early), contacts.place, -1))
    return np.where(found >= 0, found, last)


# As a table, whose rows may be added and subtracted.

_VALUE = ("value", "rest")
"""Kinds of row that hold the whole numbers of a value, and their rests."""


def tabulate_sums(sums: PathSums) -> pd.DataFrame:
    """The sums by customer as rows kind, method, item, customer, amount (whole); equal ones may be added up.

    Kinds: the paths of a customer, contacts through a channel, conversions, value and rest of all or of a channel, and
    tally, what a customer has in a column; the customer of the others is -1 or ''. Items are columns as JSON.
    """
    assert sums.customers is not None, "only sums by customer can be added up"
    of_all = partial(_rows_of_all, everybody=-1 if np.issubdtype(sums.customers.dtype, np.integer) else "")
    parts = [
        _rows("paths", "", [TOTAL], np.zeros(len(sums.customers), int), sums.path_counts, sums.customers),
        of_all("contacts", "", [(channel,) for channel in sums.channels], sums.contact_counts),
        of_all("conversions", "", [TOTAL], np.array([sums.conversions])),
        *(of_all(kind, "", [TOTAL], part) for kind, part in zip(_VALUE, sums.value[:, None], strict=True)),
    ]
    for method, tally in sums.tallies.items():
        if isinstance(tally, Unavailable):
            continue
        cells = tally.rows.tocoo()
        customer, column = cells.coords
        parts.append(_rows("tally", method, tally.columns, column, cells.data, sums.customers[customer]))
        if tally.value is not None:
            for kind, part in zip(_VALUE, tally.value, strict=True):
                parts.append(of_all(kind, method, tally.columns[:-1], part))
    return pd.concat(parts, ignore_index=True)


def _rows_of_all(
    kind: str, method: str, columns: list[Column], amounts: NDArray[Any], everybody: int | str
) -> pd.DataFrame:
    return _rows(kind, method, columns, np.arange(len(columns)), amounts, everybody)


def _rows(
    kind: str,
    method: str,
    columns: list[Column],
    number: NDArray[Any],
    amounts: NDArray[Any],
    customers: NDArray[Any] | int | str,
) -> pd.DataFrame:
    """Rows of amounts in the columns with these numbers."""
    items = np.array([json.dumps(one, ensure_ascii=False) for one in columns], dtype=object)[number]
    found = {"kind": kind, "method": method, "item": items, "customer": customers}
    return pd.DataFrame({**found, "amount": np.asarray(amounts).astype(np.int64)})


def read_sums(table: pd.DataFrame, methods: Iterable[Method]) -> PathSums:
    """The sums of a table of `tabulate_sums`, or of several that were added up; without rows whose amount is 0."""
    rows = dict(iter(table.groupby(["kind", "method"])))
    none = table.iloc[:0]
    paths = rows.get(("paths", ""), none).sort_values("customer", ignore_index=True)
    channels = sorted(str(_read_item(item)[0]) for item in rows.get(("contacts", ""), none)["item"])
    columns: list[Column] = [(channel,) for channel in channels]

    def amounts(kind: str, method: str, wanted: list[Column]) -> IntArray:
        part = rows.get((kind, method), none)
        found = dict(zip(map(_read_item, part["item"]), part["amount"], strict=True))
        return np.array([found.get(column, 0) for column in wanted], dtype=np.int64)

    return PathSums(
        channels=channels,
        customers=paths["customer"].to_numpy(),
        path_counts=paths["amount"].to_numpy(dtype=np.float64),
        contact_counts=amounts("contacts", "", columns).astype(np.float64),
        conversions=float(amounts("conversions", "", [TOTAL])[0]),
        value=np.concatenate([amounts(kind, "", [TOTAL]) for kind in _VALUE]),
        tallies={
            method: _read_tally(
                method,
                rows.get(("tally", method), none),
                paths["customer"].to_numpy(),
                channels,
                np.stack([amounts(kind, method, columns) for kind in _VALUE]),
            )
            for method in methods
        },
    )


def _read_tally(
    method: Method, cells: pd.DataFrame, customers: NDArray[Any], channels: list[str], value: IntArray
) -> Tally:
    codes, items = pd.factorize(cells["item"])
    found = [_read_item(str(item)) for item in items]
    columns = sorted(found) if method == "markov" else [*((channel,) for channel in channels), TOTAL]
    number = {column: place for place, column in enumerate(columns)}
    column = np.array([number[one] for one in found], dtype=np.int64)[codes]
    row = np.searchsorted(customers, cells["customer"].to_numpy())
    shape = (len(customers), len(columns))
    amounts = sparse.csr_array((cells["amount"].to_numpy(dtype=np.int64), (row, column)), shape=shape)
    counts = np.ones(len(customers))
    if method == "markov":
        return Tally(columns, amounts, counts)
    conversions = np.asarray((amounts / UNITS).sum(axis=0))[:-1]
    return Tally(columns, amounts, counts, UNITS, conversions, value)


def _read_item(text: str) -> Column:
    return tuple(json.loads(text))
