"""Seconds and memory of a process, by the standard library alone: peers measure themselves with it too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

Figures = dict[str, Any]


@contextmanager
def measured(figures: Figures, name: str = "") -> Iterator[None]:
    """Adds the wall and processor seconds of the context, and the peak so far, to `figures`."""
    wall, cpu = perf_counter(), process_time()
    yield
    prefix = f"{name}_" if name else ""
    figures[f"{prefix}seconds"] = figures.get(f"{prefix}seconds", 0.0) + perf_counter() - wall
    figures[f"{prefix}cpu_seconds"] = figures.get(f"{prefix}cpu_seconds", 0.0) + process_time() - cpu
    figures[f"{prefix}peak_bytes"] = peak_bytes()


def peak_bytes() -> int:
    """Largest resident memory of this process since it began, or since forget_peak, bytes."""
    return status_bytes("self", "VmHWM")


def resident_bytes(process: int | str = "self") -> int:
    """Resident memory of a process now, bytes; 0 when it has ended."""
    return status_bytes(process, "VmRSS")


def status_bytes(process: int | str, field: str) -> int:
    """A size that Linux tells of a process, bytes; 0 where it tells none."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def forget_peak() -> None:
    """Let the peak begin anew at what is resident now, where Linux lets a process do so."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
