"""Errors name the place and the kind of a fault, and never the value: logs and schedulers keep their text."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from journey_mining.errors import JourneyMiningError
from journey_mining.pipeline import run_all
from journey_mining.warehouse import first_line

SECRET = "anna.canary"
FAULTS = {
    "a cast": f"select '{SECRET}'::integer",
    "a cast of a text with quotes": f"select 'O''{SECRET}'::date",
    "a time": f"select '{SECRET} 10:00'::timestamp",
    "a number too large": "select 4930123456789::integer",
    "a sum too large": "select 4930123456789 * 9223372036854775807",
    "a structure": f"select '{{a: {SECRET}}}'::struct(b integer)",
    "JSON": f"""select json_extract('{{"{SECRET}', '$.x')""",
    "a format": f"select strptime('{SECRET}', '%Y')",
    "an error of one's own": f"select error('{SECRET}')",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_about_data_shows_no_data(fault: str) -> None:
    """The kind of the fault stays."""
    with pytest.raises(duckdb.Error) as caught:
        duckdb.sql(FAULTS[fault]).fetchall()
    shown = first_line(caught.value)
    assert "Error" in shown
    assert SECRET not in shown
    assert "4930123456789" not in shown


def test_an_error_about_a_query_keeps_its_names() -> None:
    """A misspelt column is named: it is the author's own word."""
    with pytest.raises(duckdb.Error) as caught:
        duckdb.sql("select purchse from range(3)").fetchall()
    assert "purchse" in first_line(caught.value)


def test_a_preset_that_fails_shows_no_data(tmp_path: Path) -> None:
    """A cast in a preset of one's own that a record breaks."""
    (tmp_path / "log.csv").write_text(f"who,at\n{SECRET},2026-01-01 10:00:00\n")
    (tmp_path / "mine.sql").write_text(
        "/*\nsystem: mine\nsummary: A log\ndelivery: as_written\ntables:\n"
        "  log: {requires: [who, at], columns: {who: VARCHAR, at: VARCHAR}}\n*/\n"
        "select file_no, line, raw, cast(who as integer)::varchar as native_key, who as event_name from read_log\n"
    )
    (tmp_path / "journey.yaml").write_text("sources:\n  log: {system: ./mine.sql, path: log.csv}\n")
    with pytest.raises(JourneyMiningError, match="'mine' failed") as caught:
        run_all(tmp_path / "journey.yaml")
    assert SECRET not in str(caught.value)


def test_a_file_without_a_header_does_not_show_its_first_row(tmp_path: Path) -> None:
    """The row stands where the columns are expected; addresses and numbers in it are not repeated."""
    (tmp_path / "log.csv").write_text(
        f"{SECRET}@shop.example,+49 30 1234567,home\n{SECRET}@shop.example,x,cart\n"
    )
    (tmp_path / "journey.yaml").write_text("sources:\n  log: {system: table, path: log.csv, timezone: UTC}\n")
    with pytest.raises(JourneyMiningError, match=r"lacks the columns(.|\n)*:email, :phone, home") as caught:
        run_all(tmp_path / "journey.yaml")
    assert SECRET not in str(caught.value)
    assert "1234567" not in str(caught.value)
