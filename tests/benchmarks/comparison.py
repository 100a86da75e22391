"""Questions asked of journey-mining and of its peers, each in a process of its own, within limits of time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from asking import CASES
from ground import Ground
from resources import Figures, resident_bytes

HERE = Path(__file__).parent
OURS = ("snapshot", "frame")
PEERS = ("retentioneering", "pm4py")
SECONDS = 600
"""Whoever has not answered by then, has not."""
MEMORY_BYTES = 20_000_000_000
"""Nor whoever needs more than this."""


def install_peers(folder: Path) -> Path | None:
    """The interpreter of an environment that holds the peers, made unless it is there; None when that fails."""
    interpreter = folder / "bin" / "python"
    if (folder / "installed").is_file():
        return interpreter
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(interpreter), "-m", "pip", "install", "-qq", "-r", str(HERE / "peers.txt")],
    )
    for command in commands:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"bench: goes on without peers: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
    (folder / "installed").touch()
    return interpreter


def compare_answers(ground: Ground, peers: Path | None) -> dict[str, dict[str, Figures]]:
    """The figures of everyone, by question."""
    found: dict[str, dict[str, Figures]] = {}
    for question in CASES:
        found[question] = {who: ask(ground, Path(sys.executable), "ours.py", who, question) for who in OURS}
        for who in PEERS:
            if peers is None:
                found[question][who] = {"no_answer": "not installed"}
            else:
                found[question][who] = ask(ground, peers, "peers.py", who, question)
    return found


def ask(ground: Ground, interpreter: Path, script: str, who: str, question: str) -> Figures:
    """The figures of one answer, or why there is none."""
    task = {"who": who, "question": question, "published": str(ground.published), "log": str(ground.log)}
    out = ground.work / "answer.json"
    with out.open("w") as stdout:
        process = subprocess.Popen(
            [str(interpreter), str(HERE / script), json.dumps(task)],
            stdout=stdout,
            stderr=subprocess.PIPE if who in PEERS else None,
            text=True,
        )
        reason = _watch(process)
    if reason is None and process.returncode:
        said = process.stderr.read().strip() if process.stderr else ""
        reason = "failed: " + (said.rsplit("\n", 1)[-1][:120] or "it ended with an error")
    figures: Figures = {"no_answer": reason}
    if reason is None:
        figures = json.loads(out.read_text().strip().rsplit("\n", 1)[-1])
    told = figures.get("no_answer") or f"{figures['prepare_seconds'] + figures['ask_seconds']:9.2f} s"
    print(f"  {ground.events:,} events: {question}, {who}: {told}", file=sys.stderr, flush=True)
    return figures


def _watch(process: subprocess.Popen[str]) -> str | None:
    """Wait for the process to end; ends it, and says why, when it goes over a limit."""
    begun = time.monotonic()
    while process.poll() is None:
        reason = None
        if time.monotonic() - begun > SECONDS:
            reason = f"none within {SECONDS} s"
        elif resident_bytes(process.pid) > MEMORY_BYTES:
            reason = f"none within {MEMORY_BYTES / 1e9:.0f} GB"
        if reason is not None:
            process.kill()
            process.wait()
            return reason
        time.sleep(0.1)
    return None


def same_answer(answers: dict[str, Figures], who: str) -> str:
    """Whether a peer's answer is that of the snapshot, or only that of the same frame."""
    theirs = answers[who].get("answer")
    agreeing = [one for one in OURS if answers[one].get("answer") == theirs]
    if "snapshot" in agreeing:
        return "yes"
    return "frame's" if agreeing else "another definition"
