"""What journey.yaml and the questions of analysts have in common: checked parameters, durations, the default stages."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

DEFAULT_STAGES = ("awareness", "consideration", "purchase", "retention", "advocacy")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
"""Units of time by their first letter."""
_DURATION = re.compile(
    r"^\s*(\d+(?:\.\d+)?)\s*((?:second|minute|hour|day|week|sec|min)s?|[smhdw])\s*$", re.IGNORECASE
)
_LONGEST = timedelta(days=36_525)


def _parse_duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(str(value))
    if not match:
        raise ValueError("expected a duration such as '30 minutes', '24 hours' or '30 days'")
    unit = timedelta(**{_UNITS[match[2][0].lower()]: 1})
    if float(match[1]) > _LONGEST / unit:
        raise ValueError("expected a duration of at most 100 years (a journey's expiry may be 'never')")
    return unit * float(match[1])


Duration = Annotated[timedelta, BeforeValidator(_parse_duration)]


class Parameters(BaseModel):
    """Base of every parameter model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
