"""Removal effects: how much less a chain of contacts converts when one channel leads nowhere; exact, not simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from journey_mining.mining.markov import Context
from journey_mining.mining.statistics import FloatArray

CONVERTED, LOST = "\0converted", "\0lost"
_DENSE_STATES = 1200


@dataclass(frozen=True, eq=False)
class Moves:
    """Moves (context, next) as columns, and how often each path makes them when it converts and when it is lost."""

    columns: list[tuple[Context, str]]
    converted: Any
    lost: Any


@dataclass(frozen=True, eq=False)
class MoveSpace:
    """The moves behind columns of totals: between states (the start first), to conversion or to loss (the last two)."""

    sources: NDArray[np.int_]
    targets: NDArray[np.int_]
    size: int
    members: list[NDArray[np.int_]]
    """States that remember each channel."""

    @classmethod
    def build(cls, columns: Sequence[tuple[Context, str]], order: int, channels: Sequence[str]) -> MoveSpace:
        """The space of the moves in `columns`; first the start, which is no channel."""
        starts = [context for context, _ in columns if len(context) == 1 and context[0] not in channels]
        states = list(dict.fromkeys([*starts, *(context for context, _ in columns)]))
        number = {state: place for place, state in enumerate(states)}
        ends = {CONVERTED: len(states), LOST: len(states) + 1}
        sources = np.array([number[context] for context, _ in columns])
        targets = [ends[to] if to in ends else number[(*context, to)[-order:]] for context, to in columns]
        members: dict[str, list[int]] = {channel: [] for channel in channels}
        for place, state in enumerate(states):
            for channel in set(state) & members.keys():
                members[channel].append(place)
        return cls(
            sources, np.array(targets), len(states), [np.array(members[c], dtype=int) for c in channels]
        )

    def remove(self, totals: FloatArray) -> tuple[float, FloatArray]:
        """The conversion probability, and each channel's removal effect."""
        left = np.bincount(self.sources, weights=totals, minlength=self.size)
        chances = totals / np.where(left > 0, left, 1)[self.sources]
        shape = (self.size, self.size + 2)
        if self.size <= _DENSE_STATES:
            cells = self.sources * shape[1] + self.targets
            dense = np.zeros(shape[0] * shape[1])
            np.add.at(dense, cells, chances)
            probability, rest = self._remove_dense(dense.reshape(shape))
        else:
            matrix = sparse.csr_array((chances, (self.sources, self.targets)), shape=shape)
            every = np.arange(self.size)
            probability = _convert_from_start(matrix, every)
            rest = np.array([_convert_from_start(matrix, np.setdiff1d(every, one)) for one in self.members])
        return probability, 1 - rest / probability if probability else np.full(len(rest), np.nan)

    def _remove_dense(self, matrix: FloatArray) -> tuple[float, FloatArray]:
        """All removals from one inverse: conversions less those whose way first leads to a state of the channel.

        With N = (I - Q)^-1 and b = N r, the chance to come first to the states S of a channel is N[0, S] N[S, S]^-1
        (Kemeny and Snell 1960, ch. 3), and from there it is b[S] that is lost.
        """
        times = np.linalg.inv(np.eye(self.size) - matrix[:, :-2])
        converts = times @ matrix[:, -2]
        if all(len(one) == 1 for one in self.members):
            single = np.concatenate(self.members)
            lost = times[0, single] / times[single, single] * converts[single]
        else:
            ways = [
                np.linalg.solve(times[np.ix_(one, one)].T, times[0, one]) @ converts[one]
                for one in self.members
            ]
            lost = np.array(ways)
        return float(converts[0]), converts[0] - lost


def _convert_from_start(matrix: Any, kept: NDArray[np.int_]) -> float:
    """The probability to convert when only the kept states (the start first) lead on."""
    inner, exits = matrix[kept][:, kept], matrix[kept][:, [-2]]
    return float(spsolve((sparse.eye_array(len(kept)) - inner).tocsc(), exits.toarray().ravel())[0])
