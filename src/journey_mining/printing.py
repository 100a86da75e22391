"""What a command prints of an answer: a table for people, CSV or JSON for scripts."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable
from itertools import chain, count
from typing import Any

import click

_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys, or that turn the direction of writing; a line feed only begins a line."""


def print_json(value: Any) -> None:
    """Print a document; NaN and infinity, which JSON does not have, are null, and what it cannot hold is text."""
    import json

    click.echo(json.dumps(_without_nan(value), indent=2, default=str, ensure_ascii=False, allow_nan=False))


def print_records(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print rows as a JSON document: a list of objects."""
    names = _unlike(columns)
    print_json([dict(zip(names, row, strict=True)) for row in rows])


def _unlike(names: Iterable[str]) -> list[str]:
    """The names, of which those that come again get a number, since an object has each name once.

    >>> _unlike(["a", "b", "a", "a_1", "a"])
    ['a', 'b', 'a_1', 'a_1_1', 'a_2']
    """
    found: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        found.append(next(one for one in chain([name], numbered) if one not in found))
    return found


def _without_nan(value: Any) -> Any:
    """The value as JSON can hold it: numbers are finite, keys are texts.

    >>> _without_nan({1: [2.5, float("inf")], "n": (float("nan"),)})
    {'1': [2.5, None], 'n': [None]}
    """
    if isinstance(value, dict):
        return {str(key): _without_nan(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(held) for held in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_csv(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print rows under their columns; no cell is a formula to a spreadsheet."""
    import csv

    from journey_mining.querying import safe_cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in columns])
    writer.writerows([safe_cell(value) for value in row] for row in rows)


def print_table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print rows under their columns, aligned on a terminal; names may come from the data too, as in a pivot."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numeric = [
        all(isinstance(row[i], int | float | None) for row in rows) and bool(rows)
        for i in range(len(columns))
    ]
    for name, is_number in zip(columns, numeric, strict=True):
        table.add_column(_shown(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else _shown(value) for value in row))
    console = Console()
    if not console.is_terminal:
        console.width = 10_000
        table.box = None
    console.print(table)


def _shown(value: Any) -> str:
    from rich.markup import escape

    return escape(f"{value:.6g}" if isinstance(value, float) else showable(str(value)))


def showable(text: str) -> str:
    """The text for a terminal: what would be obeyed there, and not shown, is a replacement character.

    >>> showable("home\\x1b[2J")
    'home�[2J'
    """
    return _CONTROLS.sub("\ufffd", text)
