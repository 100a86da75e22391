"""The trials that runs hand on are those that the question itself makes, of everybody, from the published tables."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from journey_mining.analysis.log import EventLog
from journey_mining.analysis.passages import write_cells, write_trials, write_ways
from journey_mining.mining.pain_points import PainRules, follow_us, list_way
from journey_mining.pipeline import run_all
from journey_mining.publication import DATABASE
from journey_mining.runs import RunContext
from journey_mining.trials import LABELS, TRIALS
from journey_mining.warehouse import open_attached, quoted

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """The sample company, whose last ten web files, last mails and last answers arrive in a second night."""
    folder = tmp_path_factory.mktemp("nights") / "company"
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("journeys"))
    late = [*sorted((folder / "web").iterdir())[-10:], sorted((folder / "survey").iterdir())[-1]]
    for path in late:
        path.rename(folder / path.name)
    run_all(folder / "journey.yaml")
    for path in late:
        (folder / path.name).rename(path)
    return run_all(folder / "journey.yaml")


def test_the_second_night_renews(nights: RunContext) -> None:
    assert nights.renewal is not None


def trials_of(night: RunContext, kind: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cells of a kind of trial: those made anew from the published tables, and those of the kept trials."""
    assert night.published is not None
    with open_attached(night.published / DATABASE) as connection:
        store = quoted(str(night.home.store_of(night.published.name)))
        connection.execute(f"attach {store} as store (read_only)")
        settings = dict(connection.execute("from settings").fetchall())
        log = EventLog(connection, lambda _: None, ("event_ordinal",), is_loaded=False, settings=settings)
        way = list_way(log.read(write_ways(log)), PainRules())
        anew = log.read(write_trials(log, follow_us(settings), way))
        kept = log.read(write_cells(way, TRIALS, LABELS))
    anew, kept = (frame[frame["kind"] == kind].reset_index(drop=True) for frame in (anew, kept))
    return anew, kept


@pytest.mark.parametrize("kind", ["touchpoint", "loop", "repeat contact", "transition", "wait", "low score"])
def test_kept_trials_are_those_made_anew(nights: RunContext, kind: str) -> None:
    anew, kept = trials_of(nights, kind)
    assert not anew.empty, "otherwise the test says nothing"
    assert kept.equals(anew)


def test_waits_become_old_enough_without_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Day by day, customers who asked once and were answered at different times, or never."""
    monkeypatch.setattr("journey_mining.renewal.MOST_TOUCHED", 1.0)
    begin, rows = (
        datetime(2026, 3, 1, 9),
        ["customer_id,occurred_at,touchpoint,initiator,object_type,object_id"],
    )
    for number in range(24):
        asked = begin + timedelta(hours=9 * number)
        rows.append(f"c{number},{asked - timedelta(minutes=5)},help page,customer,,")
        rows.append(f"c{number},{asked},ticket,customer,ticket,t{number}")
        if number % 4:
            answered = asked + timedelta(hours=(0, 0.5, 30, 100)[number % 4])
            rows.append(f"c{number},{answered},answer,company,ticket,t{number}")
    rows.append(f"last,{begin + timedelta(days=40)},purchase,customer,,")
    (tmp_path / "log.csv").write_text("\n".join(rows) + "\n")
    config = tmp_path / "journey.yaml"
    config.write_text(
        "goal: purchase\njourneys: {expiry: 3 days}\n"
        "sources:\n  log: {system: table, path: log.csv, timezone: UTC}\n"
    )
    judged = []
    for day in range(6, 24, 3):
        night = run_all(config, cutoff=f"{begin + timedelta(days=day):%Y-%m-%d}")
        assert (night.renewal is not None) == (day > 6)
        anew, kept = trials_of(night, "wait")
        assert kept.equals(anew)
        judged.append(anew["there_count"].sum())
    assert judged == sorted(set(judged)), "every night judges further waits"
