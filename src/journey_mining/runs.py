"""A run in progress: where it works, what it takes over from the last one, and what is known so far."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from journey_mining import audits
from journey_mining.beside import Beside
from journey_mining.config import Config, load_config
from journey_mining.derivation import bind_settings, discard_derivation
from journey_mining.erasure import ErasureRequest
from journey_mining.errors import ConfigError
from journey_mining.history import remember_last_run
from journey_mining.inheritance import (
    Inheritance,
    inherit_store,
    naming_damage,
    require_erased,
    write_store_key,
)
from journey_mining.notification import Outcome, noting, telling
from journey_mining.publication import (
    DATABASE,
    Home,
    finish_erasure,
    leaving_nothing,
    locked,
    settle_link,
    start_working_copy,
)
from journey_mining.renewal import Renewal
from journey_mining.sources.erased import carry_tombstones
from journey_mining.sources.keys import Pads, load_pads
from journey_mining.sources.load import register_functions
from journey_mining.touchpoints import check_rules
from journey_mining.upkeep import NIGHTLY_GROUP_ROWS
from journey_mining.warehouse import WHOLE_GROUP_ROWS, Warehouse, clear_errors, open_warehouse

Counts = dict[str, int | float | str]


@dataclass
class RunContext:
    """A run in progress: where it works and what is known so far."""

    config: Config
    home: Home
    run_id: str
    started_at: datetime
    working_dir: Path
    warehouse: Warehouse
    pads: Pads
    wanted_cutoff: datetime | None = None
    retried_sources: frozenset[str] = frozenset()
    """Sources of which the files with a record in quarantine are read again."""
    reads_again: frozenset[str] = frozenset()
    """Sources of which every file is read again."""
    cutoff_us: int = 0
    renewal: Renewal | None = None
    """How the published tables are renewed; None: they are computed anew."""
    requests: Sequence[ErasureRequest] = ()
    """Persons whom this run forgets."""
    receipt: dict[str, Any] | None = None
    """What it forgot."""
    erases: bool = False
    """Whether bytes must go: both files are written anew, and older snapshots are removed."""
    summary: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    published: Path | None = None
    """Folder of the snapshot after the publish step."""
    beside: Beside = field(init=False)
    """What goes on while steps do."""
    replacing: Beside = field(init=False)
    """Where rows are replaced while others are computed, and files are written while others are read."""

    def __post_init__(self) -> None:
        self.beside, self.replacing = Beside(self.warehouse.connection), Beside(self.warehouse.connection)

    @property
    def cutoff_at(self) -> datetime:
        """Horizon of the data, UTC."""
        return datetime.fromtimestamp(self.cutoff_us / 1_000_000, UTC)

    @property
    def name(self) -> str:
        """Name of the snapshot."""
        return f"{self.cutoff_at:%Y%m%dT%H%M%SZ}_{self.run_id}"

    @property
    def parameters(self) -> dict[str, Any]:
        """What the models bind."""
        return bind_settings(self.config, self.cutoff_us)


@dataclass(frozen=True)
class Step:
    """One step of a run; `retries` where trying again makes sense (reading from a share, say)."""

    name: str
    run: Callable[[RunContext], Counts]
    retries: int = 0


@contextmanager
def open_run(
    config_path: Path,
    cutoff: str | None = None,
    rebuild: bool = False,
    retry_quarantine: bool | Collection[str] = False,
    requests: Sequence[ErasureRequest] = (),
) -> Iterator[RunContext]:
    """A run under the home's lock, on a working copy; nothing is published unless the publish step is reached.

    With `retry_quarantine` files with a record in quarantine are read again, of all sources or of those that it names.
    With `requests` the run forgets these persons first.
    """
    config = load_config(config_path)
    home = Home(config.home_dir)
    started_at = datetime.now(UTC)
    outcome = Outcome(f"{started_at:%Y%m%d%H%M%S}{uuid.uuid4().hex[:6]}", started_at)
    with telling(config, outcome):
        check_rules(config)
        audits.check_names(config)
        wanted = parse_cutoff(cutoff)
        with locked(home, outcome.run_id), noting(home, outcome), leaving_nothing(home):
            with clear_errors("opening the home"):
                settle_link(home)
                finish_erasure(home)
            with naming_damage(home), clear_errors("opening the store"):
                context = _begin(config, home, outcome, rebuild, requests)
            context.wanted_cutoff = wanted
            retried = config.sources if retry_quarantine is True else retry_quarantine or ()
            context.retried_sources = frozenset(retried)
            try:
                yield context
            finally:
                outcome.snapshot = context.name if home.current_name() == context.name else None
                with suppress(duckdb.Error):
                    context.replacing.stop()
                    context.beside.stop()
                    context.warehouse.connection.close()


def _begin(
    config: Config, home: Home, outcome: Outcome, rebuild: bool, requests: Sequence[ErasureRequest]
) -> RunContext:
    """A run with an open working copy, and what it takes over from the last one."""
    require_erased(home, rebuild)
    pads = load_pads(home.private, config.identity.key_id)
    name = home.current_name()
    inherited = inherit_store(home, config, pads.key_id, rebuild)
    working = start_working_copy(home, outcome.run_id, inherited.keeps_store, inherited.keeps_derived)
    warehouse = _open(config, home, working, renews=inherited.keeps_derived)
    context = RunContext(
        config, home, outcome.run_id, outcome.started_at, working, warehouse, pads,
        reads_again=inherited.reads_again, requests=requests, summary=outcome.summary,
    )  # fmt: skip
    try:
        _carry_over(context, inherited)
        write_store_key(warehouse, pads.key_id)
        if rebuild:
            discard_derivation(warehouse)
        remember_last_run(warehouse, home.store_of(name) if name else None)
    except BaseException:
        warehouse.connection.close()
        raise
    return context


def _open(config: Config, home: Home, working: Path, renews: bool) -> Warehouse:
    return open_warehouse(
        working / DATABASE,
        working / "store.duckdb",
        home.working / "spill",
        register_functions,
        config.memory_limit,
        config.threads,
        NIGHTLY_GROUP_ROWS if renews else WHOLE_GROUP_ROWS,
    )


def _carry_over(context: RunContext, inherited: Inheritance) -> None:
    """What outlives even a store that is not kept; raises ConfigError when persons would be forgotten in vain."""
    name = context.home.last_name()
    if inherited.keeps_store:
        return
    if context.requests:
        raise ConfigError(
            "Nothing is published yet, so that nobody can be looked up."
            if name is None
            else "The configuration has changed so that every file is read again, and nobody can be looked up before.",
            fix="publish first: journey-mining run; then forget",
        )
    if name and context.home.store_of(name).is_file():
        carry_tombstones(context.warehouse, str(context.home.store_of(name)))


def parse_cutoff(text: str | None) -> datetime | None:
    """The moment that `text` (ISO 8601, UTC when it names no zone) states; raises ConfigError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # a year that UTC brings below 1 or above 9999
        raise ConfigError(
            f"--cutoff: '{text}' is no time.", expected="ISO 8601, for example 2026-03-31T23:59:59Z"
        ) from error
