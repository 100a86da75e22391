"""Work that goes on while the steps of a run do, one piece after the other, each on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from journey_mining.warehouse import SEARCH_PATH, Connection

Work = Callable[[Connection], Any]
_INTERRUPTED_EVERY_SECONDS = 0.05


class Beside:
    """What was started and has not been asked for yet; it reads what was committed before it began.

    One piece at a time: with more, threads take turns where the interpreter or the memory lets only one go on.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pool: ThreadPoolExecutor | None = None
        self._started: dict[str, tuple[Connection, Future[Any]]] = {}

    def start(self, name: str, work: Work, after: Beside | None = None) -> None:
        """Begin `work`; whoever wants its result, or its error, asks `finish` for it.

        With `after`, it waits for what has been started there so far to end, be it with an error.
        """
        awaited = [future for _, future in after._started.values()] if after else []
        connection = self._connection.cursor()
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set search_path = '{SEARCH_PATH}'")
        self._pool = self._pool or ThreadPoolExecutor(1)

        def begin() -> Any:
            wait(awaited)
            return work(connection)

        self._started[name] = (connection, self._pool.submit(begin))

    def take_back(self, name: str) -> bool:
        """Give up work that has not begun; whether it had not."""
        connection, future = self._started[name]
        if not future.cancel():
            return False
        connection.close()
        del self._started[name]
        return True

    def finish(self, name: str) -> Any:
        """The result, once it is there; raises what the work raised."""
        connection, future = self._started[name]
        try:
            return future.result()
        finally:
            # An open connection would hold the files that are about to be published.
            connection.close()
            del self._started[name]

    def finish_all(self) -> None:
        """Wait for what nobody has asked for yet; raises what the first piece of it raised."""
        while self._started:
            self.finish(next(iter(self._started)))

    def stop(self) -> None:
        """Give up what nobody has asked for, and wait until it has ended."""
        for _, future in self._started.values():
            future.cancel()
        for connection, future in self._started.values():
            while not future.done():
                connection.interrupt()  # one that comes between two queries interrupts nothing
                wait([future], _INTERRUPTED_EVERY_SECONDS)
        if self._pool is not None:
            self._pool.shutdown()
        for connection, _ in self._started.values():
            connection.close()
        self._started.clear()
