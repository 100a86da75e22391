"""What a run knows of the published one before it: its files and the runs so far, also when all is read anew."""

from __future__ import annotations

from pathlib import Path

import duckdb

from journey_mining.warehouse import Warehouse, quoted

_CARRIED = {"files_before": "files", "run_history": "run_history"}
"""Table of this run's store <- table of the published one."""


def remember_last_run(warehouse: Warehouse, last_store: Path | None) -> None:
    """Fill `files_before` and `run_history` from the published store; a store of another shape tells nothing."""
    for table in _CARRIED:
        warehouse.execute(f"delete from store.main.{table}")
    if last_store is None or not last_store.is_file():
        return
    warehouse.execute(f"attach {quoted(str(last_store))} as last_store (read_only)")
    try:
        for table, source in _CARRIED.items():
            columns = ", ".join(row["column_name"] for row in warehouse.rows(f"describe store.main.{table}"))
            try:
                warehouse.execute(
                    f"insert into store.main.{table} ({columns}) select {columns} from last_store.main.{source}"
                )
            except (duckdb.BinderException, duckdb.CatalogException):
                continue
    finally:
        warehouse.execute("detach last_store")
