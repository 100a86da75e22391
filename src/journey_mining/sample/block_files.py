"""Writes the files of one block: vendor documents straight to their place, daily and truth files as parts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from journey_mining.sample.block import Block, all_contacts, simulate_block
from journey_mining.sample.clock import Calendar
from journey_mining.sample.crm_documents import (
    Record,
    contacts_document,
    deals_document,
    email_event_texts,
    forms_document,
)
from journey_mining.sample.effects import PlantedEffects
from journey_mining.sample.identifiers import IdentifierBook
from journey_mining.sample.measures import count_effects
from journey_mining.sample.support_documents import SupportDesk
from journey_mining.sample.survey_csv import survey_text
from journey_mining.sample.truth import csv_text, journey_rows, session_rows
from journey_mining.sample.web_json import LineWriter, daily_members
from journey_mining.sample.web_layout import Layout, lay_out_files

WebFormat = Literal["jsonl", "parquet"]
PARTS = ("identifiers", "journeys", "sessions")
OVERLAP = 5
"""Records that the second page of e-mail events repeats from the first."""


@dataclass(frozen=True)
class BlockTask:
    """What a worker needs to know to write one block."""

    block: int
    first: int
    count: int
    days: int
    seed: int
    web_format: WebFormat
    level: int
    """gzip compression level."""
    out: Path
    parts: Path
    effects: PlantedEffects


@dataclass
class BlockReport:
    """What a worker wrote: counts for the ledger and the summary, and where each day begins in its web part."""

    block: int
    ledger: list[tuple[str, int, int, int]] = field(default_factory=list)
    """File, lines, events, duplicates."""
    web_counts: dict[str, list[int]] = field(default_factory=dict)
    web_lengths: list[int] = field(default_factory=list)
    effects: dict[str, int] = field(default_factory=dict)
    journeys: int = 0
    sessions: int = 0


def write_block(task: BlockTask) -> BlockReport:
    """The report on the block's files, written as a side effect."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(task.seed, spawn_key=(task.block,))))
    calendar = Calendar(task.days)
    block = simulate_block(rng, task.first, task.count, calendar, task.effects)
    report = BlockReport(task.block, effects=count_effects(block))
    layout = lay_out_files(rng, block.events.occurred_us, calendar, task.effects, task.web_format == "jsonl")
    kinds = layout.count_kinds(task.days, block.facts.is_denied[block.events.visit])
    report.web_counts = {name: counts.tolist() for name, counts in kinds.items()}
    report.web_lengths = _write_web(task, block, layout, calendar)
    _write_crm(task, block, report)
    _write_support(task, block, report)
    _write_surveys(task, block, report)
    _write_truth(task, block, report)
    return report


def _suffix(task: BlockTask) -> str:
    return "" if task.block == 0 else f"_{task.block + 1:04d}"


def _write_web(task: BlockTask, block: Block, layout: Layout, calendar: Calendar) -> list[int]:
    """The size of each day's part in the block's web file (of Parquet: its rows)."""
    if task.web_format == "parquet":
        from journey_mining.sample.web_parquet import write_daily_batches

        return write_daily_batches(task.parts / f"web_{task.block}.arrow", block, layout, calendar)
    lengths: list[int] = []
    with (task.parts / f"web_{task.block}.gz").open("wb") as file:
        writer = LineWriter(block.events, block.facts, calendar)
        lengths.extend(file.write(member) for member in daily_members(writer, layout, task.level))
    return lengths


def _write_json(
    task: BlockTask, report: BlockReport, name: str, text: str, lines: int, duplicates: int = 0
) -> None:
    (task.out / name).write_text(text + "\n", encoding="utf-8", newline="\n")
    report.ledger.append((name, lines, lines - duplicates, duplicates))


def _compact(document: Record) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _write_crm(task: BlockTask, block: Block, report: BlockReport) -> None:
    suffix, contacts = _suffix(task), block.book.records()
    last = contacts[-1]["vid"] if contacts else 0
    _write_json(
        task, report, f"crm/contacts{suffix}.json", _compact(contacts_document(contacts, last)), len(contacts)
    )
    deals = _compact(deals_document(block.deals, block.people))
    _write_json(task, report, f"crm/deals{suffix}.json", deals, len(block.deals))
    forms = _compact(forms_document(block.forms, block.people))
    _write_json(task, report, f"crm/form_submissions{suffix}.json", forms, len(block.forms))
    _write_email_events(task, report, email_event_texts(block.mail, block.people))


def _write_email_events(task: BlockTask, report: BlockReport, texts: list[str]) -> None:
    """Two pages; the second one begins with the last records of the first."""
    half = (len(texts) + 1) // 2
    overlap = min(OVERLAP, half)
    pages = ((texts[:half], 0, True), (texts[half - overlap :], overlap, False))
    for number, (records, repeated, has_more) in enumerate(pages):
        name = f"crm/email_events_{task.block * 2 + number + 1:04d}.json"
        offset = f"page{number + 2}" if has_more else ""
        head = f'{{"hasMore":{json.dumps(has_more)},"offset":"{offset}","events":['
        _write_json(task, report, name, head + ",".join(records) + "]}", len(records), repeated)


def _write_support(task: BlockTask, block: Block, report: BlockReport) -> None:
    """Tickets and audits repeat their first records at the end, as incremental exports do."""
    desk = SupportDesk(block.people, block.tickets, 1_001 + task.block * 1_000_000)
    rows = range(len(block.tickets))
    tickets = [desk.ticket(row) for row in rows]
    audits = [audit for row in rows for audit in desk.audits(row)]
    ratings = [rating for rating in map(desk.rating, rows) if rating]
    groups = (("users", desk.users(), 0), ("tickets", tickets, 2), ("ticket_audits", audits, 3))
    for name, records, repeats in (*groups, ("satisfaction_ratings", ratings, 0)):
        repeated = min(repeats, len(records))
        full = [*records, *records[:repeated]]
        key = name.removeprefix("ticket_")
        document = {key: full, "next_page": None, "previous_page": None, "count": len(full)}
        _write_json(
            task, report, f"support/{name}{_suffix(task)}.json", _compact(document), len(full), repeated
        )


def _write_surveys(task: BlockTask, block: Block, report: BlockReport) -> None:
    for survey, answers in (("nps", block.nps), ("ces", block.ces)):
        repeated = min(2, len(answers))
        name, lines = f"survey/{survey}{_suffix(task)}.csv", len(answers) + repeated
        text = survey_text(survey, answers, block.people, repeated)
        (task.out / name).write_text(text, encoding="utf-8", newline="")
        report.ledger.append((name, lines, lines - repeated, repeated))


def _write_truth(task: BlockTask, block: Block, report: BlockReport) -> None:
    book = IdentifierBook(block)
    contacts, is_linked, numbers = all_contacts(block), book.fully_linked(), block.people.number
    journeys, sessions = (
        journey_rows(contacts, numbers, is_linked),
        session_rows(contacts, numbers, is_linked),
    )
    report.journeys, report.sessions = len(journeys), len(sessions)
    rows: Iterable[Iterable[object]]
    for name, rows in (("identifiers", book.rows()), ("journeys", journeys), ("sessions", sessions)):
        path = task.parts / f"{name}_{task.block}.csv"
        path.write_text(csv_text(rows), encoding="utf-8", newline="")
