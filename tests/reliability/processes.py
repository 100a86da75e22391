"""Runs in processes of their own, which can be killed, starved or watched; each starts with everything imported.

A server process imports the library once and forks a child for each run, so that a run takes a second and not five.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from journey_mining.errors import JourneyMiningError

_IMPORTED_ONCE = [
    "pandas", "pyarrow", "plotly.graph_objects", "networkx", "phonenumbers", "journey_mining.pipeline",
    "journey_mining.report", "journey_mining.mining.graph",
]  # fmt: skip
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(_IMPORTED_ONCE)


@dataclass(frozen=True)
class Point:
    """A place in the code: before or after the first call of a function whose arguments fit."""

    module: str
    function: str
    is_after: bool = False
    fits: Callable[..., bool] = lambda *arguments, **named: True
    call: int = 1
    """Which of the fitting calls."""
    is_new: bool = False
    """Whether the new snapshot is the published one by then."""


def _replaces(name: str) -> Callable[..., bool]:
    return lambda source, target: Path(target).name.endswith(name)


def _is_receipt(source: Path, target: Path) -> bool:
    return Path(target).parent.name == "receipts"


def _is_store(path: Path, **named: Any) -> bool:
    return path.suffix == ".duckdb" and path.parent.name == "private"


def _is_snapshot(path: Path, **named: Any) -> bool:
    return Path(path).parent.name == "snapshots"


POINTS = {
    "after the lock": Point("journey_mining.runs", "start_working_copy"),
    "copying the store": Point("shutil", "copyfile", is_after=True),
    "reading": Point("journey_mining.sources.ledger", "_enter"),
    "a model": Point(
        "journey_mining.warehouse",
        "Warehouse.comment",
        fits=lambda warehouse, model: model.name == "journey_steps",
    ),
    "an audit": Point("journey_mining.audits", "_check", call=20),
    "the report": Point("journey_mining.report", "write_page", is_after=True),
    "the run's page": Point("journey_mining.pipeline", "write_run", is_after=True),
    "between store and snapshot": Point("os", "replace", is_after=True, fits=_replaces(".duckdb")),
    "before the list": Point("journey_mining.publication", "_list_snapshot"),
    "before the link": Point("os", "replace", fits=_replaces("current")),
    "after the link": Point("os", "replace", is_after=True, fits=_replaces("current"), is_new=True),
    "removing old snapshots": Point("shutil", "rmtree", fits=_is_snapshot, is_new=True),
    "after removing a snapshot": Point("shutil", "rmtree", is_after=True, fits=_is_snapshot, is_new=True),
}
"""The moments at which a run is killed, by name."""
FIRST_POINTS = {
    "before the key": Point("secrets", "token_bytes"),
    "with half a key": Point("os", "fsync"),
    "with a key": Point("os", "replace", is_after=True, fits=_replaces("key")),
}
"""Further moments of a home's first run."""
ERASURE_POINTS = {
    "before its link": POINTS["before the link"],
    "after its link": POINTS["after the link"],
    "removing a snapshot": POINTS["removing old snapshots"],
    "removing a store": Point("pathlib", "Path.unlink", is_after=True, fits=_is_store, is_new=True),
    "before its receipt": Point("os", "replace", fits=_is_receipt, is_new=True),
    "after its receipt": Point("os", "replace", is_after=True, fits=_is_receipt, is_new=True),
}
"""The moments at which an erasure is killed."""


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process that calls `target`; its arguments are pickled."""
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def finish(target: Callable[..., None], *arguments: Any) -> int:
    """The exit code of a process that calls `target`; a signal's number is negative."""
    process = start(target, *arguments)
    process.join(120)
    assert process.exitcode is not None, "the run did not end"
    return process.exitcode


def run(config_path: Path, rebuild: bool = False) -> None:
    """A whole run; ends the process with the exit code of the command line, and prints its error."""
    from journey_mining.pipeline import run_all

    try:
        run_all(config_path, rebuild=rebuild)
    except JourneyMiningError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(error.exit_code)


def tell_run(config_path: Path, told: Connection) -> None:
    """A whole run whose error is told through the pipe `told`; one without a class of ours is a traceback, and tells nothing."""
    from journey_mining.pipeline import run_all

    try:
        run_all(config_path)
    except JourneyMiningError as error:
        told.send(f"{type(error).__name__}: {error}")
        os._exit(error.exit_code)


def forget(config_path: Path, user_id: str) -> None:
    """A whole run that forgets a person; ends the process as `run` does."""
    from journey_mining.erasure import ErasureRequest
    from journey_mining.pipeline import forget_all

    try:
        forget_all(config_path, [ErasureRequest("user_id", user_id)])
    except JourneyMiningError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(error.exit_code)


def run_interrupted(config_path: Path, number: int, shown: Path) -> None:
    """The command `run`, which gets a signal while a query goes on without end; what it says goes to a file."""
    from journey_mining import pipeline
    from journey_mining.cli import main
    from journey_mining.runs import RunContext, Step

    def query_for_ever(context: RunContext) -> dict[str, int | float | str]:
        threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
        context.warehouse.execute("select sum(range * 7 % 13) from range(1000000000000)")
        return {}

    pipeline.STEPS = (*pipeline.STEPS[:-1], Step("lasts", query_for_ever), pipeline.STEPS[-1])
    with shown.open("w") as file:
        os.dup2(file.fileno(), 2)
        main(["run", "--config", str(config_path)])


def run_until(config_path: Path, point: str) -> None:
    """A run that kills itself at a point."""
    _arm({**POINTS, **FIRST_POINTS}[point])
    run(config_path)


def forget_until(config_path: Path, user_id: str, point: str) -> None:
    """A run that forgets a person and kills itself at a point."""
    _arm(ERASURE_POINTS[point])
    forget(config_path, user_id)


def _arm(place: Point) -> None:
    owner: Any = importlib.import_module(place.module)
    *path, name = place.function.split(".")
    for part in path:
        owner = getattr(owner, part)
    setattr(owner, name, _deadly(getattr(owner, name), place))


def _deadly(function: Callable[..., Any], place: Point) -> Callable[..., Any]:
    count = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += place.fits(*arguments, **named)
        is_here = count == place.call and place.fits(*arguments, **named)
        if is_here and not place.is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **named)
        if is_here:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


def told(target: Callable[..., None], *arguments: Any) -> tuple[int, str]:
    """The exit code of a process that calls `target`, and the error that it told."""
    here, there = context.Pipe(duplex=False)
    code = finish(target, *arguments, there)
    return code, here.recv() if here.poll() else ""


def tell_run_with_small_files(config_path: Path, limit: int, told: Connection) -> None:
    """A run in which no file can grow beyond `limit` bytes, which every user may forbid a process."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    tell_run(config_path, told)


def tell_run_without_rights(config_path: Path, told: Connection) -> None:
    """A run that permissions hold for, also when root starts it: it gives its capabilities away (Linux)."""
    import ctypes

    version, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None, use_errno=True).capset(version, none) == 0
    tell_run(config_path, told)
