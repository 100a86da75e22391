"""Which web event stands in which daily file: late events, repeated lines, broken lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from journey_mining.sample.clock import Calendar, Flags, Ints
from journey_mining.sample.effects import PlantedEffects

EVENT_LINE, REPEATED, TRUNCATED, NOT_UTF8, FAR_YEAR, NO_NAME = range(6)
BROKEN_KINDS = {
    TRUNCATED: "cut in the middle",
    NOT_UTF8: "an invalid UTF-8 byte",
    FAR_YEAR: "a time in the year 275760",
    NO_NAME: "an empty event_name",
}
FAR_YEAR_US = 8_640_000_000_000_000_000


@dataclass(frozen=True)
class Layout:
    """One row per line, sorted by file; `row` is the web event that the line shows."""

    row: Ints
    file_day: Ints
    kind: Ints
    is_late: Ints

    def bounds(self, days: int) -> Ints:
        """Where each daily file begins, and the end of the last one."""
        return np.searchsorted(self.file_day, np.arange(days + 1)).astype(np.int64)

    def count_kinds(self, days: int, is_denied: Flags) -> dict[str, Ints]:
        """Lines, events, duplicates, broken, refused and late lines of each daily file.

        `is_denied`: web events whose visitor denied consent; what says so and can be read must be refused.
        """
        refused = is_denied[self.row] & ~np.isin(self.kind, (TRUNCATED, NOT_UTF8))
        flags = {
            "line_count": self.kind >= 0,
            "event_count": (self.kind == EVENT_LINE) & ~refused,
            "duplicate_count": (self.kind == REPEATED) & ~refused,
            "broken_count": (self.kind >= TRUNCATED) & ~refused,
            "refused_count": refused,
            "late_count": (self.is_late > 0) & ~refused,
        }
        return {name: np.bincount(self.file_day[flag], minlength=days) for name, flag in flags.items()}


def lay_out_files(
    rng: np.random.Generator, occurred_us: Ints, calendar: Calendar, effects: PlantedEffects, has_text: bool
) -> Layout:
    """The lines of all daily files. Without text (Parquet) no line can be cut or badly encoded."""
    size = len(occurred_us)
    last = calendar.days - 1
    own_day = calendar.local_day(occurred_us)
    is_late = rng.random(size) < effects.late_rate
    file_day = np.minimum(own_day + np.where(is_late, rng.integers(1, 4, size), 0), last)
    repeated = np.flatnonzero(rng.random(size) < effects.duplicate_rate)
    again_day = np.minimum(file_day[repeated] + (rng.random(len(repeated)) < 0.3), last)
    kinds = list(BROKEN_KINDS) if has_text else [FAR_YEAR, NO_NAME]
    each = min(size, max(2, int(size * effects.broken_rate)))
    broken = rng.integers(0, max(1, size), each * len(kinds))
    row = np.concatenate([np.arange(size), repeated, broken])
    day = np.concatenate([file_day, again_day, own_day[broken]])
    kind = np.concatenate([np.zeros(size), np.full(len(repeated), REPEATED), np.repeat(kinds, each)]).astype(
        np.int64
    )
    late = np.concatenate([file_day > own_day, np.zeros(len(row) - size, dtype=np.bool_)]).astype(np.int64)
    order = np.lexsort((row, kind, day))
    return Layout(row[order].astype(np.int64), day[order].astype(np.int64), kind[order], late[order])
