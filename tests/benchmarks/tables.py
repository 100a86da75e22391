"""The printed form of what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ground import Ground

Row = tuple[str, ...]
HEADER: Row = ("", "ours", "theirs", "ratio", "CPU ratio", "budget", "", "peak ours", "peak theirs")


_PARTS = ("seconds", "cpu_seconds", "peak_bytes")
_FORMS = {"parquet": ("Parquet", 2.0), "jsonl": ("JSON lines", 3.0)}
"""Form of the exports -> its name, and the budget of reading it."""


def table_lines(found: dict[str, Any], size: dict[str, Any], ground: Ground) -> list[str]:
    """The lines that tell the figures of one size."""
    return [
        "",
        _heading(found["machine"], size, ground),
        "",
        *aligned([HEADER, *_ratio_rows(size)]),
        "",
        *aligned(_plain_rows(found.get("start", {}), size)),
    ]


def _heading(machine: dict[str, Any], size: dict[str, Any], ground: Ground) -> str:
    web, all_events = size["read_parquet"]["read_ours"]["events"], size["stage"]["events"]
    return (
        f"{web:,} web events, {all_events:,} events of four sources; best of {size['repetitions']}, {ground.threads} threads, "
        f"memory limit {ground.memory_limit}; {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"load {machine['load']:.1f} at the start, Python {machine['python']}, DuckDB {machine['duckdb']}"
    )


def _ratio_rows(size: dict[str, Any]) -> Iterable[Row]:
    derived = size["derive"]
    for form, (label, budget) in _FORMS.items():
        found = size[f"read_{form}"]
        yield _ratio_row(f"reading {label}", found["read_ours"], found["read_theirs"], budget)
    yield _ratio_row("identity to marts / limit query", derived["derive"], derived["limit_wide"], 4.0)
    yield _ratio_row("identity to marts / narrow limit", derived["derive"], derived["limit_narrow"], None)
    for form, (label, _) in _FORMS.items():
        found = size[f"night_{form}"]
        full, night, one_percent = (
            {part: found[f"{name}_{part}"] for part in _PARTS} for name in ("full", "night", "one_percent")
        )
        yield _ratio_row(f"a night / a rebuild, {label}", night, full, 0.05)
        yield _ratio_row(f"with 1 % new events, {label}", one_percent, full, 0.05)
        slowest = max(found["nights"], key=lambda run: float(run["seconds"]))
        yield _ratio_row(f"the slowest of {len(found['nights'])}, {label}", slowest, full, None)
        yield _ratio_row(f"a rebuild / from nothing, {label}", found["rebuilds"][0], found["first"], None)
    yield _ratio_row("half the events one customer's / even", size["skew_giant"], size["skew_even"], 2.0)
    yield _ratio_row("accounts that share an e-mail / own ones", size["skew_star"], size["skew_spread"], 2.0)


def _ratio_row(label: str, ours: dict[str, Any], theirs: dict[str, Any], budget: float | None) -> Row:
    ratio = ours["seconds"] / theirs["seconds"]
    return (
        label,
        seconds_text(ours["seconds"]),
        seconds_text(theirs["seconds"]),
        f"{ratio:.3g}",
        f"{ours['cpu_seconds'] / theirs['cpu_seconds']:.2f}",
        f"{budget:g}" if budget else "",
        verdict(ratio, budget),
        bytes_text(ours["peak_bytes"]),
        bytes_text(theirs["peak_bytes"]),
    )


def _plain_rows(start: dict[str, float], size: dict[str, Any]) -> Iterable[Row]:
    derived = size["derive"]["derive"]
    yield from ((name, seconds_text(seconds)) for name, seconds in derived["steps"].items())
    for part in ("evidence", "audits"):
        peak = f"peak {bytes_text(derived[f'{part}_peak_bytes'])}"
        yield (part, seconds_text(derived[f"{part}_seconds"]), "", "", peak)
    yield (
        "report", seconds_text(derived["report_seconds"]), "budget 10 s", verdict(derived["report_seconds"], 10),
        f"peak {bytes_text(derived['report_peak_bytes'])}",
    )  # fmt: skip
    data = derived["page_data_bytes"]
    yield (
        "page data",
        bytes_text(data),
        "budget 1 MB",
        verdict(data, 1e6),
        f"of a page of {bytes_text(derived['page_bytes'])}",
    )
    yield from _budgeted(start)
    stage = size["stage"]
    yield (
        "reading all four sources",
        seconds_text(stage["seconds"]),
        "",
        "",
        f"peak {bytes_text(stage['peak_bytes'])}",
    )
    for form, sizes in size["sizes"].items():
        made = size.get(f"generate_{form}")
        took = seconds_text(made["seconds"]) if made else "kept"
        yield (
            f"generating ({form})",
            took,
            "",
            "",
            f"web {bytes_text(sizes['web_bytes'])}, all {bytes_text(sizes['all_bytes'])}",
        )
    yield ("journeys.duckdb", bytes_text(derived["database_bytes"]))
    yield ("store", bytes_text(derived["store_bytes"]))


def _budgeted(start: dict[str, float]) -> Iterable[Row]:
    for label, name in (
        ("journey-mining --help", "help_seconds"),
        ("import journey_mining", "import_seconds"),
    ):
        if name in start:
            bare = f"{seconds_text(start['python_seconds'])} of it is Python itself"
            yield (label, seconds_text(start[name]), "budget 0.5 s", verdict(start[name], 0.5), bare)


def statement_lines(title: str, statements: list[dict[str, Any]]) -> list[str]:
    """The lines that tell the longest statements of each step."""
    rows = [
        (
            each["step"],
            f"{each['seconds']:.2f} s",
            f"CPU {each['cpu_seconds']:.2f} s",
            f"{100 * each['share']:.1f} %",
            each["statement"],
        )
        for each in statements
    ]
    return ["", title, *aligned(rows)]


def seconds_text(value: float) -> str:
    """Seconds as they are printed."""
    return f"{value:.2f} s"


def bytes_text(value: float) -> str:
    """Bytes as they are printed."""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.2f} MB"


def verdict(value: float, budget: float | None) -> str:
    """Whether a value keeps its budget."""
    return "" if budget is None else "within" if value <= budget else "OVER"


def aligned(rows: Iterable[Row]) -> list[str]:
    """Columns of equal width; the first and the last one to the left."""
    kept = list(rows)
    widths = [
        max((len(row[i]) for row in kept if i < len(row)), default=0)
        for i in range(max(map(len, kept), default=0))
    ]
    return [
        "  ".join(
            cell.ljust(width) if i in (0, len(widths) - 1) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in kept
    ]
