"""The budgets of the design as ratios, measured in one run on one machine; nothing is asserted.

    python tests/benchmarks/bench.py                                 1 and 10 million events
    python tests/benchmarks/bench.py --events 1000000 --keep DIR     generated exports are kept and used again
    python tests/benchmarks/bench.py --events 1000000 --profile      which statements take the time
    python tests/benchmarks/bench.py --events 1000000 --questions    only the questions that peers are asked too

What each row compares: docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
from answers_table import answer_lines
from comparison import compare_answers, install_peers
from ground import Form, Ground
from parts import Figures, size_of_exports
from tables import statement_lines, table_lines

PARTS_FILE = Path(__file__).with_name("parts.py")
FORMS: tuple[Form, ...] = ("parquet", "jsonl")
LARGE = 5_000_000
"""From this many events on fewer repetitions are made."""


class PartError(Exception):
    """A part ended with an error, which it has printed."""


def run_part(ground: Ground, part: str, form: Form = "parquet", profile: bool = False) -> Figures:
    """The figures of one part, measured in a fresh process."""
    task = {
        "part": part, "form": form, "folder": str(ground.folder), "events": ground.events,
        "threads": ground.threads, "memory_limit": ground.memory_limit, "profile": profile,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(PARTS_FILE), json.dumps(task)], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise PartError(f"the part {part} ({form}) of {ground.events:,} events failed")
    figures: Figures = json.loads(done.stdout.strip().rsplit("\n", 1)[-1])
    label = f"  {ground.events:,} events: {part} {form}"
    print(f"{label:<45} {figures['seconds']:9.2f} s", file=sys.stderr, flush=True)
    return figures


def best(runs: list[Figures]) -> Figures:
    """The run of the fewest wall seconds, with the fewest processor seconds and the largest peak of all runs."""
    fastest = min(runs, key=lambda run: float(run["seconds"]))
    return {
        **fastest,
        "cpu_seconds": min(run["cpu_seconds"] for run in runs),
        "peak_bytes": max(run["peak_bytes"] for run in runs),
    }


def alternate(ground: Ground, parts: Sequence[str], form: Form, repetitions: int) -> dict[str, Figures]:
    """The best run of each part, the parts taking turns."""
    runs: dict[str, list[Figures]] = {part: [] for part in parts}
    for _ in range(repetitions):
        for part in parts:
            runs[part].append(run_part(ground, part, form))
    return {part: best(found) for part, found in runs.items()}


def measure_size(ground: Ground, repetitions: int) -> dict[str, Any]:
    """All figures of one size."""
    shutil.rmtree(ground.work, ignore_errors=True)
    result: dict[str, Any] = {"events_wanted": ground.events, "repetitions": repetitions, "sizes": {}}
    for form in FORMS:
        if not (ground.exports(form) / "journey.yaml").is_file():
            shutil.rmtree(ground.exports(form), ignore_errors=True)
            result[f"generate_{form}"] = run_part(ground, "generate", form)
        result["sizes"][form] = size_of_exports(ground, form)
    for form in FORMS:
        result[f"read_{form}"] = alternate(ground, ("read_ours", "read_theirs"), form, repetitions)
    result["stage"] = run_part(ground, "stage")
    first = run_part(ground, "derive")
    result["lay_out"] = run_part(ground, "lay_out")
    again = alternate(ground, ("limit_wide", "limit_narrow", "derive"), "parquet", max(1, repetitions - 1))
    for form in FORMS:
        result[f"night_{form}"] = run_part(ground, "night", form)
    result.update(measure_questions(ground))
    for shape in ("even", "giant", "spread", "star"):
        result[f"skew_{shape}"] = run_part(ground, f"skew_{shape}")
    result["derive"] = {**again, "derive": best([first, again["derive"]])}
    return result


def measure_questions(ground: Ground) -> dict[str, Any]:
    """Figures of the questions asked of the published snapshot, of a frame of its contacts, and of the peers."""
    if not (ground.published / "journeys.duckdb").is_file():
        run_part(ground, "night")
    peers = install_peers(ground.folder.parent / "peers")
    return {"write_log": run_part(ground, "write_log"), "questions": compare_answers(ground, peers)}


def measure_questions_only(ground: Ground) -> dict[str, Any]:
    """The same without the other figures, over the snapshot that is there."""
    if not (ground.exports("parquet") / "journey.yaml").is_file():
        run_part(ground, "generate")
    return measure_questions(ground)


def measure_start() -> dict[str, float]:
    """Seconds of `journey-mining --help` and `import journey_mining`, each the best of five."""
    command = Path(sys.executable).with_name("journey-mining")
    help_call = [str(command)] if command.is_file() else [sys.executable, "-m", "journey_mining.cli"]
    return {
        "help_seconds": _fastest([*help_call, "--help"]),
        "import_seconds": _fastest([sys.executable, "-c", "import journey_mining"]),
        "python_seconds": _fastest([sys.executable, "-c", "pass"]),
    }


def _fastest(command: list[str]) -> float:
    seconds = []
    for _ in range(5):
        begun = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(perf_counter() - begun)
    return min(seconds)


def profile_size(ground: Ground) -> list[str]:
    """Lines that tell the longest statements of reading and of identity to marts."""
    lines: list[str] = []
    for form in FORMS:
        if not (ground.exports(form) / "journey.yaml").is_file():
            run_part(ground, "generate", form)
        found = run_part(ground, "read_ours", form, profile=True)
        lines += statement_lines(f"reading the web exports ({form})", found["statements"])
    found = run_part(ground, "stage", profile=True)
    lines += statement_lines("reading all four sources", found["statements"])
    found = run_part(ground, "derive", profile=True)
    lines += statement_lines("from identity to the report", found["statements"])
    return lines


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_bytes": memory,
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
    }


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000], metavar="N")
    parser.add_argument(
        "--repetitions", type=int, help="of each comparison (default: 3; from 5 million events on 2)"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-limit", default="6GB", help="of DuckDB, for both sides (default: 6GB)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="generate there, keep the exports, use them again"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    parser.add_argument(
        "--profile", action="store_true", help="tell the statements that take over 1 % of their step"
    )
    parser.add_argument(
        "--questions",
        action="store_true",
        help="only the questions, asked of peers too; with --keep also the published snapshot is kept and used again",
    )
    return parser.parse_args(arguments)


def run_bench(options: argparse.Namespace, root: Path) -> bool:
    """Measure every size under `root` and print what was found; False when a part failed."""
    found: dict[str, Any] = {"machine": machine(), "sizes": [], "failed": []}
    if not options.profile:
        found["start"] = measure_start()
    for events in options.events:
        ground = Ground(root / str(events), events, options.threads, options.memory_limit)
        try:
            _measure(ground, options, found)
        except PartError as error:
            print(f"bench: {error}", file=sys.stderr)
            found["failed"].append(str(error))
        finally:
            if not (options.keep and options.questions):
                shutil.rmtree(ground.work, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return not found["failed"]


def _measure(ground: Ground, options: argparse.Namespace, found: dict[str, Any]) -> None:
    if options.profile:
        print("\n".join(profile_size(ground)), flush=True)
        return
    if options.questions:
        found["sizes"].append(measure_questions_only(ground))
        print("\n".join(answer_lines(found["sizes"][-1], found["machine"])), flush=True)
        return
    repetitions = options.repetitions or (2 if ground.events >= LARGE else 3)
    found["sizes"].append(measure_size(ground, repetitions))
    size = found["sizes"][-1]
    print("\n".join([*table_lines(found, size, ground), *answer_lines(size, found["machine"])]), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark in a folder that goes when it ends, unless one to keep is named."""
    options = parse_arguments(arguments)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        return 0 if run_bench(options, options.keep.resolve()) else 1
    with tempfile.TemporaryDirectory(prefix="journey-mining-bench-") as name:
        return 0 if run_bench(options, Path(name)) else 1


if __name__ == "__main__":
    sys.exit(main())
