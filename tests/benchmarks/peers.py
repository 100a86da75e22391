"""A question that a peer answers over a pandas frame of the contacts; runs in the peers' own environment.

    python peers.py '{"who": "pm4py", "question": "transitions", "log": …}'

Each is asked in the way its own documentation shows, by the function that has the least to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from asking import CASES, FLOW_STEPS, PATTERN, STEPS, main, measure_answer
from resources import Figures

Answers = dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]]


def count_matrix(frame: Any) -> dict[str, int]:
    """Transitions by pair, without borders and repeats, from a matrix of counts."""
    counts = {(a, b): n for a, row in frame.to_dict("index").items() for b, n in row.items()}
    return {f"{a} > {b}": int(n) for (a, b), n in counts.items() if n and a != b and "path_" not in a + b}


def ask_retentioneering(case: str) -> tuple[Callable[[Any], Any], Answers]:
    """How a frame becomes an event stream, and the questions that it answers."""
    os.environ["RETENTIONEERING_NO_TRACK"] = "1"
    from retentioneering import Eventstream

    schema = {"path_cols": [case], "event_col": "touchpoint", "timestamp_col": "occurred_at"}
    between = {"metric": "time_between", "metric_args": {"start_event": STEPS[0], "end_event": STEPS[-1]}}
    pattern = {"metric": "matches_pattern", "metric_args": {"pattern": "->".join(PATTERN)}}
    return lambda frame: Eventstream(frame, schema), {
        "funnel": (
            lambda stream: stream.funnel_data(list(STEPS)),
            lambda found: [int(step["unique_paths"]) for step in found["steps"]],
        ),
        "time to convert": (
            lambda stream: stream.get_metrics([between]),
            lambda found: int(found.iloc[:, 0].notna().sum()),
        ),
        "sessions": (
            lambda stream: stream.split_sessions(timeout="30m"),
            lambda found: int(found.df["session_id"].nunique()),
        ),
        "match": (
            lambda stream: stream.get_metrics([pattern]),
            lambda found: int(found.iloc[:, 0].astype(bool).sum()),
        ),
        "transitions": (lambda stream: stream.transition_graph_data(edge_weight="count"), count_matrix),
        "step flow": (
            lambda stream: stream.step_sankey_data(max_steps=FLOW_STEPS),
            lambda found: {name: round(float(n), 6) for name, n in found[1].items() if n},
        ),
    }


def ask_pm4py(case: str) -> tuple[Callable[[Any], Any], Answers]:
    """How a frame becomes an event log, and the questions that it answers."""
    import pm4py

    def prepare(frame: Any) -> Any:
        return pm4py.format_dataframe(
            frame, case_id=case, activity_key="touchpoint", timestamp_key="occurred_at"
        )

    return prepare, {
        "match": (
            lambda log: pm4py.filter_directly_follows_relation(log, [PATTERN]),
            lambda found: int(found["case:concept:name"].nunique()),
        ),
        "transitions": (
            pm4py.discover_dfg,
            lambda found: {f"{a} > {b}": int(n) for (a, b), n in found[0].items() if a != b},
        ),
        "variants": (pm4py.get_variants, len),
    }


def answer_question(task: dict[str, Any]) -> Figures:
    """The figures of one question; `no_answer` where the peer has no such question."""
    import pandas as pd

    case = CASES[task["question"]]
    prepare, answers = {"retentioneering": ask_retentioneering, "pm4py": ask_pm4py}[task["who"]](case)
    if task["question"] not in answers:
        return {"no_answer": "no such question"}
    ask, answer = answers[task["question"]]
    frame = pd.read_parquet(task["log"], columns=[case, "occurred_at", "touchpoint"])
    return measure_answer(frame, prepare, ask, answer)


if __name__ == "__main__":
    main(answer_question)
