"""Which statements of a run take the time: the warehouse's methods, wrapped with a clock."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from journey_mining import pipeline
from journey_mining.warehouse import Connection, Warehouse

_TARGET = re.compile(
    r"(?:create or replace (?:temp(?:orary)? )?(?:table|view)|insert into|update|delete from|comment on \w+) +([\w.\"]+)"
)


@dataclass
class Statements:
    """Seconds by step and statement, and seconds by step."""

    seconds: dict[str, Counter[str]] = field(default_factory=dict)
    steps: Counter[str] = field(default_factory=Counter)
    step: str = "read exports"

    def add(self, sql: str, seconds: float) -> None:
        """Count the seconds of one statement; statements that write the same table are counted together."""
        self.seconds.setdefault(self.step, Counter())[_named(sql)] += seconds

    def longest(self, least_share: float) -> list[dict[str, Any]]:
        """Step, statement, seconds and share of the step, of those that take at least that share."""
        return [
            {"step": step, "statement": name, "seconds": seconds, "share": seconds / whole}
            for step, counter in self.seconds.items()
            for name, seconds in counter.most_common()
            if (whole := self.steps[step] or counter.total()) and seconds >= least_share * whole
        ]


def _named(sql: str) -> str:
    text = " ".join(re.sub(r"--[^\n]*", " ", sql).split())
    found = _TARGET.match(text)
    if found is None:
        return text[:90]
    return f"{text[: found.start(1)]}{found[1].removeprefix('published.main.').removeprefix('store.main.')}"


@contextmanager
def timed_statements() -> Iterator[Statements]:
    """Statements that the warehouse runs, and steps of the pipeline, while the context lasts."""
    statements = Statements()
    execute, run_step = Warehouse.execute, pipeline.run_step

    def timed_execute(self: Warehouse, sql: str, parameters: Any = None) -> Connection:
        begun = perf_counter()
        try:
            return execute(self, sql, parameters)
        finally:
            statements.add(sql, perf_counter() - begun)

    def timed_step(context: pipeline.RunContext, step: pipeline.Step) -> pipeline.Counts:
        statements.step, begun = step.name, perf_counter()
        counts = run_step(context, step)
        statements.steps[step.name] += perf_counter() - begun
        return counts

    Warehouse.execute, pipeline.run_step = timed_execute, timed_step  # type: ignore[method-assign]
    try:
        yield statements
    finally:
        Warehouse.execute, pipeline.run_step = execute, run_step  # type: ignore[method-assign]
