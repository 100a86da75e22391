"""How many examples a property is tried with: few with every change, many times as many where somebody has the time."""

from __future__ import annotations

import os

from hypothesis import settings

TIMES = int(os.environ.get("JOURNEY_MINING_EXAMPLES", "1"))
"""How many times as many as with every change; `make deep` sets it."""


def examples(number: int) -> settings:
    """So many examples, times what is asked for."""
    return settings(max_examples=number * TIMES)
