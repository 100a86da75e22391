"""Where the nodes of the transition map stand: a column a stage, rows by volume."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from journey_mining.report.query import Row

START, END = "__start__", "__end__"
UNMAPPED = "unmapped"
ROWS = 9
COLUMN_WIDTH, ROW_HEIGHT = 192, 62
NODE_WIDTH, NODE_HEIGHT = 132, 40
BOUNDARY_WIDTH = 74
TOP, SIDE = 54, 6


@dataclass(frozen=True)
class Place:
    """A node of the map: its column, and its centre in pixels."""

    name: str
    column: int
    x: float
    y: float
    volume: int

    @property
    def width(self) -> int:
        """The width of the node's box."""
        return BOUNDARY_WIDTH if self.name in (START, END) else NODE_WIDTH


def arrange_map(
    rows: list[Row], stages: list[str], stage_of: dict[str, str | None]
) -> tuple[list[Place], list[str]]:
    """The nodes to draw, at most ROWS a column by steps, and the columns' headings.

    Columns are Start, the stages in their order, "unmapped" where there is any, and End.
    """
    volume: Counter[str] = Counter()
    for row in rows:
        volume[row["to_touchpoint"]] += row["transition_count"]
        if row["from_touchpoint"] == START:
            volume[START] += row["transition_count"]
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(volume, key=lambda name: (-volume[name], name)):
        if name not in (START, END):
            groups[stage_of.get(name) or UNMAPPED].append(name)
    inner = [stage for stage in [*stages, UNMAPPED] if groups.get(stage)]
    columns = [[START], *(groups[stage][:ROWS] for stage in inner), [END]]
    tallest = max(len(names) for names in columns)
    places = []
    for number, names in enumerate(columns):
        offset = TOP + (tallest - len(names)) / 2 * ROW_HEIGHT
        for position, name in enumerate(names):
            places.append(
                Place(
                    name,
                    number,
                    place_column(number, len(columns)),
                    round(offset + (position + 0.5) * ROW_HEIGHT, 1),
                    volume[name],
                )
            )
    return places, ["", *inner, ""]


def place_column(number: int, count: int) -> float:
    """The centre of a column in pixels; the first and the last hold the narrow Start and End.

    >>> place_column(0, 3), place_column(1, 3), place_column(2, 3)
    (43.0, 206.0, 369.0)
    """
    if number == 0:
        return SIDE + BOUNDARY_WIDTH / 2
    left = SIDE + BOUNDARY_WIDTH + COLUMN_WIDTH - NODE_WIDTH + (number - 1) * COLUMN_WIDTH
    return left + (BOUNDARY_WIDTH if number == count - 1 else NODE_WIDTH) / 2


def draw_edges(rows: list[Row], places: list[Place], total: int) -> list[dict[str, Any]]:
    """The transitions between drawn nodes, most frequent first, with their path and the share covered up to each."""
    index = {place.name: number for number, place in enumerate(places)}
    edges, seen = [], 0
    for row in rows:
        if row["from_touchpoint"] not in index or row["to_touchpoint"] not in index:
            continue
        seen += row["transition_count"]
        source, target = index[row["from_touchpoint"]], index[row["to_touchpoint"]]
        path, label = bend(places[source], places[target])
        edges.append({
            "s": source, "t": target, "d": path, "lx": label[0], "ly": label[1],
            "back": places[target].column < places[source].column, "exit": row["to_touchpoint"] == END,
            "n": row["journey_count"], "p": row["probability"], "m": row["median_gap_seconds"], "l": row["lift"],
            "c": row["conversion_rate"], "cover": round(seen / total, 5) if total else 0,
        })  # fmt: skip
    return edges


def bend(source: Place, target: Place) -> tuple[str, tuple[float, float]]:
    """An SVG path from one node to another, and the place of its label.

    Forward: an S curve from right to left edge. In one column: an arc on the right going
    down, on the left going up. Back: a curve that leaves and
    enters below the nodes' middle, so that it never lies on its forward twin.
    """
    if source.column == target.column:
        side = 1 if target.y >= source.y else -1
        x, reach = source.x + side * source.width / 2, side * (22 + min(40, abs(target.y - source.y) * 0.1))
        y1, y2 = source.y + side * 6, target.y - side * 6
        return _cubic(x, y1, x + reach, y1, x + reach, y2, x, y2), (
            round(x + reach * 0.75, 1),
            round((y1 + y2) / 2, 1),
        )
    shift = 8 if target.column < source.column else -3
    sign = 1 if target.column > source.column else -1
    x1, x2 = source.x + sign * source.width / 2, target.x - sign * target.width / 2
    y1, y2, pull = source.y + shift, target.y + shift, max(40.0, abs(x2 - x1) * 0.5)
    label = (round((x1 + x2) / 2, 1), round((y1 + y2) / 2, 1))
    return _cubic(x1, y1, x1 + sign * pull, y1, x2 - sign * pull, y2, x2, y2), label


def _cubic(*numbers: float) -> str:
    """A cubic curve as SVG path data."""
    x1, y1, a, b, c, d, x2, y2 = (f"{number:.0f}" for number in numbers)
    return f"M{x1} {y1}C{a} {b} {c} {d} {x2} {y2}"
