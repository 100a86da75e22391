"""Progress of a run: a live line on a terminal, a plain line for each step in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from journey_mining.pipeline import STEPS
from journey_mining.runs import Counts

Teller = Callable[[str, Counts, float], None]


@contextmanager
def step_teller(quiet: bool = False) -> Iterator[Teller]:
    """A function that is told of each finished step; names, counts and seconds only."""
    if quiet:
        yield lambda name, counts, seconds: None
        return
    if not sys.stderr.isatty():
        yield lambda name, counts, seconds: print(_line(name, counts, seconds), file=sys.stderr, flush=True)
        return
    from rich.console import Console

    console = Console(stderr=True)
    names = iter([*(step.name for step in STEPS[1:]), ""])
    with console.status(STEPS[0].name) as live:

        def tell(name: str, counts: Counts, seconds: float) -> None:
            console.print(_line(name, counts, seconds), markup=False, highlight=False)
            live.update(next(names, ""))

        yield tell


def _line(name: str, counts: Counts, seconds: float) -> str:
    shown = ", ".join(
        f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in counts.items()
    )
    return f"{name:<22}{seconds:7.2f} s  {shown}"
