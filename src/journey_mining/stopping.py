"""Ending a run by a signal: it is told of and cleared away, whoever sends it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopping() -> Iterator[None]:
    """Let a run that a service manager ends be told of, and cleared away, as one that Ctrl-C ends.

    A second signal does not break off what the first one began; a third does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def stop(number: int, _: object) -> None:
        received.append(number)
        if len(received) != 2:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(received[0] if received else signal.SIGINT) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
