"""The paths' SQL equals a slow walk over each customer's events."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import journey_mining as jm

NAMES = ["/", "//", "/a", "/a/", "/b", "/b/1", "/b/2/"]
EVENTS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(NAMES)), min_size=5, max_size=12)
LOG = st.lists(EVENTS, min_size=1, max_size=4)
POINT = st.sampled_from([None, None, "/", "/a", "/a/", "/b", "/b/1/"])
OPTIONS = st.fixed_dictionaries({
    "steps": st.integers(1, 6), "start": POINT, "end": POINT, "exclude": st.sets(st.sampled_from(NAMES), max_size=1),
    "inactivity": st.sampled_from([3, 8, 30]), "boundary": st.sampled_from(["over", "at"]), "merge_repeats": st.booleans(),
    "groups": st.sampled_from([(), ("/b/*",)]),
})  # fmt: skip


def called(name: str, groups: tuple[str, ...]) -> str:
    """The name as paths show it."""
    if groups and "/b/" in (name[:-1] if name.endswith("/") else name):
        return "/b/*"
    return name[:-1] if len(name) > 1 and name.endswith("/") else name


def split(events: list[tuple[int, str]], inactivity: int, boundary: str) -> list[list[tuple[int, str]]]:
    """The events of one customer, cut at long gaps."""
    paths: list[list[tuple[int, str]]] = []
    for at, name in events:
        gap = at - paths[-1][-1][0] if paths else None
        if gap is None or gap > inactivity or (boundary == "at" and gap == inactivity):
            paths.append([])
        paths[-1].append((at, name))
    return paths


def merge(path: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The last event of each run of one name."""
    return [event for event, after in zip(path, [*path[1:], (0, None)], strict=True) if event[1] != after[1]]


def cut(path: list[tuple[int, str]], steps: int, start: str | None, end: str | None) -> list[tuple[int, str]]:
    """What is shown of a path; nothing where it has no start or end."""
    names = [name for _, name in path]
    if start is not None:
        path = path[names.index(start) :] if start in names else []
    names = [name for _, name in path]
    if end is not None:
        path = path[: names.index(end) + 1] if end in names else []
    if len(path) <= steps:
        return path
    half = steps // 2
    if start is not None and end is not None and half:
        return [*path[:half], (path[half][0], "..."), *path[-half:]]
    return path[-steps:] if end is not None and start is None else path[:steps]


def walk(customers: list[list[tuple[int, str]]], asked: dict[str, Any]) -> dict[tuple[str, str], list[int]]:
    """The seconds of every move, by its nodes."""
    groups = asked["groups"]
    left_out = {called(name, groups) for name in asked["exclude"]}
    start, end = (None if asked[one] is None else called(asked[one], groups) for one in ("start", "end"))
    moves = defaultdict(list)
    for events in customers:
        named = [(at, called(name, groups)) for at, name in sorted(events, key=lambda event: event[0])]
        kept = [event for event in named if event[1] not in left_out]
        for path in split(kept, asked["inactivity"], asked["boundary"]):
            shown = cut(merge(path) if asked["merge_repeats"] else path, asked["steps"], start, end)
            for number, (before, after) in enumerate(pairwise(shown), 1):
                moves[f"{number}_{before[1]}", f"{number + 1}_{after[1]}"].append(after[0] - before[0])
    return dict(moves)


@given(LOG, OPTIONS)
def test_moves_are_those_of_a_slow_walk(
    customers: list[list[tuple[int, str]]], asked: dict[str, Any]
) -> None:
    """Named, left out, split, merged, cut and folded, with the seconds between."""
    rows = [(number, at, name) for number, events in enumerate(customers) for at, name in events]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint"])
    shown = [called(name, asked["groups"]) for name in NAMES]
    snapshot = jm.from_events(frame, touchpoints=[*NAMES, *shown], goal=None)
    wanted = walk(customers, asked)
    found = snapshot.paths(**{**asked, "exclude": sorted(asked["exclude"])})
    counts = {(row.from_node, row.to_node): (row.path_count, row.mean_seconds) for row in found.itertuples()}
    assert counts == {move: (len(gaps), sum(gaps) / len(gaps)) for move, gaps in wanted.items()}
