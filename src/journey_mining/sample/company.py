"""Writes a whole sample company: its blocks, joined into daily exports, truth files, README.md and journey.yaml."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from journey_mining.errors import ConfigError
from journey_mining.sample.block import simulate_block
from journey_mining.sample.block_files import PARTS, BlockReport, BlockTask, WebFormat, write_block
from journey_mining.sample.clock import FIRST_DAY, Calendar
from journey_mining.sample.effects import PlantedEffects
from journey_mining.sample.identifiers import shared_rows
from journey_mining.sample.measures import planted_document
from journey_mining.sample.templates import JOURNEY_YAML, README
from journey_mining.sample.truth import IDENTIFIER_COLUMNS, JOURNEY_COLUMNS, SESSION_COLUMNS

Task = TypeVar("Task")
Result = TypeVar("Result")
BLOCK_CUSTOMERS = 20_000
SMALL_COMPANY = 5_000
"""Up to this many customers files are packed as small as possible, above it as fast as possible."""
FOLDERS = ("web", "crm", "support", "survey", "truth")
WEB_SUFFIX = {"jsonl": "jsonl.gz", "parquet": "parquet"}
LedgerRow = tuple[str, list[int]]
"""File, and its counts in the order of LEDGER_COLUMNS."""
LEDGER_COLUMNS = (
    "file", "line_count", "event_count", "duplicate_count", "broken_count", "refused_count", "late_count",
)  # fmt: skip
HEADERS = {"identifiers": IDENTIFIER_COLUMNS, "journeys": JOURNEY_COLUMNS, "sessions": SESSION_COLUMNS}


class SampleSummary(BaseModel):
    """What was written; all are counts of records, repeated and broken ones included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customers: int
    web_lines: int
    web_events: int
    web_duplicates: int
    web_broken: int
    web_refused: int
    web_late: int
    contacts: int
    deals: int
    email_events: int
    form_submissions: int
    users: int
    tickets: int
    ticket_audits: int
    satisfaction_ratings: int
    survey_answers: int
    journeys: int
    sessions: int
    files: int


def write_company(
    out: Path,
    customers: int,
    days: int,
    seed: int,
    web_format: WebFormat = "jsonl",
    workers: int | None = None,
    effects: PlantedEffects | None = None,
) -> SampleSummary:
    """Counts of what was written to `out`: web/, crm/, support/, survey/, truth/, README.md and journey.yaml.

    The same arguments give the same bytes, whatever the number of `workers` (processes; default: all cores).
    Raises ConfigError if the arguments are out of range or `out` holds other files.
    """
    _check_arguments(out, customers, days, web_format)
    planted = effects or PlantedEffects()
    for folder in FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".parts-") as name:
        tasks = _plan_blocks(out, Path(name), customers, days, seed, web_format, planted)
        reports = _map_in_order(write_block, tasks, workers or os.cpu_count() or 1)
        if web_format == "parquet":
            _join_parquet(out, Path(name), reports, days, workers or os.cpu_count() or 1)
        else:
            _join_json(out, Path(name), reports, days)
        _join_truth(out, Path(name), len(reports))
    ledger = _write_ledger(out, reports, days, web_format)
    _write_planted(out, reports, planted)
    summary = _summarise(out, customers, reports, ledger)
    _write_texts(out, customers, days, seed, web_format, summary)
    return summary


def _check_arguments(out: Path, customers: int, days: int, web_format: str) -> None:
    if customers < 1 or not 7 <= days <= 730:
        raise ConfigError(
            "A sample company of that size cannot be drawn.",
            found=f"{customers} customers, {days} days",
            expected="at least 1 customer and 7 to 730 days",
            fix="choose other numbers",
        )
    if web_format not in WEB_SUFFIX:
        raise ConfigError(
            "Unknown web format.", found=str(web_format), expected="jsonl or parquet", fix="choose one"
        )
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty.", fix="name a new folder, or empty this one")


def _plan_blocks(
    out: Path,
    parts: Path,
    customers: int,
    days: int,
    seed: int,
    web_format: WebFormat,
    effects: PlantedEffects,
) -> list[BlockTask]:
    level = 9 if customers <= SMALL_COMPANY else 1
    return [
        BlockTask(
            block,
            first,
            min(BLOCK_CUSTOMERS, customers - first),
            days,
            seed,
            web_format,
            level,
            out,
            parts,
            effects,
        )
        for block, first in enumerate(range(0, customers, BLOCK_CUSTOMERS))
    ]


def _map_in_order(function: Callable[[Task], Result], tasks: list[Task], workers: int) -> list[Result]:
    """The results in the order of the tasks, whichever process is done first."""
    if len(tasks) == 1 or workers == 1:
        return [function(task) for task in tasks]
    with ProcessPoolExecutor(min(workers, len(tasks)), get_context("spawn")) as pool:
        return list(pool.map(function, tasks))


def _web_name(date: str, web_format: WebFormat) -> str:
    return f"web/events_{date}.{WEB_SUFFIX[web_format]}"


def _join_json(out: Path, parts: Path, reports: list[BlockReport], days: int) -> None:
    """One file a day: the blocks' gzip members one after the other."""
    with ExitStack() as stack:
        sources = [stack.enter_context((parts / f"web_{report.block}.gz").open("rb")) for report in reports]
        for day, date in enumerate(Calendar(days).dates):
            with (out / _web_name(date, "jsonl")).open("wb") as file:
                for report, source in zip(reports, sources, strict=True):
                    file.write(source.read(report.web_lengths[day]))


def _join_parquet(out: Path, parts: Path, reports: list[BlockReport], days: int, workers: int) -> None:
    """One file a day: the blocks' row batches one after the other."""
    sources = [parts / f"web_{report.block}.arrow" for report in reports]
    targets = [out / _web_name(date, "parquet") for date in Calendar(days).dates]
    tasks = [(sources, target, day) for day, target in enumerate(targets)]
    _map_in_order(_join_day, tasks, workers if len(sources) > 1 else 1)


def _join_day(task: tuple[list[Path], Path, int]) -> None:
    from journey_mining.sample.web_parquet import join_daily_batches

    join_daily_batches(*task)


def _join_truth(out: Path, parts: Path, blocks: int) -> None:
    for name in PARTS:
        with (out / "truth" / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADERS[name])
            if name == "identifiers":
                writer.writerows(shared_rows())
            for block in range(blocks):
                with (parts / f"{name}_{block}.csv").open(encoding="utf-8", newline="") as part:
                    shutil.copyfileobj(part, file)


def _write_ledger(out: Path, reports: list[BlockReport], days: int, web_format: WebFormat) -> list[LedgerRow]:
    """The rows of truth/ledger.csv: lines = events + duplicates + broken + refused, for every file."""
    totals = np.array([[report.web_counts[name] for name in LEDGER_COLUMNS[1:]] for report in reports]).sum(
        axis=0
    )
    dates = Calendar(days).dates
    rows: list[LedgerRow] = [
        (_web_name(date, web_format), totals[:, day].tolist()) for day, date in enumerate(dates)
    ]
    documents = sorted(entry for report in reports for entry in report.ledger)
    rows += [(file, [lines, events, repeated, 0, 0, 0]) for file, lines, events, repeated in documents]
    _write_csv(out / "truth" / "ledger.csv", LEDGER_COLUMNS, ([file, *counts] for file, counts in rows))
    return rows


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_planted(out: Path, reports: list[BlockReport], effects: PlantedEffects) -> None:
    counts = {name: sum(report.effects[name] for report in reports) for name in reports[0].effects}
    text = json.dumps(planted_document(effects, counts), indent=2)
    (out / "truth" / "planted.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def _summarise(
    out: Path, customers: int, reports: list[BlockReport], ledger: list[LedgerRow]
) -> SampleSummary:
    def lines(prefix: str) -> int:
        return sum(counts[0] for file, counts in ledger if file.startswith(prefix))

    web = np.array([counts for file, counts in ledger if file.startswith("web/")]).sum(axis=0).tolist()
    return SampleSummary(
        customers=customers,
        web_lines=web[0],
        web_events=web[1],
        web_duplicates=web[2],
        web_broken=web[3],
        web_refused=web[4],
        web_late=web[5],
        contacts=lines("crm/contacts"),
        deals=lines("crm/deals"),
        email_events=lines("crm/email_events"),
        form_submissions=lines("crm/form_submissions"),
        users=lines("support/users"),
        tickets=lines("support/tickets"),
        ticket_audits=lines("support/ticket_audits"),
        satisfaction_ratings=lines("support/satisfaction_ratings"),
        survey_answers=lines("survey/"),
        journeys=sum(report.journeys for report in reports),
        sessions=sum(report.sessions for report in reports),
        files=len(ledger) + len(PARTS) + 4,
    )


def _write_texts(
    out: Path, customers: int, days: int, seed: int, web_format: WebFormat, summary: SampleSummary
) -> None:
    option = "" if web_format == "jsonl" else f" --web-format {web_format}"
    command = f"journey-mining sample --customers {customers} --days {days} --seed {seed}{option} --out DIR"
    readme = README.format(
        customers=customers,
        days=days,
        first_day=FIRST_DAY.isoformat(),
        command=command,
        web_lines=summary.web_lines,
        contacts=summary.contacts,
        deals=summary.deals,
        email_events=summary.email_events,
        forms=summary.form_submissions,
        users=summary.users,
        tickets=summary.tickets,
        answers=summary.survey_answers,
    )
    (out / "README.md").write_text(readme, encoding="utf-8", newline="\n")
    text = JOURNEY_YAML.format(web_suffix=WEB_SUFFIX[web_format])
    (out / "journey.yaml").write_text(text, encoding="utf-8", newline="\n")


def customers_for_events(events: int, days: int, seed: int) -> int:
    """How many customers give about `events` web events; found by drawing a pilot of 2,000 customers."""
    pilot, calendar = 2_000, Calendar(days)
    block = simulate_block(np.random.Generator(np.random.PCG64(seed)), 0, pilot, calendar, PlantedEffects())
    return max(1, round(events * pilot / max(1, len(block.events))))
