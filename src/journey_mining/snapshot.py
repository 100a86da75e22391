"""The analyst's API: questions to a published snapshot, or to events of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from journey_mining.analysis.expressions import Span
from journey_mining.analysis.funnel import plan_funnel
from journey_mining.analysis.funnel_answer import write_levels, write_summary
from journey_mining.analysis.intake import Rules, load_events
from journey_mining.analysis.log import EventLog
from journey_mining.errors import JourneyMiningError
from journey_mining.frames import ResultFrame, make_result
from journey_mining.warehouse import open_readonly

DATABASE = "journeys.duckdb"


class Snapshot:
    """An event log with its customers, sessions, journeys and steps, and the questions one can ask of it.

    Every answer is a pandas frame with `.sql` (the query that reproduces it) and, where it makes sense, `.figure()`.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the snapshot cannot be asked any more."""
        self._log.connection.close()

    def funnel(
        self,
        steps: Sequence[Any],
        window: Span | None = None,
        order: str = "ordered",
        unit: str = "customers",
        by: str | Mapping[str, Any] | None = None,
        *,
        strict_increase: bool = False,
        strict_once: bool = True,
        strict_deduplication: bool = False,
        reentry: bool = False,
        exclude: Sequence[Any] = (),
        optional: Sequence[int | str] = (),
        hold: str | Sequence[str] = (),
    ) -> ResultFrame:
        """A row a step: entered = converted + dropped_off + open, rates with Wilson intervals, exact times.

        `conversion_rate` is converted / (converted + dropped_off), matured units only, NULL for the last step;
        `step_conversion_rate` is entered over the step before (the first: over all units); the seconds run from the
        step to the next. `.levels` has the deepest step of each unit. Options: see analysis.funnel.FunnelQuestion.
        Raises QueryError.
        """
        plan = plan_funnel(
            self._log,
            steps=_as_list(steps),
            window=window,
            order=order,
            unit=unit,
            by=by,
            strict_increase=strict_increase,
            strict_once=strict_once,
            strict_deduplication=strict_deduplication,
            reentry=reentry,
            exclude=_as_list(exclude),
            optional=_as_list(optional),
            hold=_as_list(hold),
        )
        query = write_summary(self._log, plan)
        levels = write_levels(self._log, plan)
        return make_result(
            self._log.read(query), query, _picture("draw_funnel"), lambda: self._log.read(levels)
        )

    def funnel_levels(self, steps: Sequence[Any], window: Span | None = None, **options: Any) -> ResultFrame:
        """A row a unit: the deepest step that it reached (0: not even the first) and when; options as of `funnel`."""
        plan = plan_funnel(self._log, steps=_as_list(steps), window=window, **options)
        query = write_levels(self._log, plan)
        return make_result(self._log.read(query), query)


def _as_list(given: Any) -> list[Any]:
    return [given] if isinstance(given, str | int | Mapping) else list(given)


def _picture(name: str) -> Any:
    """The figure of an answer; plotly is imported when it is drawn."""

    def draw(frame: pd.DataFrame) -> Any:
        from journey_mining.report import analysis_figures

        return getattr(analysis_figures, name)(frame)

    return draw


def open_snapshot(path: str | Path) -> Snapshot:
    """A read-only snapshot: a home folder, its `current`, a snapshot's folder, or a journeys.duckdb file."""
    given = Path(path)
    places = [given, given / DATABASE, given / "current" / DATABASE]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise JourneyMiningError(
            f"There is no published snapshot in {given}.",
            expected=f"a folder with {DATABASE}, or that file",
            fix="publish one with: journey-mining run",
        )
    connection = open_readonly(file)
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    rows = connection.execute("select name, value from settings").fetchall()
    columns = {row[0] for row in connection.execute("describe events").fetchall()}
    ties = ("event_ordinal",) if "event_ordinal" in columns else ("source", "file_id", "line", "event_id")
    settings = {str(name): value for name, value in rows}
    return Snapshot(EventLog(connection, lambda table: None, ties, is_loaded=False, settings=settings))


def from_events(
    events: Any,
    *,
    customer_id: str = "customer_id",
    occurred_at: str = "occurred_at",
    touchpoint: str = "touchpoint",
    session: str | None = None,
    stages: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    goal: str | None = "purchase",
    inactivity: Span = "30 minutes",
    expiry: Span = "never",
    repeats: str = "keep",
    ends_on: str = "expiry",
    touchpoints: Sequence[str] = (),
) -> Snapshot:
    """A snapshot of events of one's own: a frame, Arrow table, DuckDB relation, rows, Parquet or CSV file.

    Needs columns of customer_id, occurred_at and touchpoint (name them where they are called otherwise); any other
    column can be used in steps, breakdowns and predicates. `session` names a column of the source's own sessions.
    Times without a zone are UTC, numbers are seconds since 1970; equal times keep the order of the input; customer
    ids stay as given. `touchpoints` lists names that may occur though no event has them. Nothing is written outside
    a temporary folder. Raises SourceError, QueryError.
    """
    names = {"customer_id": customer_id, "occurred_at": occurred_at, "touchpoint": touchpoint}
    rules = Rules(stages, goal, inactivity, expiry, repeats, ends_on)
    return Snapshot(load_events(events, names, rules, touchpoints, session))
