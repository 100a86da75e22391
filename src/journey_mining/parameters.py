"""What journey.yaml and the questions of analysts have in common: checked parameters, durations, the default stages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from journey_mining.errors import QueryError

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


Asked = TypeVar("Asked", bound=Parameters)


def check_asked(kind: type[Asked], subject: str, asked: Mapping[str, Any]) -> Asked:
    """The checked options of a question about `subject`; raises QueryError, which names the nearest option."""
    try:
        return kind.model_validate(dict(asked))
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] != "extra_forbidden":
            raise QueryError(f"{subject}: {name}: {problem['msg']}.", fix="correct the value") from error
        near = difflib.get_close_matches(name, kind.model_fields, 1)
        raise QueryError(
            f"{subject}: there is no option '{name}'.",
            expected="one of " + ", ".join(kind.model_fields),
            fix=f"did you mean '{near[0]}'?" if near else "name one of these",
        ) from error
