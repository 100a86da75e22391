"""`journey-mining sql` reads one published database, and does nothing else."""

from __future__ import annotations

import hashlib
import os
from contextlib import nullcontext
from pathlib import Path

import duckdb
import pytest

from journey_mining import querying
from journey_mining.errors import ConfigError, QueryError
from journey_mining.predicates import write_predicate
from journey_mining.querying import run_query
from journey_mining.touchpoints import RULE_COLUMNS

READ_ONLY = "can only be read"
WRITES = {
    READ_ONLY: [
        "create table x as select 1", "create temp table x as select 1", "create or replace view v as select 1", "create temp view v as select 1",
        "create schema s", "create sequence s", "create macro m() as 1", "create temp macro m() as 1", "create type t as enum ('a')",
        "create secret s (type s3)", "insert into events values (2)", "update events set a = 2", "delete from events", "truncate events",
        "drop table events", "alter table events add column b integer", "comment on table events is 'x'",
        "merge into events using (select 1 as b) on a = b when matched then delete",
        "attach 'other.db' as x", "attach ':memory:' as x", "detach snapshot", "use memory", "copy events to 'out.csv'",
        "copy (select 1) to '/dev/stdout'", "copy events from 'secret.csv'", "export database 'out'", "import database 'out'",
        "install httpfs", "load httpfs", "load 'evil.duckdb_extension'", "install x from 'http://example.org'", "update extensions",
        "set memory_limit = '1GB'", "set enable_external_access = true", "set lock_configuration = false", "reset lock_configuration",
        "set python_enable_replacements = true", "set variable x = 1", "set schema = 'x'", "pragma memory_limit = '1GB'",
        "pragma enable_profiling", "pragma database_list", "call pragma_version()", "call enable_logging()", "checkpoint", "force checkpoint",
        "vacuum", "analyze", "begin", "commit", "prepare p as select 1", "execute p", "deallocate p",
    ],
    "Expected one statement": ["", ";", "-- nothing", "select 1; select 2", "select 1; drop table events", "/* a */ ; select 1; select 2"],
    "The query failed": [
        "select * from read_csv('secret.csv')", "select * from read_csv_auto('secret.csv')", "select * from 'secret.csv'", "from './secret.csv'",
        "select * from read_text('secret.csv')", "select * from read_blob('secret.csv')", "select * from read_json('secret.csv')",
        "select * from read_ndjson_objects('secret.csv')", "select * from read_parquet('secret.csv')", "select * from parquet_metadata('x')",
        "select * from sniff_csv('secret.csv')", "select * from glob('*')", "select * from read_duckdb('other.db')", "select getenv('HOME')",
        "select * from duckdb_secrets()", "select * from query('drop table events')", "select * from query('copy events to ''out.csv''')",
        "select * from query('select * from read_text(''secret.csv'')')", "with x as (insert into events values (3) returning *) select * from x",
        "explain analyze insert into events values (3)", "explain analyze copy events to 'out.csv'", "select * from columns", "select * from statements",
        "select * from path", "select * from os.environ", "select * from read_csv('https://example.org/x.csv')", "select * from json_execute_serialized_sql('x')",
    ],
}  # fmt: skip
ATTEMPTS = [(message, query) for message, queries in WRITES.items() for query in queries]
ALLOWED = ["from events", "select a from events where a = 1", "with x as (select 1 as b) select b from x", "show tables", "describe events",
           "summarize events", "explain select 1", "pivot events on a using count(*)", "values (1)", "select 1;", "-- why\nselect 1"]  # fmt: skip


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database beside files that a query must not reach."""
    path = tmp_path / "snapshot.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table events as select 1 as a")
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    return path


def state(folder: Path) -> dict[str, str]:
    """Every file below the folder, with its checksum."""
    files = [Path(at) / name for at, _, names in os.walk(folder) for name in names]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(("message", "query"), ATTEMPTS)
def test_what_is_no_query_is_refused(snapshot: Path, message: str, query: str) -> None:
    """With a message, and without a trace in the folder."""
    before = state(snapshot.parent)
    with pytest.raises(QueryError, match=f"(?s){message}|cannot be read") as caught:
        run_query(snapshot, query)
    assert "secret" not in str(caught.value) or "secret" in query
    assert state(snapshot.parent) == before


def test_a_query_spills_away_from_the_snapshot(snapshot: Path) -> None:
    """Into a folder of its own, which is gone afterwards."""
    query = "select current_setting('temp_directory')"
    ((spill,),) = run_query(snapshot, query)[1]
    assert not Path(spill).is_relative_to(snapshot.parent)
    assert not Path(spill).exists()


class Stopped:
    """A connection on which somebody pressed Ctrl-C."""

    def execute(self, query: str) -> None:
        raise RuntimeError("Query interrupted")


def test_a_query_can_be_stopped(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What DuckDB makes of Ctrl-C ends the command as an interruption does, without a traceback."""
    monkeypatch.setattr(querying, "open_locked", lambda path: nullcontext(Stopped()))
    monkeypatch.setattr(querying, "require_reading", lambda connection, query: None)
    with pytest.raises(KeyboardInterrupt):
        run_query(snapshot, "select 1")


@pytest.mark.parametrize("query", ALLOWED)
def test_queries_are_answered(snapshot: Path, query: str) -> None:
    """Whatever reads is allowed."""
    assert run_query(snapshot, query)[1]


RULES = [
    "event_name = 'a'; drop table x", "1 = 1", "event_name = getenv('HOME')", "read_text('x') = 'a'", "exists (select 1)",
    "event_name in (select raw from quarantine)", "event_name = (select 1)", "raw = 'x'", "store.main.files.path = 'x'", "true; select 1",
    "event_name = $pads", "event_name = ?", "event_name like 'a' union select 1", "event_name = current_user", "event_name = columns('*')",
    "event_name::integer = 1", "case when true then true end", "event_name = list_value(1)[1]", "event_name", "'a'", "count(*) > 1",
    "row_number() over () = 1", "event_name = error('x')", "lambda x: x", "event_name collate nocase = 'a'", "*", "", "--", "event_name = 'a' --; drop",
    "event_name = E'\\x27; drop table x'", "event_name = 'a''; drop table x; --'", "lower(event_name, getenv('x')) = 'a'",
]  # fmt: skip
HARMLESS = ["1 = 1", "event_name = 'a' --; drop", "event_name = 'a''; drop table x; --'"]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in HARMLESS])
def test_rules_are_predicates(rule: str) -> None:
    """Anything but a comparison of the columns that a rule may name is an error."""
    with pytest.raises(ConfigError, match="the rule"):
        write_predicate(rule, RULE_COLUMNS, (), "the rule", ConfigError)


@pytest.mark.parametrize("rule", HARMLESS)
def test_rules_that_only_look_hostile_are_texts(rule: str) -> None:
    """What stands in quotes or a comment stays there."""
    written = write_predicate(rule, RULE_COLUMNS, (), "the rule", ConfigError)
    with duckdb.connect() as connection:
        statement = f"select {written} from (select 'a' as event_name)"
        assert len(connection.extract_statements(statement)) == 1
        assert connection.execute(statement).fetchall()[0][0] in (True, False)
