"""The preset that CONTRIBUTING.md shows reads a file of its kind, without a line of Python."""

from __future__ import annotations

import re
from pathlib import Path

from journey_mining.pipeline import run_all
from journey_mining.querying import run_query

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_shown_preset_works(tmp_path: Path) -> None:
    """A journey.yaml that names the shown file as its system publishes the till's receipts."""
    shown = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "till.sql").write_text(shown[0], encoding="utf-8")
    (tmp_path / "receipts.csv").write_text(
        "receipt;paid_at;card_owner;total\n1;2026-03-29 01:30:00;c1;10.50\n1;2026-03-29 01:30:00;c1;10.50\n2;later;c2;3\n"
    )
    (tmp_path / "journey.yaml").write_text(
        "sources:\n  till: {system: ./till.sql, path: receipts.csv, timezone: Europe/Berlin}\n"
    )
    published = run_all(tmp_path / "journey.yaml").published
    assert published is not None
    _, rows = run_query(
        published / "journeys.duckdb", "select system, occurred_at::varchar, touchpoint, value from events"
    )
    assert rows == [("till", "2026-03-29 00:30:00", "purchase", 10.5)]
    _, files = run_query(
        published / "journeys.duckdb",
        "select event_count, duplicate_count, quarantined_count from source_files",
    )
    assert files == [(1, 1, 1)]
