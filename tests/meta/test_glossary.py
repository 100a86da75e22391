"""The glossary is law: its banned words are no names in SQL or Python."""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from pathlib import Path

import pytest
from checkout import LIBRARY, MODULES, ROOT, SQL, relative

# Systems and the sample's exports keep their own words.
FOREIGN = (SQL / "sources", LIBRARY / "sample")
# A graph has edges, and Plotly's figures have links.
GRAPH_WORDS = {"edge"}
GRAPH_CODE = (LIBRARY / "mining", LIBRARY / "report", LIBRARY / "identity.py")
# Parameters of other packages.
BORROWED = {"pad_edge"}

SQL_TEXT = re.compile(r"--[^\n]*|'(?:[^']|'')*'|/\*.*?\*/", re.DOTALL)
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_banned_words() -> set[str]:
    """Words in bold in the last column of GLOSSARY.md, as they would stand in a name."""
    rows = [
        line
        for line in (ROOT / "GLOSSARY.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    cells = [row.strip("|").rsplit("|", 1)[-1] for row in rows]
    return {word.replace(" ", "_") for cell in cells for word in re.findall(r"\*\*(.+?)\*\*", cell)}


def split_name(name: str) -> str:
    """`firstHits` and `first_hits` as `_first_hits_`, so that whole words can be searched."""
    return "_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_") + "_"


def find_banned(names: set[str], banned: set[str]) -> set[str]:
    """The names that hold a banned word, singular or plural."""
    pattern = re.compile(rf"_(?:{'|'.join(sorted(banned))})(?:s|es)?_")
    return {name for name in names if pattern.search(split_name(name))}


def python_names(text: str) -> set[str]:
    """Every name in a Python module; comments and texts are left out."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {
        token.string
        for token in tokens
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string)
    }


def sql_names(text: str) -> set[str]:
    """Every word of a SQL file; comments and string literals are left out."""
    return set(WORD.findall(SQL_TEXT.sub(" ", text)))


def list_checked() -> list[Path]:
    """SQL and Python files whose words are this project's own."""
    files = [*MODULES, *sorted(SQL.rglob("*.sql")), *sorted(LIBRARY.rglob("*.sql"))]
    return [path for path in files if not any(path.is_relative_to(folder) for folder in FOREIGN)]


def test_banned_words_are_read() -> None:
    """The table of the glossary still reads as these tests expect."""
    assert {"hit", "vendor", "visit", "visitor", "lead_time"} <= read_banned_words()


def test_a_banned_name_is_found() -> None:
    """Plurals, parts of names and camel case count; words that merely contain one do not."""
    names = {"hits", "first_hit_at", "pageVisit", "white", "revisited", "architecture"}
    assert find_banned(names, {"hit", "visit"}) == {"hits", "first_hit_at", "pageVisit"}


@pytest.mark.parametrize("path", list_checked(), ids=relative)
def test_no_banned_name(path: Path) -> None:
    """No name of this file is a word that the glossary bans."""
    in_graph_code = any(path.is_relative_to(folder) for folder in GRAPH_CODE)
    banned = read_banned_words() | (set() if in_graph_code else GRAPH_WORDS)
    text = path.read_text(encoding="utf-8")
    names = python_names(text) if path.suffix == ".py" else sql_names(text)
    assert not find_banned((names - BORROWED) | {path.stem}, banned)
