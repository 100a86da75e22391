"""Pictures of estimates, as Plotly figures: every mark with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from journey_mining.report.formatting import escape_plotly


def draw_attribution(frame: pd.DataFrame) -> Any:
    """Bars of the share of each channel, a trace for each model, with intervals."""
    label, figure = frame.columns[1], go.Figure()
    for model, part in frame.dropna(subset=[label]).groupby("model", sort=False):
        figure.add_trace(
            go.Bar(
                name=str(model),
                x=part[label].map(escape_plotly),
                y=part["share"],
                error_y=_reach(part, "share"),
            )
        )
    return figure.update_layout(barmode="group", yaxis={"tickformat": ".0%", "title": "share"})


def draw_comparison(frame: pd.DataFrame) -> Any:
    """Dots of the differences (a - b) with intervals, the 25 clearest features, the clearest on top."""
    part = frame.head(25)
    names = [
        escape_plotly(f"{kind}: {name}") for kind, name in zip(part["kind"], part["feature"], strict=True)
    ]
    return _draw_dots(names, part, "difference", "rate a - rate b")


def draw_pain_points(frame: pd.DataFrame) -> Any:
    """Dots of the conversions at stake with intervals, the 25 largest, the largest on top."""
    part = frame.head(25).rename(columns={"low": "_low", "high": "_high"})
    part = part.rename(columns={"at_stake_low": "low", "at_stake_high": "high"})
    return _draw_dots(
        [escape_plotly(one) for one in part["signal"]], part, "at_stake", "conversions at stake"
    )


def draw_instead(frame: pd.DataFrame) -> Any:
    """Bars of what those who dropped off did, a trace for each step."""
    figure = go.Figure()
    for step, part in frame[frame["dropped_off"] > 0].groupby("step_number"):
        top = part.head(10)
        name = f"{step}. {part['step'].iloc[0]}"
        figure.add_trace(
            go.Bar(name=escape_plotly(name), x=top["instead"].map(escape_plotly), y=top["dropped_off_share"])
        )
    return figure.update_layout(barmode="group", yaxis={"tickformat": ".0%", "title": "of those who left"})


def draw_prediction(frame: pd.DataFrame) -> Any:
    """Bars of the probabilities, the ten largest."""
    top = frame.head(10)
    return go.Figure(go.Bar(x=top["touchpoint"].map(escape_plotly), y=top["probability"]))


def draw_conversion(frame: pd.DataFrame) -> Any:
    """The share converted by time as a step line, with its interval."""
    figure = go.Figure()
    for column, dash in (("conversion", "solid"), ("low", "dot"), ("high", "dot")):
        line = {"shape": "hv", "dash": dash}
        figure.add_trace(
            go.Scatter(x=frame["seconds"], y=frame[column], name=column, line=line, mode="lines")
        )
    return figure.update_layout(yaxis={"tickformat": ".0%", "title": "converted"}, xaxis_title="seconds")


def draw_escalations(frame: pd.DataFrame) -> Any:
    """Dots of the escalation rates with intervals."""
    part = frame.dropna(subset=["touchpoint"]).head(25)
    part = part.rename(columns={"escalation_rate_low": "low", "escalation_rate_high": "high"})
    return _draw_dots(
        [escape_plotly(one) for one in part["touchpoint"]], part, "escalation_rate", "escalated"
    )


def _draw_dots(names: list[str], part: pd.DataFrame, column: str, title: str) -> Any:
    dots = go.Scatter(x=part[column], y=names, mode="markers", error_x=_reach(part, column))
    return go.Figure(dots).update_layout(
        yaxis={"autorange": "reversed", "type": "category"}, xaxis_title=title
    )


def _reach(part: pd.DataFrame, column: str) -> dict[str, Any]:
    """Plotly's error bars from the ends of an interval."""
    centre = part[column].to_numpy(float)
    return {
        "type": "data",
        "symmetric": False,
        "array": np.nan_to_num(part["high"].to_numpy(float) - centre),
        "arrayminus": np.nan_to_num(centre - part["low"].to_numpy(float)),
    }
