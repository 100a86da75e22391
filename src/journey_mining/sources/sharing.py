"""What two threads share of a day's file, which is little: DuckDB gives a thread a row group, and of these it has one or two.

They share the branches of a `union all`, as long as rows may be stored in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from journey_mining.warehouse import WHOLE_GROUP_ROWS, Warehouse

_SHARED_ROWS = 20_000
"""Rows of a file, and items of a batch, from which on it pays that two threads share them."""
_SHARED_ITEMS = 4 * WHOLE_GROUP_ROWS
"""Items of a batch from which on they are in so many row groups that threads share them by themselves."""


def find_middle(warehouse: Warehouse, files: Sequence[tuple[Path, str]]) -> int | None:
    """The row from which on a second thread reads the only one of these files (path, format).

    None where there is nothing to share: a row group is decoded by one thread, and only a file that has but one is shared out.
    """
    if len(files) != 1 or files[0][1] != "parquet":
        return None
    found = pq.read_metadata(files[0][0])
    is_shared = found.num_row_groups == 1 and found.num_rows >= _SHARED_ROWS and _has_threads(warehouse)
    return found.num_rows // 2 if is_shared else None


def show_items(warehouse: Warehouse, count: int) -> bool:
    """Let temp.all_items, of `count` rows, be read as read_items; whether as two halves, which two threads share."""
    is_shared = _SHARED_ROWS <= count < _SHARED_ITEMS and _has_threads(warehouse)
    sides = [""]
    if is_shared:
        middle = warehouse.value("select quantile_disc(line, 0.5) from temp.main.all_items")
        sides = [f"where line <= {middle}", f"where line > {middle}"]
    halves = " union all ".join(f"select * from temp.main.all_items {side}" for side in sides)
    warehouse.execute(f"create or replace temp view read_items as {halves}")
    return is_shared


def _has_threads(warehouse: Warehouse) -> bool:
    return int(warehouse.value("select current_setting('threads')")) > 1


@contextmanager
def in_any_order(warehouse: Warehouse, applies: bool) -> Iterator[None]:
    """Where it applies, let rows be stored as threads have read them; only then do they share the branches of a `union all`."""
    if not applies:
        yield
        return
    warehouse.execute("set preserve_insertion_order = false")
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # of a transaction that has failed: nothing relies on the order
            warehouse.execute("set preserve_insertion_order = true")
