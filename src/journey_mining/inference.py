"""The questions of the analyst's API whose answers are estimates: attribution, comparisons, pain points, predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from journey_mining.analysis.escalation import choose_ends, write_escalations
from journey_mining.analysis.expressions import Span, span_us
from journey_mining.analysis.funnel import Plan, plan_funnel
from journey_mining.analysis.instead import write_instead
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.predicates import build_matcher
from journey_mining.analysis.survival import write_waiting
from journey_mining.errors import QueryError
from journey_mining.frames import ResultFrame, make_result


class Inference:
    """Estimates from an event log; every interval is a 95 % interval, and no difference is a proof of a cause."""

    _log: EventLog

    def attribution(
        self,
        model: str | Sequence[str] = "markov",
        by: str = "channel",
        value: bool = False,
        order: int = 1,
        lookback: Span | None = None,
        bootstrap: int = 500,
        **options: Any,
    ) -> ResultFrame:
        """A row a model and channel: conversions, value, share, and the share's interval (customers drawn again).

        model: first, last, last_non_direct, linear, time_decay, position_based, participation, markov, shapley, several
        of them, or "all"; by: a column of the events (channel, campaign, touchpoint, stage, …). Conversions sum to the
        converted journeys and value to their value, except of participation, which credits every channel in full. A
        model that the data cannot answer has one row, whose note says why. Options: see mining.crediting.CreditQuestion.
        """
        from journey_mining.mining.crediting import ask_credit, credit_log

        asked = {"model": model, "by": by, "value": value, "order": order, "lookback": lookback}
        frame, query = credit_log(self._log, ask_credit(**asked, bootstrap=bootstrap, **options))
        return make_result(frame, query, _draw("draw_attribution"))

    def compare(
        self,
        segment_a: str | Mapping[str, Any],
        segment_b: str | Mapping[str, Any] | None = None,
        *,
        minimum_effect: float = 0.05,
        minimum_count: int = 5,
        false_discovery_rate: float = 0.05,
    ) -> ResultFrame:
        """A row a feature: how many customers of either segment show it, the distinguishing ones first.

        A segment is a SQL predicate over columns of customers, journeys or events, a mapping column -> value, a step
        ({"touchpoint": …}) or {"journeys": predicate, "events": predicate}; no second one: everyone else. Features:
        touchpoints, transitions, channels, stages, entry channels, amounts above the median, answers and low scores.
        """
        from journey_mining.mining.comparison import compare_segments

        frame, query = compare_segments(
            self._log, segment_a, segment_b, minimum_effect, minimum_count, false_discovery_rate
        )
        return _result(frame, query, "draw_comparison")

    def pain_points(
        self, within: Span | None = None, *, candidates: bool = False, **rules: Any
    ) -> ResultFrame:
        """A row a pain point, by the lower bound of the conversions at stake; see mining.pain_points for the formula.

        within: how long customers are followed for the goal (default: the journeys' expiry, or 7 days where they never
        expire); candidates: also those that are not claimed. Rules: see mining.pain_points.PainRules.
        """
        return self._find("pain point", within, candidates, rules)

    def moments_of_delight(
        self, within: Span | None = None, *, candidates: bool = False, **rules: Any
    ) -> ResultFrame:
        """The mirror image of `pain_points`: what customers met who then converted more than comparable ones."""
        return self._find("moment of delight", within, candidates, rules)

    def instead(self, steps: Sequence[Any], window: Span | None = None, **options: Any) -> ResultFrame:
        """What those who dropped off after each funnel step did next, with its lift over those who went on.

        A row a step and answer: the next touchpoint, silence, or another channel. Options as of `funnel`.
        """
        plan = plan_funnel(self._log, steps=steps, window=window, **options)
        query = write_instead(self._log, plan)
        return make_result(self._log.read(query), query, _draw("draw_instead"))

    def predict_next(
        self, path: Sequence[str], order: int | None = None, held_out_weeks: int = 2
    ) -> ResultFrame:
        """The probability of each next touchpoint after a path; `.attrs` say how such forecasts held in later weeks.

        order: how many touchpoints count (0 to 3; None: as many as the data support by BIC). See mining.prediction.
        """
        from journey_mining.mining.prediction import predict_after

        steps = [path] if isinstance(path, str) else list(path)
        return _result(*predict_after(self._log, steps, order, held_out_weeks), "draw_prediction")

    def markov_orders(self, max_order: int = 3) -> ResultFrame:
        """A row an order: likelihood ratio test against the order below, BIC, and which order the data support."""
        from journey_mining.mining.prediction import compare_log_orders

        return _result(*compare_log_orders(self._log, max_order), None)

    def escalations(
        self, within: Span = "24 hours", *, from_: Any = None, to: Any = None, resolved: Any = None
    ) -> ResultFrame:
        """A row a self-service touchpoint: customers who turned to a person soon after it, with nothing resolved between.

        from_, to, resolved: a touchpoint, {"stage": …} or {"where": …}. Defaults: the customer's contacts on web or app;
        by phone or chat; the goal. Where the log has no such contacts there is one row, whose note says so.
        """
        log = self._log
        ends = choose_ends(log, from_, to)
        if isinstance(ends, str):
            row = {"touchpoint": None, "note": f"unavailable, because {ends}"}
            return make_result(pd.DataFrame([row]), "", None)
        goal = log.settings.get("goal")
        done = "false"
        if resolved is not None:
            done = build_matcher(log, resolved).sql
        elif goal in log.touchpoints:
            done = build_matcher(log, goal).sql
        elif goal in log.stages:
            done = build_matcher(log, {"stage": goal}).sql
        query = write_escalations(log, *ends, done, span_us(within, "within"))
        return make_result(log.read(query), query, _draw("draw_escalations"))

    def _estimate_conversion(self, plan: Plan, from_step: int, to_step: int) -> ResultFrame:
        from journey_mining.mining.survival import estimate_conversion

        query, units = write_waiting(self._log, plan, from_step, to_step)
        frame = estimate_conversion(self._log.read(query))
        return _result(frame, query, "draw_conversion", units, self._log)

    def _find(
        self, finding: str, within: Span | None, candidates: bool, rules: Mapping[str, Any]
    ) -> ResultFrame:
        from journey_mining.mining.pain_points import ask_rules, find_pain_points

        frame, query = find_pain_points(self._log, within, ask_rules(rules))
        kept = frame[(frame["finding"] == finding) & (frame["is_claimed"].astype(bool) | candidates)]
        return make_result(kept.reset_index(drop=True), query, _draw("draw_pain_points"))


def _result(
    frame: pd.DataFrame,
    query: str,
    picture: str | None,
    units: str | None = None,
    log: EventLog | None = None,
) -> ResultFrame:
    """The frame as a result, with its attributes."""
    read_units = None if units is None or log is None else lambda: log.read(units)
    result = make_result(frame, query, None if picture is None else _draw(picture), read_units)
    result.attrs = dict(frame.attrs)
    return result


def _draw(name: str) -> Any:
    """The figure of an answer; plotly is imported when it is drawn."""

    def draw(frame: pd.DataFrame) -> Any:
        from journey_mining.report import estimate_figures

        if frame.empty:
            raise QueryError("There is nothing to draw: the answer has no rows.")
        return getattr(estimate_figures, name)(frame)

    return draw
