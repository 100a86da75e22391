"""The printed form of the questions that journey-mining and its peers were asked."""

from __future__ import annotations

import os
from typing import Any

from comparison import OURS, PEERS, same_answer
from tables import Row, aligned, bytes_text, seconds_text, verdict

TO_THE_ANSWER: Row = (
    "to the answer", "peer", "snapshot", "frame", "theirs", "x snapshot", "x frame", "CPU x snapshot", "CPU x frame",
    "same answer",
)  # fmt: skip
ASKED_AGAIN: Row = (
    "asked again", "peer", "snapshot", "frame", "theirs", "x snapshot", "x frame", "peak snapshot", "frame", "theirs",
    "x snapshot", "x frame", "above what was loaded",
)  # fmt: skip


def answer_lines(size: dict[str, Any], machine: dict[str, Any]) -> list[str]:
    """The lines that tell who answers what how fast and in what memory, and the funnel's own budget."""
    log, questions = size["write_log"], size["questions"]
    pairs = [(question, who) for question in questions for who in PEERS]
    answered = [(q, who, questions[q]) for q, who in pairs if not _silent(questions[q], who)]
    silent = [(q, who, _silent(questions[q], who)) for q, who in pairs if _silent(questions[q], who)]
    again = questions["funnel"]["snapshot"]
    return [
        "",
        f"questions: {log['contacts']:,} contacts in the frames, {log['published_events']:,} events in the snapshot; "
        f"{machine['cores']} cores, load {machine['load']:.1f} at the start and {os.getloadavg()[0]:.1f} at the end",
        "",
        *aligned([TO_THE_ANSWER, *(_answer_row(*one) for one in answered)]),
        "",
        *aligned([ASKED_AGAIN, *(_again_row(*one) for one in answered)]),
        "",
        *aligned(silent),
        "",
        "the ordered funnel, asked again in an opened snapshot: "
        f"{seconds_text(again['again_seconds'])}, CPU {seconds_text(again['again_cpu_seconds'])}, "
        f"budget 1 s, {verdict(again['again_cpu_seconds'], 1.0)}",
    ]


def _silent(answers: dict[str, Any], who: str) -> str:
    """Why a peer cannot be compared; nothing where it can."""
    reasons = [f"{one}: {answers[one]['no_answer']}" for one in OURS if "no_answer" in answers[one]]
    return ", ".join([*([str(answers[who]["no_answer"])] if "no_answer" in answers[who] else []), *reasons])


def _answer_row(question: str, who: str, answers: dict[str, Any]) -> Row:
    wall, cpu = (
        [answers[one][f"prepare_{kind}"] + answers[one][f"ask_{kind}"] for one in (*OURS, who)]
        for kind in ("seconds", "cpu_seconds")
    )
    times = [f"{each[2] / each[place]:.1f}" for each in (wall, cpu) for place in (0, 1)]
    return (question, who, *map(seconds_text, wall), *times, same_answer(answers, who))


def _again_row(question: str, who: str, answers: dict[str, Any]) -> Row:
    seconds, peaks = (
        [answers[one][name] for one in (*OURS, who)] for name in ("again_seconds", "peak_bytes")
    )
    above = [answers[one]["peak_bytes"] - answers[one]["base_bytes"] for one in (*OURS, who)]
    return (
        question,
        who,
        *map(seconds_text, seconds),
        *(f"{seconds[2] / seconds[place]:.1f}" for place in (0, 1)),
        *map(bytes_text, peaks),
        *(f"{peaks[2] / peaks[place]:.1f}" for place in (0, 1)),
        " / ".join(map(bytes_text, above)),
    )
