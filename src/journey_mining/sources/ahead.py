"""Reading ahead: while one source is stored, little files of the next ones are read and prepared beside it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from types import TracebackType

import duckdb

from journey_mining.beside import Beside
from journey_mining.config import Config
from journey_mining.sources.keys import Pads
from journey_mining.sources.load import PREPARED, Batch, LoadedFile, load_batch, prepare_batch, store_batch
from journey_mining.sources.plans import Plan, text_bytes
from journey_mining.warehouse import TOUCHED, Connection, Warehouse, load_macros

_AHEAD_BYTES = 256 << 20
"""Bytes of text up to which files are read ahead: they are in memory beside those that are being stored."""


class ReadAhead:
    """Loads the files of sources one after the other, as planned; what was read ahead is only stored."""

    def __init__(self, warehouse: Warehouse, config: Config, pads: Pads) -> None:
        self._warehouse, self._config, self._pads = warehouse, config, pads
        self._beside = Beside(warehouse.connection)
        self._begun: set[str] = set()
        self._handed: list[str] = []

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.stop()
        # They are gone with the run too: what ended the reading is not to be hidden by a database that is of no use.
        with suppress(duckdb.Error):
            for table in self._handed:
                self._warehouse.execute(f"drop table if exists {table}")

    def begin(self, plans: list[Plan]) -> None:
        """Begin to read all but the first of the sources that have something to read, if it is little; the largest first."""
        others = [plan for plan in plans if plan.fresh][1:]
        sizes = {plan.name: sum(text_bytes(file.path) for file in plan.fresh) for plan in others}
        for plan in sorted(others, key=lambda plan: -sizes[plan.name]):
            if sizes[plan.name] <= _AHEAD_BYTES:
                self._beside.start(plan.name, partial(self._prepare, plan))
                self._begun.add(plan.name)

    def look(self, plan: Plan) -> list[LoadedFile]:
        """The files of a source as they are before they are read; waits for those that are being read ahead.

        No transaction may have begun: it would not see what is handed over.
        """
        if plan.name in self._begun and self._beside.take_back(plan.name):
            self._begun.remove(plan.name)
        if plan.name in self._begun:
            files: list[LoadedFile] = self._beside.finish(plan.name)
            return files
        return plan.look(self._warehouse.connection)

    def load(self, plan: Plan, files: list[LoadedFile]) -> None:
        """Put these files into the store; fills in their counts."""
        for batch in plan.batches(files):
            if plan.name in self._begun:
                self._store(batch)
            else:
                load_batch(self._warehouse, batch, self._config, self._pads)

    def _prepare(self, plan: Plan, connection: Connection) -> list[LoadedFile]:
        """Hand over what is prepared in memory, where the main connection finds it."""
        load_macros(connection)
        files = plan.look(connection)
        for batch in plan.batches(files):
            prepare_batch(Warehouse(connection), batch, self._config, self._pads)
            for name in PREPARED:
                self._handed.append(_handed(batch, name))
                connection.execute(
                    f"create or replace table {self._handed[-1]} as select * from temp.main.{name}"
                )
                connection.execute(f"drop table temp.main.{name}")
        return files

    def _store(self, batch: Batch) -> None:
        """Store what was handed over; it is dropped at the end, since a transaction may write one database only."""
        for name in PREPARED:
            self._warehouse.execute(f"create temporary view {name} as select * from {_handed(batch, name)}")
        store_batch(self._warehouse, batch)
        for name in PREPARED:
            self._warehouse.execute(f"drop view temp.main.{name}")


def _handed(batch: Batch, name: str) -> str:
    return f"{TOUCHED}.{name}_{batch.files[0].file_no}"
