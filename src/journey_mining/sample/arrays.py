"""Vectorised questions about rows that are sorted by group: ranks, running counts, first and previous rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from journey_mining.sample.clock import Flags, Ints


def first_of_group(groups: Ints) -> Flags:
    """True on the first row of each run of equal groups."""
    first = np.ones(len(groups), dtype=np.bool_)
    first[1:] = groups[1:] != groups[:-1]
    return first


def start_index(groups: Ints) -> Ints:
    """For each row the index of the first row of its group."""
    first = first_of_group(groups)
    return np.maximum.accumulate(np.where(first, np.arange(len(groups)), 0)).astype(np.int64)


def rank_in_group(groups: Ints) -> Ints:
    """0-based position of each row in its group."""
    return np.arange(len(groups), dtype=np.int64) - start_index(groups)


def count_before(flags: Flags, groups: Ints) -> Ints:
    """How many earlier rows of the same group are flagged."""
    before: Ints = np.cumsum(flags) - flags
    return before - before[start_index(groups)] if len(groups) else before


def last_flagged_before(flags: Flags, groups: Ints) -> Ints:
    """Index of the last flagged row before each row in its group, or -1."""
    index = np.where(flags, np.arange(len(flags)), -1)
    running = np.maximum.accumulate(index) if len(index) else index
    previous = np.concatenate([np.full(min(1, len(index)), -1), running[:-1]])
    return np.where(previous >= start_index(groups), previous, -1).astype(np.int64)


def minimum_by_group(groups: Ints, values: Ints, size: int, default: int) -> Ints:
    """The smallest value of each group number below `size`, `default` where a group has no row."""
    smallest = np.full(size, default, dtype=np.int64)
    np.minimum.at(smallest, groups, values)
    return smallest


def ranges(counts: Ints) -> Ints:
    """0..count-1 for each count, concatenated."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return (np.arange(total) - np.repeat(ends - counts, counts)).astype(np.int64)


def texts(values: list[str]) -> NDArray[np.object_]:
    """The strings as an object array, so that they can be taken by index without copies."""
    table = np.empty(len(values), dtype=np.object_)
    table[:] = values
    return table


def blank_where(flags: Flags, values: NDArray[np.object_]) -> NDArray[np.object_]:
    """The values, None where flagged."""
    kept = values.copy()
    kept[flags] = None
    return kept
