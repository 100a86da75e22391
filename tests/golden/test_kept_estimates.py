"""What runs hand on for estimates is what the questions themselves find, of everybody, in the published tables."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.analysis.log import EventLog
from journey_mining.analysis.passages import write_cells, write_trials, write_ways
from journey_mining.evidence import DRAWS
from journey_mining.kept_sums import CREDIT, OCCASIONS, WAYS
from journey_mining.mining.crediting import ask_credit, gather_paths
from journey_mining.mining.pain_points import PainRules, follow_us, list_way, tabulate_ways
from journey_mining.mining.path_sums import METHODS, sum_paths, tabulate_sums
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
        way = list_way(tabulate_ways(log.read(write_ways(log))), PainRules())
        anew = log.read(write_trials(log, follow_us(settings), way))
        kept = log.read(write_cells(way, TRIALS, LABELS))
    anew, kept = (frame[frame["kind"] == kind].reset_index(drop=True) for frame in (anew, kept))
    return anew, kept


@pytest.mark.parametrize("kind", ["touchpoint", "loop", "repeat contact", "transition", "wait", "low score"])
def test_kept_trials_are_those_made_anew(nights: RunContext, kind: str) -> None:
    anew, kept = trials_of(nights, kind)
    assert not anew.empty, "otherwise the test says nothing"
    assert kept.equals(anew)


def test_ways_are_what_journeys_walked(nights: RunContext) -> None:
    """Counted journey by journey in Python."""
    assert nights.published is not None
    with open_attached(nights.published / DATABASE) as connection:
        log = EventLog(connection, lambda _: None, ("event_ordinal",), is_loaded=False, settings={})
        sums = log.read(write_ways(log))
        steps = connection.execute("from journey_steps order by journey_id, step_number").df()
    assert sums["customer_count"].sum() == steps["customer_id"].nunique()
    ways = tabulate_ways(sums).set_index("touchpoint")
    met: dict[str, set[object]] = {}
    on_the_way: dict[str, set[object]] = {}
    goals = steps[steps["is_goal"]].groupby("journey_id")["step_number"].min().to_dict()
    for journey, number, touchpoint in steps[["journey_id", "step_number", "touchpoint"]].itertuples(
        index=False
    ):
        met.setdefault(touchpoint, set()).add(journey)
        if number < goals.get(journey, 0):
            on_the_way.setdefault(touchpoint, set()).add(journey)
    assert ways["journey_count"].to_dict() == {name: len(journeys) for name, journeys in met.items()}
    expected = {name: len(on_the_way.get(name, ())) / len(goals) for name in met}
    assert ways["way_share"].to_dict() == pytest.approx(expected, abs=1e-12)
    assert ways["way_share"].between(0.02, 0.98).any(), "otherwise the test says nothing"
    assert ways["is_goal"].to_dict() == steps.groupby("touchpoint")["is_goal"].any().to_dict()
    last = steps.loc[steps["is_goal"], "stage_number"].max()
    numbers = steps.groupby("touchpoint")["stage_number"].min()
    assert ways["is_after_goal"].to_dict() == (numbers > last).to_dict()
    assert ways["is_after_goal"].any()
    stages = steps.groupby("touchpoint")["stage"].first()
    assert ways["stage"].dropna().to_dict() == stages.dropna().to_dict()


def test_kept_sums_are_those_of_everybody(nights: RunContext) -> None:
    """Of the paths behind attribution, of the occasions behind incidents, and of the touchpoints that journeys came by."""
    assert nights.renewal is not None
    assert nights.renewal.had.keys() == nights.renewal.have.keys() == {CREDIT, OCCASIONS, WAYS}
    assert nights.published is not None
    with open_attached(nights.published / DATABASE) as connection:
        store = quoted(str(nights.home.store_of(nights.published.name)))
        connection.execute(f"attach {store} as store (read_only)")
        asked = dict(connection.execute("select name, query from store.main.asked_queries").fetchall())
        log = EventLog(connection, lambda _: None, ("event_ordinal",), is_loaded=False)
        paths = gather_paths(log.read(asked[CREDIT], repeated=["label"]))
        anew = tabulate_sums(sum_paths(paths, METHODS, ask_credit(model="all").rules()))
        kept = log.read(f"from store.main.{CREDIT}")
        occasions, kept_occasions = log.read(asked[OCCASIONS]), log.read(f"from store.main.{OCCASIONS}")
        ways, kept_ways = log.read(asked[WAYS]), log.read(f"from store.main.{WAYS}")
    assert rows_of(kept) == rows_of(anew[anew["amount"] != 0])
    assert rows_of(kept_occasions) == rows_of(occasions)
    assert kept_occasions["met_count"].sum() > 0, "otherwise the test says nothing"
    pd.testing.assert_frame_equal(tabulate_ways(kept_ways), tabulate_ways(ways))
    counts = ["goal_count", "customer_count"]
    assert kept_ways[counts].sum().to_dict() == ways[counts].sum().to_dict()


def rows_of(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return sorted(frame.itertuples(index=False, name=None))


def test_published_attribution_is_what_the_question_answers(nights: RunContext) -> None:
    assert nights.published is not None
    with jm.open(nights.published) as snapshot:
        published = snapshot.sql("select * from attribution order by model, channel")
        asked = snapshot.attribution("all", bootstrap=DRAWS).sort_values(
            ["model", "channel"], ignore_index=True
        )
    for column in ("model", "channel"):
        assert published[column].fillna("").tolist() == asked[column].fillna("").tolist()
    for column in ("conversions", "value", "share", "low", "high", "removal_effect"):
        assert published[column].tolist() == pytest.approx(asked[column].tolist(), nan_ok=True)


@pytest.mark.parametrize("kept", ["select no_such_column from journeys", "select 1 as n from journeys"])
def test_what_another_version_asked_is_not_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """A night that finds another query kept than its own counts everybody."""
    monkeypatch.setattr("journey_mining.renewal.MOST_TOUCHED", 1.0)
    rows = [
        f"c{n},2026-03-{1 + n % 9:02} 09:0{n % 7}:00,{('visit', 'purchase')[n % 2]},web" for n in range(40)
    ]
    head = "customer_id,occurred_at,touchpoint,channel"
    config = tmp_path / "journey.yaml"
    config.write_text("goal: purchase\nsources:\n  log: {system: table, path: log/, timezone: UTC}\n")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.csv").write_text("\n".join([head, *rows]) + "\n")
    first = run_all(config)
    assert first.published is not None
    with duckdb.connect(str(first.home.store_of(first.published.name))) as store:
        store.execute("update asked_queries set query = $q", {"q": kept})
    (tmp_path / "log" / "b.csv").write_text(f"{head}\nc1,2026-03-11 09:00:00,purchase,mail\n")
    night, everything = run_all(config), run_all(config, rebuild=True)
    assert night.renewal is not None
    found = []
    for run in (night, everything):
        assert run.published is not None
        with open_attached(run.published / DATABASE) as connection:
            found.append(connection.execute("from attribution order by all").fetchall())
    assert repr(found[0]) == repr(found[1])


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
