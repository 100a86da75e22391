"""The worked questions of sql/examples: each a query with the question it answers and how to read the answer."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from journey_mining.errors import QueryError
from journey_mining.models import sql_folder

_QUESTION = re.compile(r"^-- question: (.+)$", re.MULTILINE)
_READING = re.compile(r"^-- reading: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One worked question."""

    name: str
    question: str
    reading: str
    """How to read the answer."""
    sql: str


@cache
def find_examples() -> dict[str, Example]:
    """The examples by name."""
    return {path.stem: _read_example(path) for path in sorted((sql_folder() / "examples").glob("*.sql"))}


def _read_example(path: Path) -> Example:
    text = path.read_text(encoding="utf-8").strip()
    questions = _QUESTION.findall(text)
    return Example(path.stem, " ".join(questions), " ".join(_READING.findall(text)), text)


def choose_query(query: str | None, file: Path | None, example: str | None) -> str:
    """The one query that was given: its text, a file's, or an example's; raises QueryError."""
    given = [one for one in (query, file, example) if one is not None]
    if len(given) != 1:
        raise QueryError(
            "Give one query.",
            found="none" if not given else f"{len(given)}",
            expected="a query, --file or --example",
            fix='journey-mining sql "from journeys limit 5"',
        )
    if example is not None:
        return _named_example(example).sql
    return _read_file(file) if file is not None else str(query)


def _named_example(name: str) -> Example:
    found = find_examples()
    if name not in found:
        near = difflib.get_close_matches(name, found, 1)
        raise QueryError(
            f"There is no example '{name}'.",
            fix=f"did you mean '{near[0]}'?" if near else "list them with: journey-mining sql --examples",
        )
    return found[name]


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise QueryError(f"{path} cannot be read: {problem}.", fix="name a file with one query") from error
