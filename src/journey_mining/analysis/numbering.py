"""Several small numbers as one, since DuckDB counts and joins one number several times as fast as names."""

from __future__ import annotations

LIMIT = 1_048_576
"""What each of the numbers stays below; three of them fit into a bigint."""


def pair(left: str, right: str) -> str:
    """Two numbers as one."""
    return f"(cast({left} as bigint) * {LIMIT} + {right})"


def place(first: str, second: str, third: str) -> str:
    """Three numbers as one."""
    return pair(pair(first, second), third)


def part(number: str, back: int) -> str:
    """The number that stands so many places from the end of one made of several."""
    return f"({number} // {LIMIT**back} % {LIMIT})"
