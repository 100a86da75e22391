"""What the conventions are checked on: the files of this checkout."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "src" / "journey_mining"
SQL = ROOT / "sql"
MODELS = sorted(path for layer in ("staging", "core", "marts") for path in (SQL / layer).glob("*.sql"))
MODULES = sorted(LIBRARY.rglob("*.py"))


def relative(path: Path) -> str:
    """The path within the checkout, as test ids and messages show it."""
    return path.relative_to(ROOT).as_posix()


def list_own_files() -> list[Path]:
    """Files that git has or would add."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
    )
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return sorted(path for path in paths if path.is_file())


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
