"""The analyst's API: questions to a published snapshot, or to events of one's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from journey_mining.analysis.durations import KEPT, write_durations
from journey_mining.analysis.expressions import Span
from journey_mining.analysis.feedback import check_feedback, write_nps
from journey_mining.analysis.flow import write_flow
from journey_mining.analysis.funnel import plan_funnel
from journey_mining.analysis.funnel_answer import write_levels, write_summary
from journey_mining.analysis.intake import Rules, load_events
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.macro_calls import write_call
from journey_mining.analysis.matching import write_matches
from journey_mining.analysis.paths import (
    ask_paths,
    write_path_customers,
    write_path_moves,
    write_path_nodes,
    write_step_matrix,
)
from journey_mining.analysis.queries import check_query
from journey_mining.analysis.retention import ask_retention, write_retention
from journey_mining.analysis.sequences import write_neighbours, write_transitions
from journey_mining.errors import JourneyMiningError, QueryError
from journey_mining.frames import ResultFrame, make_result
from journey_mining.inference import Inference
from journey_mining.warehouse import open_attached, quoted

DATABASE = "journeys.duckdb"


class Snapshot(Inference):
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
        by: str | Sequence[str] | Mapping[str, Any] | None = None,
        *,
        by_at: str = "entry",
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
            by_at=by_at,
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
        return self._answer(query)

    def time_to_convert(
        self,
        steps: Sequence[Any],
        from_step: int = 1,
        to_step: int | None = None,
        bins: int | None = None,
        window: Span | None = None,
        *,
        censored: bool = False,
        **options: Any,
    ) -> ResultFrame:
        """A histogram of the seconds from one step (1-based) to another; options as of `funnel`.

        `.units` has the seconds of each unit, `.attrs` their mean and median. censored: instead the share converted by
        each time (Kaplan-Meier), in which units that have not converted count for as long as they were watched; its
        `.attrs` have the median with its interval (see mining.survival).
        """
        plan = plan_funnel(self._log, steps=_as_list(steps), window=window, **options)
        last = len(plan.steps) if to_step is None else to_step
        if censored:
            return self._estimate_conversion(plan, from_step, last)
        query, units, of_kept = write_durations(self._log, plan, from_step, last, bins)
        with self._log.keeping(KEPT, units):
            histogram = self._log.read(of_kept)
            means = self._log.read(f"select avg(seconds) as mean, median(seconds) as median from {KEPT}")
        frame = make_result(histogram, query, _picture("draw_durations"), lambda: self._log.read(units))
        frame.attrs = {"mean_seconds": means["mean"].item(), "median_seconds": means["median"].item()}
        return frame

    def transitions(
        self, weight: str = "count", start_end: bool = True, unit: str = "journeys"
    ) -> ResultFrame:
        """A row for each touchpoint directly followed by another: counts, `weight`, and the probability by weight.

        weight: count, journeys, sessions or customers; unit: where a sequence begins and ends (journeys, sessions,
        customers); start_end: with `__start__` and `__end__`.
        """
        return self._answer(write_transitions(self._log, unit, weight, start_end), "draw_transitions")

    def next_steps(
        self, after: str | Sequence[str], unit: str = "customers", occurrence: str = "first"
    ) -> ResultFrame:
        """What comes directly after a sequence of adjacent touchpoints, by share; `.units` has it unit by unit.

        occurrence: the first or last place in a unit where the sequence is, or all.
        """
        query, units = write_neighbours(self._log, _as_list(after), unit, occurrence, forward=True)
        return self._answer(query, None, units)

    def previous_steps(
        self, before: str | Sequence[str], unit: str = "customers", occurrence: str = "first"
    ) -> ResultFrame:
        """What comes directly before a sequence (in order of time), as `next_steps`."""
        query, units = write_neighbours(self._log, _as_list(before), unit, occurrence, forward=False)
        return self._answer(query, None, units)

    def paths_after(self, touchpoint: str, n: int = 3, occurrence: str = "first") -> ResultFrame:
        """The paths of up to n steps that follow a touchpoint in journeys, with what they convert; a published macro.

        occurrence: the first or last of a journey's steps at the touchpoint, or all.
        """
        name = self._log.check_touchpoint(touchpoint)
        return self._answer(write_call(self._log, "paths_after", name, n, occurrence=occurrence))

    def paths_before(self, touchpoint: str, n: int = 3, occurrence: str = "first") -> ResultFrame:
        """The paths of up to n steps that lead to a touchpoint in journeys, as `paths_after`."""
        name = self._log.check_touchpoint(touchpoint)
        return self._answer(write_call(self._log, "paths_before", name, n, occurrence=occurrence))

    def journey(self, journey_id: Any) -> ResultFrame:
        """The steps of one journey in their order; a published macro. Raises QueryError for an unknown id."""
        found = self._answer(write_call(self._log, "journey", str(journey_id)))
        if found.empty:
            raise QueryError(f"No journey has the id {journey_id}.", fix="take one from: .journeys()")
        return found

    def flow(
        self,
        start: str | None = None,
        end: str | None = None,
        around: str | None = None,
        steps: int | None = None,
        top: int = 8,
        occurrence: str = "first",
    ) -> ResultFrame:
        """True counts of moves step by step, from the journeys' start, or from, to or around a touchpoint.

        steps: how many are shown (5, or 2 on either side); top: touchpoints a step, the rest is folded into one.
        """
        shown = steps if steps is not None else 2 if around is not None else 5
        return self._answer(write_flow(self._log, start, end, around, shown, top, occurrence), "draw_flow")

    def paths(self, steps: int = 5, **options: Any) -> ResultFrame:
        """Edges of session paths, `1_a` to `2_b`, with counts and seconds; options: see analysis.paths.PathQuestion."""
        question = ask_paths(self._log, steps=steps, **options)
        query = write_path_moves(self._log, question)
        return self._answer(query, None, write_path_customers(self._log, question))

    def path_nodes(self, steps: int = 5, **options: Any) -> ResultFrame:
        """Nodes of session paths: how many arrive, go on, and drop off; options as of `paths`."""
        question = ask_paths(self._log, steps=steps, **options)
        return self._answer(
            write_path_nodes(self._log, question), None, write_path_customers(self._log, question)
        )

    def step_matrix(self, steps: int = 5, unit: str = "customers") -> ResultFrame:
        """The share of units at each touchpoint, step by step; `__end__` keeps those who have finished."""
        return self._answer(write_step_matrix(self._log, steps, unit))

    def retention(
        self,
        unit: str = "day",
        kind: str = "n_day",
        *,
        cohort: str = "first",
        entry: Any = None,
        returning: Any = None,
        start: str | None = None,
        intervals: int | None = None,
        brackets: Sequence[Sequence[int]] | None = None,
        windows: str = "calendar",
        minimum: int = 1,
        by: str | Sequence[str] | Mapping[str, Any] | None = None,
        timezone: str = "UTC",
        week_starts: str = "monday",
    ) -> ResultFrame:
        """A row a cohort and interval: customers retained, with the rate and its Wilson interval.

        `cohort_at` is the begin of the cohort's interval, local time of `timezone`; with `by` the column `segment` is
        the first. `.units` has the intervals of each customer. Options: see analysis.retention.RetentionQuestion.
        Raises QueryError.
        """
        question = ask_retention(
            brackets,
            unit=unit,
            kind=kind,
            cohort=cohort,
            entry=entry,
            returning=returning,
            start=None if start is None else str(start),
            intervals=intervals,
            windows=windows,
            minimum=minimum,
            by=by,
            timezone=timezone,
            week_starts=week_starts,
        )
        query, units = write_retention(self._log, question)
        return self._answer(query, "draw_retention", units)

    def match(self, pattern: str, unit: str = "customers") -> ResultFrame:
        """A row a unit: whether its touchpoints match `cart -> [^purchase]* -> help`, and how often.

        A match has at least one event. The language is in analysis.matching. Raises QueryError.
        """
        return self._answer(write_matches(self._log, pattern, unit))

    def graph(self) -> Any:
        """The transition graph, a networkx.DiGraph with the attributes of mining.graph."""
        from journey_mining.mining.graph import build_graph

        self._log.require("transitions", "touchpoints")
        return build_graph(
            self._log.read("select * from transitions"), self._log.read("select * from touchpoints")
        )

    def variants(self) -> ResultFrame:
        """The distinct sequences of touchpoints with their journeys, the most frequent first."""
        return self._table("variants", "variant_rank")

    def sessions(self) -> ResultFrame:
        """The sessions in order of customer and time."""
        return self._table("sessions", "customer_id, started_at, session_id")

    def journeys(self) -> ResultFrame:
        """The journeys in order of customer and time."""
        return self._table("journeys", "customer_id, started_at, journey_id")

    def feedback(self) -> ResultFrame:
        """CSAT, NPS and CES by stage and touchpoint, each on its own scale; raises QueryError for scores without a kind."""
        check_feedback(self._log)
        return self._table("feedback", "score_kind, stage, touchpoint, score_max")

    def nps(self, by: str | None = None, score: str = "score") -> ResultFrame:
        """The net promoter score with its interval, in all or by a column of the events; raises QueryError.

        Without an answer the score is NULL; with fewer than two, whose spread is unknown, the interval is.
        """
        return self._answer(write_nps(self._log, by, score))

    def sql(self, query: str) -> ResultFrame:
        """The rows of one read-only query on the snapshot's tables; raises QueryError."""
        check_query(self._log, query)
        return self._answer(query)

    def _table(self, name: str, order: str) -> ResultFrame:
        self._log.require(name)
        return self._answer(f"select *\nfrom {name}\norder by {order}")

    def _answer(self, query: str, picture: str | None = None, units: str | None = None) -> ResultFrame:
        read_units = None if units is None else lambda: self._log.read(units)
        draw = None if picture is None else _picture(picture)
        return make_result(self._log.read(query), query, draw, read_units)


def _as_list(given: Any) -> list[Any]:
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str | Mapping) else [given]


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
    spill = tempfile.TemporaryDirectory(prefix="journey-mining-")
    connection = open_attached(file)
    connection.execute(f"set temp_directory = {quoted(spill.name)}")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    rows = connection.execute("select name, value from settings").fetchall()
    columns = {row[0] for row in connection.execute("describe events").fetchall()}
    ties = ("event_ordinal",) if "event_ordinal" in columns else ("source", "file_id", "line", "event_id")
    settings = {str(name): value for name, value in rows}
    log = EventLog(connection, lambda table: None, ties, is_loaded=False, settings=settings, keep=spill)
    return Snapshot(log)


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
    `feedback` needs score (numbers) and score_kind (csat, nps or ces), of csat also score_min and score_max; `nps` needs
    score. Times without a zone are UTC, numbers are seconds since 1970; equal times keep the order of the input; customer
    ids stay as given. `touchpoints` lists names that may occur though no event has them. Nothing is written outside
    a temporary folder. Raises SourceError, QueryError.
    """
    names = {"customer_id": customer_id, "occurred_at": occurred_at, "touchpoint": touchpoint}
    rules = Rules(stages, goal, inactivity, expiry, repeats, ends_on)
    return Snapshot(load_events(events, names, rules, touchpoints, session))
