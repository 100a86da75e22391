"""Where Prefect keeps its state: in the private folder of the home, unless the user named a server or a place."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import offline  # noqa: F401  # isort: skip

from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)

from journey_mining.config import Config

START_SECONDS = 120


@contextmanager
def private_state(config: Config) -> Iterator[None]:
    """Prefect's database in the private folder of `config`'s home; a server or a place that the user named goes first."""
    if PREFECT_API_URL.value():
        yield
        return
    prefect_home = Path(os.environ.get("PREFECT_HOME") or config.home_dir / "private" / "prefect")
    prefect_home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    prefect_home.mkdir(exist_ok=True, mode=0o700)
    with temporary_settings({PREFECT_HOME: prefect_home, PREFECT_LOGGING_TO_API_ENABLED: False}):
        yield


@contextmanager
def scheduling_server() -> Iterator[None]:
    """A Prefect server on this machine alone, while the block runs; a server that the user named goes first.

    The temporary server that a flow starts by itself never schedules anything: a schedule needs a real one.
    It listens on the loopback address only, and asks for a password that nobody else is told.
    """
    if PREFECT_API_URL.value():
        yield
        return
    password = f"journey-mining:{secrets.token_urlsafe(24)}"
    address = f"http://127.0.0.1:{_free_port()}/api"
    process = _start_server(address, password)
    try:
        _wait_until_healthy(process, address)
        with temporary_settings({PREFECT_API_URL: address, PREFECT_API_AUTH_STRING: password}):
            yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start_server(address: str, password: str) -> subprocess.Popen[bytes]:
    port = address.removesuffix("/api").rsplit(":", 1)[1]
    command = f"-m prefect server start --host 127.0.0.1 --port {port} --no-ui"
    home = str(PREFECT_HOME.value())
    # The guard ends the server with this process, also when that is killed; Ctrl-C is for this process alone.
    guard = str(Path(__file__).with_name("guard.py"))
    return subprocess.Popen(
        [sys.executable, guard, sys.executable, *command.split()],
        env={**os.environ, "PREFECT_HOME": home, "PREFECT_SERVER_API_AUTH_STRING": password},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _wait_until_healthy(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("Prefect's server did not start; its messages stand above.")
