"""Pictures of an analyst's answers, as Plotly figures."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go


def draw_funnel(frame: pd.DataFrame) -> Any:
    """A funnel: units at each step, a trace for each segment."""
    groups = frame.groupby("segment", sort=False) if "segment" in frame else [("", frame)]
    figure = go.Figure()
    for name, part in groups:
        labels = [f"{number}. {step}" for number, step in zip(part["step_number"], part["step"], strict=True)]
        figure.add_trace(
            go.Funnel(name=str(name), y=labels, x=part["entered"], textinfo="value+percent initial")
        )
    return figure.update_layout(showlegend="segment" in frame, margin={"t": 30})


def draw_flow(frame: pd.DataFrame) -> Any:
    """A Sankey diagram: a node for each touchpoint at each step."""
    sources = [
        (step, name) for step, name in zip(frame["step_number"], frame["from_touchpoint"], strict=True)
    ]
    targets = [
        (step + 1, name) for step, name in zip(frame["step_number"], frame["to_touchpoint"], strict=True)
    ]
    places = {node: index for index, node in enumerate(dict.fromkeys([*sources, *targets]))}
    return go.Figure(
        go.Sankey(
            node={
                "label": [
                    name.strip("_").replace("_", " ") if name.startswith("__") else name for _, name in places
                ]
            },
            link={
                "source": [places[node] for node in sources],
                "target": [places[node] for node in targets],
                "value": frame["journey_count"].tolist(),
            },
        )
    )


def draw_retention(frame: pd.DataFrame) -> Any:
    """A heat map: cohorts down, segment by segment, intervals across, the share retained."""
    cohorts = frame["cohort_at"].dt.strftime("%Y-%m-%d %H:%M")
    if "segment" in frame:
        cohorts = frame["segment"].astype(object).fillna("(none)").astype(str) + ", " + cohorts
    wide = frame.assign(cohort=cohorts).pivot_table(
        index="cohort", columns="interval_number", values="retention_rate", dropna=False, sort=False
    )
    heat = go.Heatmap(z=wide.to_numpy(), x=list(wide.columns), y=list(wide.index), zmin=0, zmax=1)
    return go.Figure(heat).update_yaxes(autorange="reversed", type="category")


def draw_durations(frame: pd.DataFrame) -> Any:
    """A histogram of the seconds to convert."""
    return go.Figure(go.Bar(x=frame["from_seconds"], y=frame["unit_count"])).update_layout(bargap=0.02)


def draw_transitions(frame: pd.DataFrame) -> Any:
    """A heat map: from down, to across, the probability of the transition."""
    wide = frame.pivot_table(index="from_touchpoint", columns="to_touchpoint", values="probability")
    return go.Figure(go.Heatmap(z=wide.to_numpy(), x=list(wide.columns), y=list(wide.index), zmin=0, zmax=1))
