"""Result frames: pandas frames that know the SQL that reproduces them and the picture that shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from journey_mining.errors import QueryError


class ResultFrame(pd.DataFrame):
    """A table of an answer, with the query that reproduces it and, where it makes sense, its picture.

    `units` is the answer unit by unit (the deepest step of each customer, say); None where there is none.
    A frame derived by pandas (filtered, sorted, …) is a plain frame again: the query would not reproduce it.
    """

    _metadata = ["_query", "_draw", "_read_units"]  # noqa: RUF012  (pandas reads it as a plain list)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._query: str | None = None
        self._draw: Callable[[pd.DataFrame], Any] | None = None
        self._read_units: Callable[[], pd.DataFrame] | None = None

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    @property
    def sql(self) -> str:
        """The query that reproduces the frame: run it with `Snapshot.sql` or in any DuckDB shell on the snapshot."""
        return self._query or ""

    @property
    def units(self) -> pd.DataFrame:
        """The answer unit by unit; raises QueryError where the answer has no units."""
        if self._read_units is None:
            raise QueryError("This answer is not made of units.", fix="read its rows, or its query: .sql")
        return self._read_units()

    @property
    def levels(self) -> pd.DataFrame:
        """The deepest step that each unit reached: the `units` of a funnel."""
        return self.units

    def figure(self) -> Any:
        """A Plotly figure of the frame; raises QueryError where no picture makes sense."""
        if self._draw is None:
            raise QueryError("This answer has no picture of its own.", fix="plot its columns with pandas")
        return self._draw(pd.DataFrame(self))


def make_result(
    frame: pd.DataFrame,
    query: str,
    draw: Callable[[pd.DataFrame], Any] | None = None,
    read_units: Callable[[], pd.DataFrame] | None = None,
) -> ResultFrame:
    """The frame as a result that carries its query, its picture and its units."""
    result = ResultFrame(frame)
    result._query, result._draw, result._read_units = query, draw, read_units
    return result
