"""The notebooks run from top to bottom on the published sample, and are kept without outputs.

Their cells run here in one process, as a kernel would run them, so that the tests need no Jupyter.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from journey_mining.pipeline import RunContext

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def read_cells(path: Path, kind: str) -> list[dict[str, Any]]:
    """The cells of one kind."""
    return [
        cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind
    ]


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last expression, shown as a notebook would show it."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    if last is None:
        return None
    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    show = getattr(value, "_repr_html_", None)
    assert repr(value) if show is None else show()
    return value


@pytest.fixture
def folder(sample_run: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: beside it the sample, with its snapshot."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sample").symlink_to(sample_run.config.path.parent)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path / "notebooks"


def test_there_are_notebooks() -> None:
    """The folder is where this test looks for it."""
    assert len(NOTEBOOKS) == 6


@every_notebook
def test_a_notebook_runs(path: Path, folder: Path) -> None:
    """Every cell in its order; a table that is shown has rows."""
    names: dict[str, Any] = {}
    for number, cell in enumerate(read_cells(path, "code"), 1):
        value = run_cell("".join(cell["source"]), names)
        assert not (hasattr(value, "empty") and value.empty), f"the answer of code cell {number} is empty"
    assert not list(folder.iterdir()), "a notebook leaves nothing behind"


@every_notebook
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    """What a run prints belongs to who ran it."""
    for cell in read_cells(path, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@every_notebook
def test_a_notebook_uses_the_public_api(path: Path) -> None:
    """`import journey_mining as jm` is all that it takes from this project."""
    code = "\n".join("".join(cell["source"]) for cell in read_cells(path, "code"))
    assert "import journey_mining as jm" in code
    assert not re.search(r"from journey_mining|journey_mining\.|\bj\._|\.connection\b", code)


@every_notebook
def test_a_notebook_explains_itself(path: Path) -> None:
    """It opens with a title, and there is prose before every second cell at least."""
    prose = read_cells(path, "markdown")
    assert "".join(prose[0]["source"]).startswith("# ")
    assert 2 * len(prose) >= len(read_cells(path, "code"))
