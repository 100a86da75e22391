"""`journey-mining quarantine`: what is no event is listed with its place and reason, and can be tried again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from journey_mining.cli import main

LOG = """customer_id,occurred_at,touchpoint
a,2026-01-01 10:00:00,home
b,yesterday,home
,2026-01-01 11:00:00,home
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration on a log with two records that are no events."""
    (tmp_path / "log.csv").write_text(LOG)
    path = tmp_path / "journey.yaml"
    path.write_text("sources:\n  log: {system: table, path: log.csv, timezone: UTC}\n")
    return path


def call(config: Path, *arguments: str) -> Result:
    """The result of a command on the configuration."""
    return CliRunner().invoke(main, [*arguments, "--config", str(config)])


def listed(config: Path, *arguments: str) -> list[dict[str, object]]:
    """The records that the command lists."""
    result = call(config, "quarantine", "--json", *arguments)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, object]] = json.loads(result.stdout)
    return rows


def test_records_are_listed_with_place_and_reason(config: Path) -> None:
    """Each record has its file, line and reason; its content only when it is asked for."""
    assert call(config, "run").exit_code == 0
    rows = listed(config)
    assert [(row["path"], row["line"], row["reason"]) for row in rows] == [
        ("log.csv", 3, "unreadable time"),
        ("log.csv", 4, "no customer_id"),
    ]
    assert "content" not in rows[0]
    assert str(listed(config, "--raw")[0]["content"]).startswith("b,yesterday,home")
    assert listed(config, "--source", "log") == rows
    assert call(config, "quarantine", "--source", "elsewhere").exit_code == 8


def test_a_retry_reads_the_files_again_and_changes_nothing_without_a_fix(config: Path) -> None:
    """Without a fix the same records are there again, once."""
    assert call(config, "run").exit_code == 0
    before = listed(config)
    assert listed(config, "--retry") == before


def test_a_corrected_file_leaves_the_quarantine(config: Path) -> None:
    """After the export is corrected its records are events."""
    assert call(config, "run").exit_code == 0
    log = config.parent / "log.csv"
    log.write_text(LOG.replace("yesterday", "2026-01-01 09:00:00"))
    rows = listed(config, "--retry")
    assert [row["reason"] for row in rows] == ["no customer_id"]
    counted = call(config, "sql", "select count(*) as n from events", "--format", "json")
    assert json.loads(counted.stdout) == [{"n": 2}]


def test_nothing_published_is_said(config: Path) -> None:
    """Before the first run the command says what to do."""
    result = call(config, "quarantine")
    assert result.exit_code == 1
    assert "journey-mining run" in result.output
