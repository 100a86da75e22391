"""Which cells of a funnel are hidden: its stages are one chain, in which the next stage's count is what went on."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from journey_mining.report.query import Row
from journey_mining.report.suppression import is_small

PARTS = ("dropped_off", "open", "converted")
Cell = tuple[int, str]


@dataclass
class _Chain:
    """A funnel as what it adds up from: who left or is open in each stage, and who went on from the last one.

    A stage's `entered` is the sum of the cells from it on, so that between two that are shown the cells' sum is known.
    """

    entered: list[int]
    counts: dict[Cell, int]
    min_cell: int
    hidden: set[Cell] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    """Stages whose `entered` is hidden."""

    def find_borders(self) -> list[tuple[int, int]]:
        """The first stage of each stretch with a known sum, and the one after its last."""
        known = [stage for stage in range(len(self.entered)) if stage not in self.unknown]
        return list(pairwise([*known, len(self.entered)]))

    def is_telling(self, border: tuple[int, int]) -> bool:
        """Whether the hidden cells of a stretch are one alone, or so few in sum that this tells of few.

        Small cells are known to be 1 to min_cell - 1, so that several tell too when all are the least or the most.
        """
        gone = [self.counts[cell] for cell in self._cells(border) if cell in self.hidden]
        extremes = (len(gone), len(gone) * (self.min_cell - 1))
        alike = all(is_small(count, self.min_cell) for count in gone) and sum(gone) in extremes
        return bool(gone) and (len(gone) == 1 or sum(gone) < self.min_cell or alike)

    def hide_more(self, border: tuple[int, int]) -> None:
        """Hide the stretch's smallest part that shows; without one, join the stretch to the next one, or the last."""
        spare = [cell for cell in self._cells(border) if cell not in self.hidden]
        first, end = border
        if spare:
            self.hidden.add(min(spare, key=lambda cell: (self.counts[cell], cell)))
        else:
            self.unknown.add(end if end < len(self.entered) else first)

    def _cells(self, border: tuple[int, int]) -> list[Cell]:
        """The cells of a stretch that hold anybody; zeros are shown."""
        return [cell for cell, count in self.counts.items() if count and border[0] <= cell[0] < border[1]]


def find_hidden_parts(rows: list[Row], min_cell: int) -> list[set[str]]:
    """The names of the hidden cells of each stage, of `entered` and PARTS; `rows` are one unit's, in their order."""
    last = len(rows) - 1
    parts = [(n, name) for n in range(len(rows)) for name in ("dropped_off", "open")]
    counts = {(n, name): rows[n][name] or 0 for n, name in parts}
    if rows:
        counts[last, "converted"] = rows[last]["converted"] or 0
    entered = [row["entered"] or 0 for row in rows]
    chain = _Chain(entered, counts, min_cell)
    chain.hidden |= {cell for cell, count in counts.items() if is_small(count, min_cell)}
    chain.unknown |= {stage for stage, count in enumerate(entered) if is_small(count, min_cell)}
    while telling := next((border for border in chain.find_borders() if chain.is_telling(border)), None):
        chain.hide_more(telling)
    hidden = [{name for name in PARTS if (n, name) in chain.hidden} for n in range(len(rows))]
    for stage in chain.unknown:
        hidden[stage].add("entered")
        if stage:
            hidden[stage - 1].add("converted")
    return hidden
