"""The trials that runs hand on are those that the question itself makes, of everybody, from the published tables."""

from __future__ import annotations

import shutil
from pathlib import Path

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


@pytest.mark.parametrize("kind", ["touchpoint", "loop", "repeat contact", "transition", "wait", "low score"])
def test_kept_trials_are_those_made_anew(nights: RunContext, kind: str) -> None:
    assert nights.published is not None
    with open_attached(nights.published / DATABASE) as connection:
        connection.execute(
            f"attach {quoted(str(nights.home.store_of(nights.published.name)))} as store (read_only)"
        )
        settings = dict(connection.execute("from settings").fetchall())
        log = EventLog(connection, lambda _: None, ("event_ordinal",), is_loaded=False, settings=settings)
        way = list_way(log.read(write_ways(log)), PainRules())
        anew = log.read(write_trials(log, follow_us(settings), way))
        kept = log.read(write_cells(way, TRIALS, LABELS))
    assert (anew["kind"] == kind).any(), "otherwise the test says nothing"
    for frame in (anew, kept):
        frame.drop(frame[frame["kind"] != kind].index, inplace=True)
    assert kept.reset_index(drop=True).equals(anew.reset_index(drop=True))
