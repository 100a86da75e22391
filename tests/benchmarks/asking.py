"""What every question answers with, so that answers can be compared, and how one is measured."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from typing import Any

from resources import Figures, forget_peak, measured, peak_bytes, resident_bytes

STEPS = ("product page", "add to cart", "purchase")
"""The funnel that is asked for."""
PATTERN = ("add to cart", "checkout")
"""Touchpoints directly after each other that are looked for."""
FLOW_STEPS = 5
CASES = {
    "funnel": "customer_id", "time to convert": "customer_id", "sessions": "customer_id", "match": "customer_id",
    "transitions": "journey_id", "step flow": "journey_id", "variants": "journey_id",
}  # fmt: skip
"""The questions, with the column whose values are the units (the cases, the paths) of each."""


def measure_answer(
    given: Any, prepare: Callable[[Any], Any], ask: Callable[[Any], Any], answer: Callable[[Any], Any]
) -> Figures:
    """Figures from what is given (a loaded frame, a path) to the answer, and once more for the question alone.

    base_bytes is what is resident before the clock starts, peak_bytes the largest total until the first answer.
    """
    gc.collect()
    figures: Figures = {"base_bytes": resident_bytes()}
    forget_peak()
    with measured(figures, "prepare"):
        prepared = prepare(given)
    with measured(figures, "ask"):
        found = ask(prepared)
    figures["peak_bytes"] = peak_bytes()
    figures["answer"] = answer(found)
    del found
    with measured(figures, "again"):
        ask(prepared)
    return figures


def main(run: Callable[[dict[str, Any]], Figures]) -> None:
    """Run the task that the command names, and print its figures."""
    print(json.dumps(run(json.loads(sys.argv[1]))))
