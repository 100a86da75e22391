"""A question that journey-mining answers: over the published snapshot, or over a frame of the same contacts.

python ours.py '{"who": "snapshot", "question": "funnel", "published": …, "log": …}'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asking import CASES, FLOW_STEPS, PATTERN, STEPS, main, measure_answer
from resources import Figures

import journey_mining
from journey_mining.snapshot import Snapshot

Ask = Callable[[Snapshot, str], Any]


def count_pairs(frame: Any) -> dict[str, int]:
    """Transitions by pair, without borders and repeats."""
    rows = zip(frame["from_touchpoint"], frame["to_touchpoint"], frame["transition_count"], strict=True)
    return {f"{a} > {b}": int(n) for a, b, n in rows if a != b and not (a + b).count("__")}


def share_entries(frame: Any) -> dict[str, float]:
    """The share of units that begin with each touchpoint, from a step flow."""
    began = frame[frame["from_touchpoint"] == "__start__"]
    total = int(began["journey_count"].sum())
    counts = zip(began["to_touchpoint"], began["journey_count"], strict=True)
    return {str(name): round(int(n) / total, 6) for name, n in counts}


QUESTIONS: dict[str, tuple[Ask, Callable[[Any], Any]]] = {
    "funnel": (lambda s, unit: s.funnel(STEPS), lambda f: [int(n) for n in f["entered"]]),
    "time to convert": (lambda s, unit: s.time_to_convert(STEPS), lambda f: int(f["unit_count"].sum())),
    "sessions": (lambda s, unit: s.sessions(), len),
    "match": (lambda s, unit: s.match(" -> ".join(PATTERN)), lambda f: int(f["is_match"].sum())),
    "transitions": (lambda s, unit: s.transitions(unit=unit), count_pairs),
    "step flow": (lambda s, unit: s.flow(steps=FLOW_STEPS, top=100), share_entries),
    "variants": (lambda s, unit: s.variants(), len),
}


def answer_question(task: dict[str, Any]) -> Figures:
    """The figures of one question to the snapshot or to the frame."""
    ask, answer = QUESTIONS[task["question"]]
    if task["who"] == "snapshot":
        return measure_answer(
            task["published"], journey_mining.open, lambda snapshot: ask(snapshot, "journeys"), answer
        )
    import pandas as pd

    case = CASES[task["question"]]
    frame = pd.read_parquet(task["log"], columns=[case, "occurred_at", "touchpoint"])
    return measure_answer(
        frame,
        lambda given: journey_mining.from_events(given, customer_id=case, goal=None),
        lambda snapshot: ask(snapshot, "customers"),
        answer,
    )


if __name__ == "__main__":
    main(answer_question)
