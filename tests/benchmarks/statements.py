"""Which statements of a run take the time: the warehouse's methods, wrapped with a clock."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

from journey_mining import pipeline, runs
from journey_mining.warehouse import Connection, Warehouse

_TARGET = re.compile(
    r"(?:create or replace (?:temp(?:orary)? )?(?:table|view)|insert into|update|delete from|comment on \w+) +([\w.\"]+)"
)


def _zeros() -> defaultdict[str, float]:
    return defaultdict(float)


@dataclass
class Statements:
    """Wall and processor seconds by step and statement, and wall seconds by step."""

    wall: dict[str, defaultdict[str, float]] = field(default_factory=lambda: defaultdict(_zeros))
    cpu: dict[str, defaultdict[str, float]] = field(default_factory=lambda: defaultdict(_zeros))
    steps: defaultdict[str, float] = field(default_factory=_zeros)
    step: str = "read exports"

    def add(self, sql: str, wall: float, cpu: float) -> None:
        """Count the seconds of one statement; statements that write the same table are counted together."""
        self.wall[self.step][_named(sql)] += wall
        self.cpu[self.step][_named(sql)] += cpu

    def longest(self, least_share: float) -> list[dict[str, Any]]:
        """Step, statement, seconds and share of the step's wall seconds, of those of at least that share."""
        return [
            {
                "step": step,
                "statement": name,
                "seconds": seconds,
                "cpu_seconds": self.cpu[step][name],
                "share": seconds / whole,
            }
            for step, found in self.wall.items()
            for name, seconds in sorted(found.items(), key=lambda pair: -pair[1])
            if (whole := self.steps[step] or sum(found.values())) and seconds >= least_share * whole
        ]


def _named(sql: str) -> str:
    text = " ".join(re.sub(r"--[^\n]*", " ", sql).split())
    found = _TARGET.match(text)
    if found is None:
        return text[:90]
    if text.startswith("comment on"):
        return "comment on …"
    return f"{text[: found.start(1)]}{found[1].removeprefix('published.main.').removeprefix('store.main.')}"


@contextmanager
def timed_statements() -> Iterator[Statements]:
    """Statements that the warehouse runs, and steps of the pipeline, while the context lasts."""
    statements = Statements()
    execute, run_step = Warehouse.execute, pipeline.run_step

    def timed_execute(self: Warehouse, sql: str, parameters: Any = None) -> Connection:
        wall, cpu = perf_counter(), process_time()
        try:
            return execute(self, sql, parameters)
        finally:
            statements.add(sql, perf_counter() - wall, process_time() - cpu)

    def timed_step(context: runs.RunContext, step: runs.Step) -> runs.Counts:
        statements.step, begun = step.name, perf_counter()
        counts = run_step(context, step)
        statements.steps[step.name] += perf_counter() - begun
        return counts

    Warehouse.execute, pipeline.run_step = timed_execute, timed_step  # type: ignore[method-assign]
    try:
        yield statements
    finally:
        Warehouse.execute, pipeline.run_step = execute, run_step  # type: ignore[method-assign]
