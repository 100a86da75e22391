"""The macros of the published sample answer in any client, as documented and as the Python API does."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import journey_mining as jm
from journey_mining.errors import QueryError
from journey_mining.macros import Macro, find_macros
from journey_mining.pipeline import RunContext
from journey_mining.snapshot import Snapshot

STEPS = ["product page", "add to cart", "purchase"]
MACROS = list(find_macros().values())
every_macro = pytest.mark.parametrize("macro", MACROS, ids=[macro.name for macro in MACROS])


@pytest.fixture(scope="module")
def snapshot(sample_run: RunContext) -> Iterator[Snapshot]:
    """The published sample."""
    with jm.open(sample_run.home.current) as opened:
        yield opened


@pytest.fixture(scope="module")
def plain(
    sample_run: RunContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows nothing of this project, on a copy of the file alone."""
    copy = tmp_path_factory.mktemp("copy") / "journeys.duckdb"
    shutil.copyfile(sample_run.home.current / "journeys.duckdb", copy)
    with duckdb.connect(str(copy), read_only=True) as connection:
        yield connection


@every_macro
def test_an_example_answers_with_the_documented_columns(
    macro: Macro, plain: duckdb.DuckDBPyConnection
) -> None:
    """Each macro's example gives rows in any client, with the columns of its header in their order."""
    result = plain.execute(macro.example)
    columns = [column[0] for column in result.description]
    assert result.fetchall()
    assert not macro.is_table or columns == list(macro.columns)


@every_macro
def test_a_macro_tells_what_it_is_for(macro: Macro, plain: duckdb.DuckDBPyConnection) -> None:
    """Purpose and example are the function's comment, and every argument is explained."""
    rows = plain.execute(
        "select comment, parameters from duckdb_functions() where function_name = $1 and not internal",
        [macro.name],
    ).fetchall()
    assert len(rows) == 1
    comment, parameters = rows[0]
    assert comment.startswith(macro.purpose)
    assert parameters == list(macro.arguments)


@pytest.mark.parametrize("unit", ["customers", "journeys", "sessions"])
@pytest.mark.parametrize("window", [None, 300, 7 * 86_400])
def test_funnels_agree(snapshot: Snapshot, unit: str, window: int | None) -> None:
    """The macro's funnel is that of the Python API, on real identifiers, repeats and flagged sessions."""
    call = f"from funnel({STEPS}, window_seconds := {window or 'null'}, unit := '{unit}')"
    found = pd.DataFrame(snapshot.sql(call)).drop(columns="segment")
    expected = pd.DataFrame(snapshot.funnel(STEPS, window=window, unit=unit))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found["entered"].iloc[-1] > 0


def test_funnels_with_options_agree(snapshot: Snapshot) -> None:
    """Strict order, exclusions and counts by channel, on the sample."""
    options = "step_order := 'strict', excluded := ['checkout error'], breakdown := 'channel'"
    found = pd.DataFrame(snapshot.sql(f"from funnel({STEPS[:2]}, {options})"))
    expected = pd.DataFrame(
        snapshot.funnel(STEPS[:2], order="strict", exclude=["checkout error"], by="channel")
    )
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)
    assert found["segment"].nunique() > 2


@pytest.mark.parametrize("entry", [None, "newsletter click"])
@pytest.mark.parametrize("kind", ["n_day", "unbounded"])
def test_retention_agrees(snapshot: Snapshot, kind: str, entry: str | None) -> None:
    """The macro's retention is that of the Python API; background events count only where they are named."""
    named = "null" if entry is None else f"'{entry}'"
    found = snapshot.sql(f"from retention(every := 'week', kind := '{kind}', entry_touchpoint := {named})")
    expected = snapshot.retention("week", kind, entry=entry).drop(columns="last_interval")
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(expected), check_dtype=False)


def test_paths_agree_with_the_next_step(snapshot: Snapshot) -> None:
    """A path of one step is the next, or the previous, step of journeys."""
    after = snapshot.paths_after("product page", 1).set_index("path")["journey_count"]
    before = snapshot.paths_before("purchase", 1).set_index("path")["journey_count"]
    expected = snapshot.next_steps("product page", unit="journeys").set_index("touchpoint")["unit_count"]
    assert after.to_dict() == expected.to_dict()
    expected = snapshot.previous_steps("purchase", unit="journeys").set_index("touchpoint")["unit_count"]
    assert before.to_dict() == expected.to_dict()


def test_a_comparison_leaves_out_who_is_in_both_groups(snapshot: Snapshot) -> None:
    """The groups are customers with such a journey; those of both, and machines, are in neither."""
    found = snapshot.sql("from compare('entry_channel', 'email', 'paid_search')")
    customers = snapshot.sql("select customer_id from customers where not is_flagged")["customer_id"]
    journeys = snapshot.journeys()
    first, second = (
        set(journeys[journeys["entry_channel"] == name]["customer_id"]) & set(customers)
        for name in ("email", "paid_search")
    )
    assert first & second
    assert set(found["n_a"]) == {len(first - second)}
    assert set(found["n_b"]) == {len(second - first)}


def test_an_older_snapshot_names_the_remedy(sample_run: RunContext, tmp_path: Path) -> None:
    """A snapshot without macros says how to get them."""
    source, older = tmp_path / "source.duckdb", tmp_path / "journeys.duckdb"
    shutil.copyfile(sample_run.home.current / "journeys.duckdb", source)
    with duckdb.connect(str(older)) as connection:
        connection.execute(f"attach '{source}' as published (read_only)")
        for table in ("events", "settings"):
            connection.execute(f"create table {table} as select * from published.{table} limit 50")
    with jm.open(older) as snapshot, pytest.raises(QueryError, match="publish it anew"):
        snapshot.journey("nobody")


@every_macro
def test_a_default_is_given_by_name(macro: Macro) -> None:
    """DuckDB 1.2 takes an argument that has a default by its name only, so examples write it so."""
    given = macro.example.split(f"{macro.name}(", 1)[1]
    defaults = macro.signature.count(":=")
    plain = len(macro.arguments) - defaults
    named = given.count(":=")
    listed = re.sub(r"\[.*?\]|\(.*?\)", "", given.split(") ", 1)[0])
    assert listed.count(",") + 1 - named <= max(plain, 1)


@every_macro
def test_a_macro_uses_nothing_that_older_clients_lack(macro: Macro) -> None:
    """Neither lambdas, whose spelling changed, nor an `asof join`, which a recursion refuses for large inputs."""
    assert not re.search(r"\blambda\b|\basof\b", re.sub(r"--[^\n]*", "", macro.body), re.IGNORECASE)
