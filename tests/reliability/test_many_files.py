"""A folder of daily files is read whole, every time: threads go from file to file in another order each time."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from journey_mining.pipeline import read_exports
from journey_mining.runs import open_run
from journey_mining.sample.company import customers_for_events, write_company

DAYS, SEED, TIMES = 120, 1, 6


@pytest.mark.slow
def test_many_parquet_files_are_read_every_time(tmp_path: Path) -> None:
    """DuckDB 2.0.0 failed in two of five such readings, by an error of its own."""
    exports = tmp_path / "company"
    write_company(exports, customers_for_events(1_000_000, DAYS, SEED), DAYS, SEED, "parquet")
    config = exports / "journey.yaml"
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    web = {"web": document["sources"]["web"]}
    config.write_text(yaml.safe_dump({**document, "sources": web, "threads": 2}), encoding="utf-8")
    read = []
    for _ in range(TIMES):
        with open_run(config, rebuild=True) as context:
            counts = read_exports(context)
            read.append((counts["files_read"], counts["records"], counts["events"]))
    assert read[0][0] == DAYS
    assert read == [read[0]] * TIMES
