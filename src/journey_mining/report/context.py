"""What every section of the report needs to know: settings, stages, run, key figures, hues."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from journey_mining.report.formatting import format_count, format_date, format_percent
from journey_mining.report.headline import headline
from journey_mining.report.palette import NEUTRAL, assign_hues
from journey_mining.report.query import Answer, Connection, Row, read_answer
from journey_mining.report.suppression import find_masked_transitions, mask_figures


@dataclass(frozen=True)
class Context:
    """Read once per report; sections ask it for their answers."""

    connection: Connection
    settings: dict[str, Any]
    stages: list[str]
    run: Row
    figures: dict[str, Any]
    hues: dict[str, str] = field(default_factory=dict)
    _answers: dict[str, Answer] = field(default_factory=dict)
    """What was asked before."""

    @property
    def min_cell(self) -> int:
        """The smallest count that may be shown."""
        return int(self.figures["min_cell"])

    @property
    def shown(self) -> dict[str, Any]:
        """The key figures that may be shown."""
        return mask_figures(self.figures)

    @cached_property
    def hidden_transitions(self) -> set[tuple[str, str]]:
        """The (from, to) pairs that no table nor picture may show."""
        return find_masked_transitions(self.answer("transition_links").rows, self.min_cell)

    @property
    def goal(self) -> str:
        """The goal's name."""
        return str(self.figures["goal"])

    def answer(self, name: str) -> Answer:
        """The answer to a named query, which is asked once."""
        if name not in self._answers:
            self._answers[name] = read_answer(self.connection, name)
        return self._answers[name]

    def hue(self, channel: str | None) -> str:
        """The hue key of a channel."""
        return self.hues.get(channel or "", NEUTRAL)

    def describe_basis(self, unit: str, n: str) -> list[str]:
        """The line under a section's title: as-of stamp, window, unit, n, share still open."""
        figures = self.shown
        parts = []
        if figures["cutoff_at"]:
            parts.append(f"as of {format_date(figures['cutoff_at'])}")
        if figures["first_started_at"] and figures["cutoff_at"]:
            days = (figures["cutoff_at"] - figures["first_started_at"]).days + 1
            parts.append(f"window {format_date(figures['first_started_at'])} + {format_count(days)} days")
        parts += [f"unit: {unit}", n]
        if figures["open_share"] is not None:
            parts.append(f"{format_percent(figures['open_share'])} of journeys still open")
        return parts


def read_context(connection: Connection) -> Context:
    """The context of the published database."""
    channels = [row["channel"] for row in read_answer(connection, "channels").rows]
    return Context(
        connection=connection,
        settings={row["name"]: row["value"] for row in read_answer(connection, "settings").rows},
        stages=[row["stage"] for row in read_answer(connection, "stages").rows],
        run=next(iter(read_answer(connection, "run").rows), {}),
        figures=headline(connection),
        hues=assign_hues(channels),
    )
