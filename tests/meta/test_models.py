"""Every SQL model states its contract, keeps to it, and has a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot
from checkout import MODELS, ROOT, relative
from sqlglot import exp

GRAIN = re.compile(r"^-- grain: one row per (.+)$", re.MULTILINE)
COLUMN = re.compile(r"^-- column: (\w+) +(\S.*)$", re.MULTILINE)
INTERNAL = re.compile(r"^-- kept: (?:batch|private|run)$", re.MULTILINE)
RANKED = (exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue)

every_model = pytest.mark.parametrize("path", MODELS, ids=relative)


def parse_model(path: Path) -> exp.Query:
    """The one query of a model's file."""
    statements = [tree for tree in sqlglot.parse(path.read_text(encoding="utf-8"), read="duckdb") if tree]
    assert len(statements) == 1, "a model is one bare select"
    assert isinstance(statements[0], exp.Query), "a model is one bare select"
    return statements[0]


def test_there_are_models() -> None:
    """The folder is where these tests look for it."""
    assert MODELS


@every_model
def test_opens_with_its_purpose(path: Path) -> None:
    """The first line says in a sentence what a row is for."""
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    assert re.match(r"-- (?!grain:|column:|kept:)\S.{10,}", first), first


@every_model
def test_grain_names_output_columns(path: Path) -> None:
    """The grain line exists, and its columns are columns of the result."""
    grain = GRAIN.search(path.read_text(encoding="utf-8"))
    assert grain, "no line '-- grain: one row per …'"
    columns = [column.strip() for column in grain[1].split(",")]
    assert set(columns) <= set(parse_model(path).named_selects)


@every_model
def test_every_output_column_is_explained(path: Path) -> None:
    """Header and query list the same columns; a table that is not published may leave plain ones out."""
    text = path.read_text(encoding="utf-8")
    explained, selected = {name for name, _ in COLUMN.findall(text)}, set(parse_model(path).named_selects)
    assert explained - selected == set()
    assert INTERNAL.search(text) or selected - explained == set()


@every_model
def test_has_a_test(path: Path) -> None:
    """A test under tests/models names the model."""
    word = re.compile(rf"\b{path.stem}\b")
    tests = (ROOT / "tests" / "models").rglob("test_*.py")
    assert any(word.search(test.stem + test.read_text(encoding="utf-8")) for test in tests)


@every_model
def test_result_lists_its_columns(path: Path) -> None:
    """The final select has no star, so that the columns of a result can be read off the file."""
    assert not [name for name in parse_model(path).named_selects if "*" in name]


@every_model
def test_groups_by_name(path: Path) -> None:
    """No `group by 1`: a position changes its meaning when a column is added."""
    groups = list(parse_model(path).find_all(exp.Group))
    assert not [key for group in groups for key in group.expressions if isinstance(key, exp.Literal)]


@every_model
def test_ranked_windows_are_ordered(path: Path) -> None:
    """A window function that depends on the order says which."""
    windows = [window for window in parse_model(path).find_all(exp.Window) if isinstance(window.this, RANKED)]
    assert not [
        window.sql("duckdb")
        for window in windows
        if not (window.args.get("order") or window.args.get("alias"))
    ]
