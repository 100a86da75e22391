"""SQL models: found, read and put in order. A model is one file with one bare select; its name is its table's.

The header carries the contract: a line of purpose, `-- grain: one row per …`, and a `-- column:` line for
each column. What a model depends on is what its query reads; there is no list to keep in step.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from journey_mining.errors import ModelError

_GRAIN = re.compile(r"^-- grain: one row per (.+)$", re.MULTILINE)
_COLUMN = re.compile(r"^-- column: (\w+) +(.+)$", re.MULTILINE)
_KEPT = re.compile(r"^-- kept: (published|private|run|batch)$", re.MULTILINE)
_RENEWED = re.compile(r"^-- renewed: (by \w+)$", re.MULTILINE)
_FOLLOWS = re.compile(r"^-- follows: (\w+)$", re.MULTILINE)
_SETTLED = re.compile(r"^-- settled: by (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")
_READ = re.compile(r"\b(?:from|join)\s+([a-z_][a-z0-9_]*)\b(?!\s*\()", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*")


NEVER_US = 1 << 61
"""Microseconds that no journey outlives: what `expiry: never` means to the models."""


def bind_rules(
    cutoff_us: int,
    *,
    goal: str | None,
    inactivity_us: int,
    expiry_us: int,
    ends_on_goal: bool,
    collapse: bool,
    timezone: str = "UTC",
    max_session_us: int = NEVER_US,
    max_events: int = NEVER_US,
    by_channel: bool = False,
    max_links: int = 20,
    max_user_ids: int = 1,
    feedback_within_us: int = 72 * 3_600_000_000,
    flow_steps: int = 6,
) -> dict[str, Any]:
    """What the models bind, by parameter; times in microseconds. The defaults are those of events given by hand."""
    return dict(locals())


@dataclass(frozen=True)
class Model:
    """One SQL model as its file states it."""

    name: str
    layer: str
    """staging, core, marts or audits: the folder."""
    sql: str
    """The bare select, with its header."""
    purpose: str = ""
    grain: tuple[str, ...] = ()
    """Columns that identify a row; empty when the header has no grain line."""
    columns: dict[str, str] = field(default_factory=dict)
    """Column -> meaning and unit."""
    kept: str = "run"
    """published: in the analysts' file; private: in the private store; run: only while a run lasts;
    batch: only while files are read."""

    renewed: str | None = None
    """`by <column>` or `by sums`: how a part of it is computed anew (renewal.py); None: always all of it."""

    follows: str | None = None
    """A model of the same events: a row here changes only when its event does, or what it takes from the event's row
    there, under the same column names."""

    settled_by: str | None = None
    """The column that says when what a row tells began: it ends before the next event that begins a session and a journey
    at once, and depends on no event after that, nor on any before the last such one."""

    @property
    def parameters(self) -> set[str]:
        """Names of the `$parameters` that the query binds."""
        return set(_PARAMETER.findall(_COMMENT.sub("", self.sql)))

    def mentions(self, column: str) -> bool:
        """Whether the query, or its header, has the name of a column."""
        return re.search(rf"\b{column}\b", self.sql) is not None

    @property
    def reads(self) -> set[str]:
        """Names after `from` and `join`: tables and the query's own CTEs."""
        return {name.lower() for name in _READ.findall(_COMMENT.sub("", self.sql))}


@cache
def sql_folder() -> Path:
    """The folder of SQL files: inside the installed package, or at the top of a checkout."""
    packaged = Path(__file__).parent / "_sql"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"
    if not folder.is_dir():
        raise ModelError(
            f"The SQL models are missing: {folder} is no folder.", fix="install the package again"
        )
    return folder


@cache
def find_models(layer: str) -> dict[str, Model]:
    """The models of one layer by name, in order of dependency; raises ModelError on a cycle."""
    found = {path.stem: read_model(path) for path in sorted((sql_folder() / layer).glob("*.sql"))}
    try:
        order = TopologicalSorter(
            {m.name: sorted(m.reads & found.keys() - {m.name}) for m in found.values()}
        ).static_order()
        return {name: found[name] for name in order}
    except CycleError as error:
        raise ModelError(
            f"The models of sql/{layer} read each other in a circle: {' -> '.join(error.args[1])}."
        ) from error


def ancestors(layer: str, name: str) -> list[str]:
    """The model `name` and all models of its layer that it needs, in order of dependency."""
    models = find_models(layer)
    needed = {name}
    for candidate in reversed(models):
        if candidate in needed:
            needed |= models[candidate].reads & models.keys()
    return [candidate for candidate in models if candidate in needed]


def read_model(path: Path) -> Model:
    """The model in the file `path`."""
    text = path.read_text(encoding="utf-8").strip().rstrip(";")
    first = text.split("\n", 1)[0]
    grain = _GRAIN.search(text)
    kept = _KEPT.search(text)
    renewed = _RENEWED.search(text)
    follows = _FOLLOWS.search(text)
    settled = _SETTLED.search(text)
    return Model(
        name=path.stem,
        layer=path.parent.name,
        sql=text,
        purpose=first.removeprefix("--").strip() if first.startswith("--") else "",
        grain=tuple(column.strip() for column in grain[1].split(",")) if grain else (),
        columns=dict(_COLUMN.findall(text)),
        kept=kept[1] if kept else "published",
        renewed=renewed[1] if renewed else None,
        follows=follows[1] if follows else None,
        settled_by=settled[1] if settled else None,
    )


def fingerprint(paths: Iterable[Path]) -> str:
    """Hash of the content of SQL files, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def model_fingerprint() -> str:
    """Hash of every SQL file of the package: when it changes, derived tables must be computed anew."""
    return fingerprint(sql_folder().rglob("*.sql"))
