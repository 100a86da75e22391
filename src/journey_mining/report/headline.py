"""The figures above everything else: how many, how many reached the goal, where the others left."""

from __future__ import annotations

from typing import Any

from statsmodels.stats.proportion import proportion_confint

from journey_mining.report.formatting import format_count, format_percent
from journey_mining.report.query import Connection, Row, read_answer
from journey_mining.report.suppression import is_small

DEFAULT_MIN_CELL = 5


def headline(connection: Connection) -> dict[str, Any]:
    """The key figures of the published database, as the report's first section shows them.

    Keys: customers, journeys, matured (converted + dropped_off), converted, dropped_off, open, open_share (of all
    journeys), conversion_rate (of matured journeys) with conversion_rate_low and _high (Wilson, 95 %),
    median_seconds (start to conversion), value, currency (None when none or several), events, goal, cutoff_at,
    first_started_at, main_exit_stage, main_exit_share (of journeys that left), min_cell and the sentence.
    Shares are None where their denominator is zero.
    """
    settings = {row["name"]: row["value"] for row in read_answer(connection, "settings").rows}
    states = read_answer(connection, "journey_states").rows[0]
    run = next(iter(read_answer(connection, "run").rows), {})
    events = read_answer(connection, "touchpoint_total").rows[0]["event_count"]
    figures: dict[str, Any] = {
        "customers": states.pop("customer_count"),
        "journeys": states.pop("journey_count"),
        **states,
        **_estimate_conversion(states["converted"], states["dropped_off"]),
        "events": run.get("event_count") or events,
        "goal": settings.get("goal") or "the goal",
        "cutoff_at": run.get("cutoff_at") or states["last_ended_at"],
        "currency": _read_currency(connection),
        "min_cell": read_min_cell(settings),
        **_find_main_exit(read_answer(connection, "exit_stages").rows),
    }
    figures["open_share"] = figures["open"] / figures["journeys"] if figures["journeys"] else None
    return {**figures, "sentence": write_sentence(figures)}


def read_min_cell(settings: dict[str, Any]) -> int:
    """The smallest count that may be shown; 5 unless the settings say otherwise."""
    text = str(settings.get("min_cell") or "")
    return int(text) if text.isdigit() else DEFAULT_MIN_CELL


def _estimate_conversion(converted: int, dropped_off: int) -> dict[str, Any]:
    """Matured journeys and their conversion rate with its Wilson 95 % interval."""
    matured = converted + dropped_off
    if not matured:
        return {
            "matured": 0,
            "conversion_rate": None,
            "conversion_rate_low": None,
            "conversion_rate_high": None,
        }
    low, high = proportion_confint(converted, matured, method="wilson")
    return {
        "matured": matured,
        "conversion_rate": converted / matured,
        "conversion_rate_low": float(low),
        "conversion_rate_high": float(high),
    }


def _read_currency(connection: Connection) -> str | None:
    """The currency of the values, None when there is none or more than one."""
    rows = read_answer(connection, "currencies").rows
    return str(rows[0]["currency"]) if len(rows) == 1 else None


def _find_main_exit(rows: list[Row]) -> dict[str, Any]:
    """The stage in which most of the journeys that left had ended, and its share of them."""
    total = sum(row["dropped_off"] for row in rows)
    if not total:
        return {"main_exit_stage": None, "main_exit_share": None, "main_exit_count": 0}
    first = rows[0]
    return {
        "main_exit_stage": first["stage"] or "no mapped stage",
        "main_exit_share": first["dropped_off"] / total,
        "main_exit_count": first["dropped_off"],
    }


def write_sentence(figures: dict[str, Any]) -> str:
    """The report's title: one sentence with a number, without any count below min_cell."""
    matured, goal, least = figures["matured"], figures["goal"], figures["min_cell"]
    if not figures["journeys"]:
        return "0 journeys so far: the sources hold no customer contacts yet"
    if not matured:
        many = format_count(figures["journeys"]) if figures["journeys"] >= least else f"fewer than {least}"
        return f"All {many} journeys are still open: none has had time to reach {goal} or to end"
    if matured < least:
        return f"Fewer than {least} journeys have matured, too few to tell how many reach {goal}"
    if is_small(figures["converted"], least) or is_small(figures["dropped_off"], least):
        few = "reached" if is_small(figures["converted"], least) else "ended without"
        return f"Fewer than {least} of {format_count(matured)} matured journeys {few} {goal}"
    share = format_percent(figures["conversion_rate"])
    return f"{share} of {format_count(matured)} matured journeys reached {goal}{_write_exit(figures)}"


def _write_exit(figures: dict[str, Any]) -> str:
    """Where the others left, empty when too few did."""
    if figures["main_exit_count"] < figures["min_cell"]:
        return ""
    share, stage = figures["main_exit_share"], figures["main_exit_stage"]
    if share > 0.5:
        return f"; most others left in {stage}"
    return f"; the largest group of others, {format_percent(share)}, left in {stage}"
