"""The command line: the way of a newcomer, exit codes, and mistakes without a traceback."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from journey_mining.cli import main
from journey_mining.config import load_config
from journey_mining.publication import Home, locked

HEAD = "customer_id,occurred_at,touchpoint\n"
LOG = HEAD + "anna,2026-03-02T09:00:00Z,page\nanna,2026-03-02T09:01:00Z,purchase\n"
CONFIG = "sources:\n  shop: {system: table, path: shop.csv}\n"


def call(*arguments: object) -> Result:
    """What a command prints, and its exit code."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter's journey.yaml after its first run."""
    folder = tmp_path_factory.mktemp("starter")
    assert call("init", folder).exit_code == 0
    path = folder / "journey.yaml"
    done = call("run", "--config", path)
    assert done.exit_code == 0, done.output
    assert Path(done.output.split("report:")[1].strip()).is_file()
    return path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A journey.yaml over a log of two events, not run yet."""
    (tmp_path / "shop.csv").write_text(LOG, encoding="utf-8")
    (tmp_path / "journey.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path / "journey.yaml"


def test_check_says_what_would_be_read(starter: Path) -> None:
    """Sources, files and tables, as text and as JSON."""
    assert "The configuration is valid." in call("check", "--config", starter).output
    found = json.loads(call("check", "--config", starter, "--json").output)
    assert [(row["source"], row["system"], row["files"], row["tables"]) for row in found] == [
        ("shop", "table", 1, {"events": 1})
    ]


def test_a_file_that_two_sources_read_is_named(shop: Path) -> None:
    """Before a run and after it, however its path is written: with the file and both sources."""
    assert "warning" not in call("check", "--config", shop).output
    with shop.open("a", encoding="utf-8") as config:
        config.write(f"  web: {{system: table, path: ../{shop.parent.name}/shop.csv}}\n")
    assert "shop.csv is read by the sources shop and web" in call("check", "--config", shop).output
    told = "path=shop.csv, source=shop, other_source=web, event_count=2"
    assert told in call("run", "--config", shop).stderr


def test_status_says_what_is_published(starter: Path) -> None:
    """Figures and audits, as text and as JSON."""
    assert "snapshot" in call("status", "--config", starter).output
    found = json.loads(call("status", "--config", starter, "--json").output)
    assert (found["figures"]["event_count"], found["figures"]["customer_count"]) == (17, 4)
    assert not [audit for audit in found["audits"] if audit["status"] == "failed"]


def test_report_says_where_it_is(starter: Path) -> None:
    """The path of a file that is there."""
    assert Path(call("report", "--config", starter).output.strip()).is_file()


def test_sql_prints_rows(starter: Path) -> None:
    """As a table, as CSV and as JSON, up to a limit."""
    query = "select touchpoint, event_count from touchpoints order by event_count desc, touchpoint"
    assert "product page" in call("sql", query, "--config", starter).output
    as_csv = call("sql", query, "--config", starter, "--format", "csv").stdout
    assert next(csv.DictReader(io.StringIO(as_csv))) == {"touchpoint": "product page", "event_count": "5"}
    found = json.loads(call("sql", query, "--config", starter, "--format", "json", "--limit", 2).stdout)
    assert len(found) == 2
    limited = call("sql", query, "--config", starter, "--limit", 2)
    assert "the first 2 rows" in limited.stderr
    assert (
        json.loads(call("sql", query, "--config", starter, "--format", "json", "--limit", 0).stdout)[0]
        == found[0]
    )


def refuse_constant(name: str) -> float:
    """Fail for NaN and Infinity, which Python reads although JSON has neither."""
    raise AssertionError(name)


def test_sql_prints_json_that_is_json(starter: Path) -> None:
    """NaN and infinity are null, also inside lists, records and maps, whose keys are texts."""
    query = (
        "select 'inf'::double as h, 'nan'::double as n, [1.5::double, '-inf'::double] as l, {'a': 'nan'::double} as s, "
        "map {date '2026-03-02': 'inf'::double, date '2026-03-03': 2} as m"
    )
    done = call("sql", query, "--config", starter, "--format", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout, parse_constant=refuse_constant) == [
        {
            "h": None,
            "n": None,
            "l": [1.5, None],
            "s": {"a": None},
            "m": {"2026-03-02": None, "2026-03-03": 2.0},
        }
    ]


@pytest.mark.parametrize(
    "query", ["-- why\nselect 7 as n", "--why\nselect 7 as n", "-- a = b\nselect 7 as n", "--\nselect 7 as n"]
)
def test_a_query_may_begin_with_a_comment(starter: Path, query: str) -> None:
    """It is no option, wherever it stands among them; a mistyped option still is."""
    for arguments in (["sql", query, "--config", starter], ["sql", "--config", starter, query]):
        done = call(*arguments, "--format", "json")
        assert (done.exit_code, done.stdout and json.loads(done.stdout)) == (0, [{"n": 7}]), done.output
    assert "No such option" in call("sql", "select 7", "--fromat", "json").output


@pytest.mark.parametrize(
    "command", [["sql", "select 1"], ["quarantine"]], ids=lambda command: str(command[0])
)
def test_a_limit_is_not_negative(starter: Path, command: list[str]) -> None:
    """It is a mistake of usage: exit code 2, and the smallest limit is named."""
    done = call(*command, "--config", starter, "--limit", -1)
    assert (done.exit_code, "x>=0" in done.output) == (2, True), done.output


def test_quarantine_knows_its_sources(starter: Path) -> None:
    """Another one is a mistake, not an empty quarantine; the message names those that there are."""
    assert call("quarantine", "--config", starter, "--source", "shop").exit_code == 0
    done = call("quarantine", "--config", starter, "--source", "shpo")
    assert done.exit_code == 8
    assert "There is no source 'shpo'." in done.stderr
    assert "one of shop" in done.stderr
    assert "did you mean 'shop'?" in done.stderr
    retried = call("quarantine", "--config", starter, "--source", "shpo", "--retry")
    assert (retried.exit_code, "read exports" in retried.stderr) == (8, False), (
        "told before a run, not after it"
    )


def test_sql_makes_formulas_harmless(starter: Path) -> None:
    """A cell that a spreadsheet would compute gets an apostrophe in CSV."""
    query = """select '=1+1' as cell, 1 as "=2+2" """
    assert call("sql", query, "--config", starter, "--format", "csv").output == "cell,'=2+2\n'=1+1,1\n"


def test_columns_of_one_name_stay_apart_in_json(starter: Path) -> None:
    """As in `select * from a join b`."""
    done = call("sql", "select 1 as a, 2 as a", "--config", starter, "--format", "json")
    assert json.loads(done.stdout) == [{"a": 1, "a_1": 2}]


@pytest.mark.parametrize(
    "query",
    [
        "selekt 1", "select * from nothing_there", "select nothing from events", "", "select 1; select 2",
        "create table x as select 1", "insert into events select * from events", "delete from events",
        "drop table events", "attach 'x.db' as x", "select * from read_csv('journey.yaml')",
        "select * from 'journey.yaml'", "select * from read_text('journey.yaml')", "copy events to 'x.csv'",
        "install httpfs", "load httpfs", "set enable_external_access = true", "set lock_configuration = false",
        "pragma enable_checkpoint_on_shutdown", "export database 'x'", "select 1 / 0; drop table events",
        "select cast('x' as integer)", "select error('boom')", "call pragma_version(); drop table events",
    ],
)  # fmt: skip
def test_sql_refuses(starter: Path, query: str) -> None:
    """Nothing is written, attached or read from files, and one call runs one statement; the exit code is 8."""
    before = sorted(path.name for path in starter.parent.iterdir())
    done = call("sql", query, "--config", starter)
    assert done.exit_code == 8, done.output
    assert done.output.startswith("QueryError: ")
    assert sorted(path.name for path in starter.parent.iterdir()) == before


def test_explain_shows_the_evidence(starter: Path) -> None:
    """Of a customer and of a journey, as text and as JSON; of anything else exit code 8."""
    rows = json.loads(
        call(
            "sql",
            "select journey_id, customer_id from journeys order by started_at",
            "--config",
            starter,
            "--format",
            "json",
        ).output
    )
    of_journey = json.loads(call("explain", rows[0]["journey_id"], "--config", starter, "--json").output)
    assert [step["touchpoint"] for step in of_journey["steps"]][:2] == ["newsletter click", "product page"]
    assert {(event["path"], event["line"]) for event in of_journey["events"]} >= {("example_events.csv", 2)}
    of_customer = json.loads(call("explain", rows[0]["customer_id"], "--config", starter, "--json").output)
    assert [journey["journey_id"] for journey in of_customer["journeys"]] == [rows[0]["journey_id"]]
    assert "steps" in call("explain", rows[0]["journey_id"], "--config", starter).output
    for nobody in ("no-id", "00000000-0000-0000-0000-000000000000"):
        assert call("explain", nobody, "--config", starter).exit_code == 8


@pytest.mark.parametrize(
    ("kind", "name"), [("csv", "journeys.csv"), ("parquet", "journeys.parquet"), ("graphml", "graph.graphml")]
)
def test_export_writes_files(starter: Path, tmp_path: Path, kind: str, name: str) -> None:
    """Every path that is printed is there."""
    done = call("export", kind, "--config", starter, "--out", tmp_path / "out")
    paths = [Path(line) for line in done.output.splitlines()]
    assert name in {path.name for path in paths}
    assert all(path.stat().st_size for path in paths)


def test_models_are_listed_in_order() -> None:
    """With their layer and purpose, as text and as JSON; one is shown by name, an unknown one is exit code 4."""
    listed = [row["model"] for row in json.loads(call("models", "--json").output)]
    assert listed.index("positions") < listed.index("journeys") < listed.index("transitions")
    assert "positions" in call("models").output
    assert "-- grain: one row per journey_id" in call("models", "--show", "journeys").output
    assert call("models", "--show", "nothing").exit_code == 4


def test_init_does_not_overwrite(starter: Path) -> None:
    """A configuration that is there stays."""
    text = starter.read_text(encoding="utf-8")
    done = call("init", starter.parent)
    assert (done.exit_code, starter.read_text(encoding="utf-8")) == (2, text)


def test_run_as_json_is_for_scripts(shop: Path) -> None:
    """One document on standard output: snapshot, report, counts of each step, audits."""
    done = call("run", "--config", shop, "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert Path(found["report"]).is_file()
    assert found["steps"]["read exports"]["events"] == 2


def test_an_export_goes_where_nothing_else_is(tmp_path: Path) -> None:
    """Neither into what is published nor where the next run would read it; beside them it may."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "log.csv").write_text(LOG, encoding="utf-8")
    for path, refused in (
        ("shop/", ["shop", "shop/inner", "journeys/current", "journeys"]),
        ("shop/*.csv", ["shop", "journeys/snapshots"]),
        ("shop/**/*", ["shop/inner"]),
    ):
        config = tmp_path / "journey.yaml"
        config.write_text(f"sources: {{shop: {{system: table, path: {path}}}}}\n", encoding="utf-8")
        assert call("run", "--config", config).exit_code == 0
        for out in refused:
            done = call("export", "csv", "--config", config, "--out", tmp_path / out)
            assert (done.exit_code, "name a folder that is nothing else" in done.stderr) == (2, True), out
        assert call("export", "csv", "--config", config, "--out", tmp_path / "copies").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == ["log.csv"]


@pytest.mark.parametrize("command", ["status", "report", "sql", "explain", "export"])
def test_nothing_is_published_yet(shop: Path, command: str) -> None:
    """The message says how to publish."""
    extra = {"sql": ["select 1"], "explain": ["x"], "export": ["csv", "--out", "x"]}.get(command, [])
    done = call(command, *extra, "--config", shop)
    assert done.exit_code == 1
    assert "journey-mining run" in done.output


def wrong_column(folder: Path) -> None:
    """The time has another name."""
    (folder / "shop.csv").write_text(LOG.replace("occurred_at", "when"), encoding="utf-8")


def no_file(folder: Path) -> None:
    """The export was not delivered."""
    (folder / "shop.csv").unlink()


def empty_file(folder: Path) -> None:
    """The export has no byte."""
    (folder / "shop.csv").write_bytes(b"")


def header_only(folder: Path) -> None:
    """The export has no record."""
    (folder / "shop.csv").write_text(HEAD, encoding="utf-8")


def false_gzip(folder: Path) -> None:
    """The name promises gzip."""
    (folder / "shop.csv").rename(folder / "shop.csv.gz")
    reconfigure(folder, "shop.csv", "shop.csv.gz")


def cut_gzip(folder: Path) -> None:
    """The transfer broke off."""
    (folder / "shop.csv.gz").write_bytes(gzip.compress(LOG.encode())[:20])
    reconfigure(folder, "shop.csv", "shop.csv.gz")


def not_utf8(folder: Path) -> None:
    """Every record has bytes that are no text."""
    (folder / "shop.csv").write_bytes(HEAD.encode() + b"anna\xff\xfe,2026-03-02T09:00:00Z,page\n")


def no_zone(folder: Path) -> None:
    """Times without a zone, and none configured."""
    (folder / "shop.csv").write_text(LOG.replace("Z,", ","), encoding="utf-8")


def no_times(folder: Path) -> None:
    """No time can be read."""
    (folder / "shop.csv").write_text(LOG.replace("2026-", "yesterday "), encoding="utf-8")


def binary(folder: Path) -> None:
    """A picture instead of a table."""
    (folder / "shop.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)


def rule_typo(folder: Path) -> None:
    """A rule names a column that is not there."""
    add(folder, "touchpoints:\n  - {name: x, when: \"evnt_name = 'a'\"}\n")


def unknown_key(folder: Path) -> None:
    """A setting that is not there."""
    add(folder, "gaol: purchase\n")


def unknown_system(folder: Path) -> None:
    """A preset that is not there."""
    reconfigure(folder, "system: table", "system: tabel")


def unknown_mapping(folder: Path) -> None:
    """A column of the preset that is not there."""
    reconfigure(folder, "path: shop.csv", "path: shop.csv, columns: {customer: anna}")


def home_is_a_file(folder: Path) -> None:
    """Snapshots cannot be written."""
    (folder / "journeys").write_text("", encoding="utf-8")


def current_is_a_folder(folder: Path) -> None:
    """Something else has the place of the link."""
    (folder / "journeys" / "current" / "x").mkdir(parents=True)


def key_is_broken(folder: Path) -> None:
    """The key of the identifiers is no key."""
    (folder / "journeys" / "private").mkdir(parents=True)
    (folder / "journeys" / "private" / "key").write_text("not hexadecimal", encoding="utf-8")
    (folder / "journeys" / "private" / "key").chmod(0o600)


def key_is_open(folder: Path) -> None:
    """Others may read the key of the identifiers."""
    (folder / "journeys" / "private").mkdir(parents=True)
    (folder / "journeys" / "private" / "key").write_text("ab" * 32, encoding="utf-8")
    (folder / "journeys" / "private" / "key").chmod(0o644)


def reconfigure(folder: Path, before: str, after: str) -> None:
    """Change the configuration."""
    path = folder / "journey.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")


def add(folder: Path, text: str) -> None:
    """Add to the configuration."""
    path = folder / "journey.yaml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        (no_file, 3, "matches no file"), (empty_file, 3, "empty"), (header_only, 3, "no event"),
        (wrong_column, 3, "lacks the column 'occurred_at'"), (false_gzip, 3, "not gzip"), (cut_gzip, 3, "shop.csv.gz"),
        (not_utf8, 3, "UTF-8"), (no_zone, 3, "timezone"), (no_times, 3, "unreadable time"), (binary, 3, "shop.csv"),
        (rule_typo, 2, "did you mean 'event_name'?"), (unknown_key, 2, "did you mean 'goal'?"),
        (unknown_system, 3, "no preset"), (unknown_mapping, 3, "no column 'customer'"),
        (home_is_a_file, 1, "cannot be written"), (current_is_a_folder, 1, "current"), (key_is_broken, 2, "hexadecimal"),
        (key_is_open, 2, "chmod 600"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_a_mistake_has_a_message_and_a_code(
    shop: Path, spoil: Callable[[Path], None], code: int, says: str
) -> None:
    """What is wrong and what to do, with the code of its kind, and never a traceback."""
    spoil(shop.parent)
    done = call("run", "--config", shop)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    assert says in done.stderr
    assert "fix:" in done.stderr or "expected:" in done.stderr
    assert "Traceback" not in done.output
    assert not (shop.parent / "journeys" / "current" / "journeys.duckdb").exists()


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Takes the right to read a file or folder away, from the administrator too, whom a mode would not keep out."""

    def forbid_path(path: Path) -> None:
        def guard(owner: object, name: str, is_of_inner: bool) -> None:
            allowed = getattr(owner, name)

            def guarded(target: Any, *given: Any, **named: Any) -> Any:
                if isinstance(target, str | os.PathLike):
                    denied = Path(target).parents if is_of_inner else (Path(target), *Path(target).parents)
                    if path in denied:
                        raise PermissionError(errno.EACCES, "Permission denied", str(target))
                return allowed(target, *given, **named)

            monkeypatch.setattr(owner, name, guarded)

        guard(os, "scandir", False)
        guard(os, "stat", True)
        guard(Path, "open", False)

    return forbid_path


def deliver_nested(shop: Path, source: str) -> Path:
    """Move the export into a folder, with another one in a folder inside, which is returned."""
    inner = shop.parent / "data" / "inner"
    inner.mkdir(parents=True)
    (shop.parent / "shop.csv").rename(shop.parent / "data" / "shop.csv")
    (inner / "more.csv").write_text(LOG.replace("anna", "ben"), encoding="utf-8")
    reconfigure(shop.parent, "path: shop.csv", f"path: {source}")
    return inner


@pytest.mark.parametrize(
    ("source", "unreadable"),
    [
        ("data", "data"), ("data", "data/inner"), ("data/*.csv", "data"), ("data/**/*.csv", "data/inner"),
        ("data/*/*.csv", "data/inner"), ("data/shop.csv", "data"), ("data", "data/inner/more.csv"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(
    shop: Path, forbid: Callable[[Path], None], source: str, unreadable: str
) -> None:
    """A file or folder without the right to read it is not absent: exit code 1, and its path."""
    deliver_nested(shop, source)
    assert call("check", "--config", shop).exit_code == 0
    forbid(shop.parent / unreadable)
    done = call("check", "--config", shop)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1, done.output
    assert str(shop.parent / unreadable) in done.stderr
    assert "Permission denied" in done.stderr


@pytest.mark.parametrize("source", ["data", "data/**/*.csv"])
def test_what_cannot_be_read_has_not_vanished(
    shop: Path, forbid: Callable[[Path], None], source: str
) -> None:
    """A folder that was read and no longer can be stops the run; what is published stands."""
    inner = deliver_nested(shop, source)
    assert call("run", "--config", shop).exit_code == 0
    forbid(inner)
    done = call("run", "--config", shop)
    assert (
        done.exit_code,
        f"{inner} cannot be read: Permission denied" in done.stderr.replace("/ ", " "),
    ) == (1, True)
    held = call(
        "sql", "select path, status from source_files order by 1", "--config", shop, "--format", "json"
    )
    assert [tuple(row.values()) for row in json.loads(held.stdout)] == [
        ("data/inner/more.csv", "read"),
        ("data/shop.csv", "read"),
    ]


@pytest.mark.parametrize("name", ["lost+found", "journeys"])
def test_folders_that_hold_no_exports_may_be_unreadable(
    shop: Path, forbid: Callable[[Path], None], name: str
) -> None:
    """The file system's own, and the home, which another user's run may own."""
    (shop.parent / name).mkdir()
    forbid(shop.parent / name)
    for source in ("'.'", "'**/*.csv'"):
        shop.write_text(CONFIG.replace("shop.csv", source), encoding="utf-8")
        assert call("check", "--config", shop).exit_code == 0


@pytest.mark.parametrize(
    ("home", "source"), [("./data", "data/*.csv"), (".", "data"), ("data", "data/shop.csv"), ("data", "data")]
)
def test_a_home_that_holds_the_exports(shop: Path, home: str, source: str) -> None:
    """The home is said to be the cause, with its place: what lies in it is never read."""
    (shop.parent / "data").mkdir()
    (shop.parent / "shop.csv").rename(shop.parent / "data" / "shop.csv")
    shop.write_text(f"home: {home}\n" + CONFIG.replace("shop.csv", source), encoding="utf-8")
    done = call("check", "--config", shop)
    assert done.exit_code == 2
    assert f"{shop}:1:7: the home folder holds the exports of sources.shop" in done.stderr


def test_a_goal_that_nothing_has_is_a_warning(shop: Path) -> None:
    """A run says so, with what is like it; a check does when the configuration has something like it."""
    assert "goal" not in call("check", "--config", shop).stderr
    add(shop.parent, "goal: purchasse\n")
    checked = call("check", "--config", shop)
    assert checked.exit_code == 0
    assert f"warning: {shop}:3:7: goal: 'purchasse' is neither" in checked.stderr
    assert "Did you mean 'purchase'?" in checked.stderr
    done = call("run", "--config", shop)
    assert done.exit_code == 0
    assert "warning: The goal is the touchpoint of an event" in done.stderr
    assert "goal=purchasse, similar_names=purchase" in done.stderr
    assert "goal_known" in call("status", "--config", shop, "--json").output
    reconfigure(shop.parent, "goal: purchasse", "goal: pages")
    assert "goal" not in call("check", "--config", shop).stderr, "an export may name it so"


def test_check_knows_the_audits(shop: Path) -> None:
    """One that there is not is told before a run, with its place."""
    add(shop.parent, "audits: {stop: [files_sty]}\n")
    done = call("check", "--config", shop)
    assert done.exit_code == 2
    assert f"{shop}:3:17: there is no audit 'files_sty'." in done.stderr
    assert "did you mean 'files_stay'?" in done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [("[/nonexistent]", 2), ("[nonexistent-program]", 2), ("[./tell.sh]", 2), ("[sh, -c, x]", 0)],
)
def test_check_knows_whom_to_tell(shop: Path, command: str, code: int) -> None:
    """A program that is not there, or not executable, is told before a run needs it, with its place."""
    (shop.parent / "tell.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    add(shop.parent, f"notify: {{command: {command}}}\n")
    done = call("check", "--config", shop)
    assert done.exit_code == code, done.output
    assert (f"{shop}:3:20: notify.command: there is no program" in done.stderr) == bool(code)
    (shop.parent / "tell.sh").chmod(0o755)
    assert call("check", "--config", shop).exit_code == (0 if "./tell.sh" in command else code)


def test_a_missing_configuration(tmp_path: Path) -> None:
    """Every command that needs one says so, with code 2."""
    path = tmp_path / "journey.yaml"
    for command in (
        ["check"],
        ["run"],
        ["status"],
        ["report"],
        ["sql", "select 1"],
        ["explain", "x"],
        ["export", "csv", "--out", "x"],
    ):
        done = call(*command, "--config", path)
        assert (done.exit_code, "does not exist" in done.output) == (2, True), command


def test_a_bad_cutoff(shop: Path) -> None:
    """A time that is none is a mistake of the user."""
    for text in ("yesterday", "", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"):
        done = call("run", "--config", shop, "--cutoff", text)
        assert (done.exit_code, f"'{text}' is no time" in done.output) == (2, True), done.output
    assert call("run", "--config", shop, "--cutoff", "2020-01-01").exit_code == 3


def test_amounts_that_are_no_amounts_do_not_stop_a_run(shop: Path) -> None:
    """Not a number, infinity and absurd sizes are kept in quarantine with what was read; the run goes on."""
    texts = ["nan", "inf", "-infinity", "1e300", "1e15", "9.99"]
    rows = [f"anna,2026-03-02T09:0{n}:00Z,purchase,{text}\n" for n, text in enumerate(texts)]
    (shop.parent / "shop.csv").write_text(HEAD.strip() + ",value\n" + "".join(rows), encoding="utf-8")
    assert call("run", "--config", shop).exit_code == 0
    query = "select record_count, example_line, (select sum(value) from journeys) as value from quarantine_summary"
    found = json.loads(call("sql", query, "--config", shop, "--format", "json").stdout)
    assert found == [{"record_count": 5, "example_line": 2, "value": 9.99}]


def test_a_second_run_at_the_same_time(shop: Path) -> None:
    """It is refused with code 6, and told who is at work."""
    with locked(Home(load_config(shop).home_dir), "first"):
        done = call("run", "--config", shop)
    assert done.exit_code == 6
    assert "run first" in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """On request the error itself is raised."""
    done = call("--debug", "check", "--config", tmp_path / "journey.yaml")
    assert type(done.exception).__name__ == "ConfigError"


@pytest.mark.parametrize("statement", ["import journey_mining", "import journey_mining.cli"])
def test_importing_is_light(statement: str) -> None:
    """Nothing heavy is loaded before a command needs it."""
    heavy = {"pandas", "duckdb", "plotly", "prefect", "pyarrow", "numpy", "scipy", "networkx", "sqlglot"}
    code = f"import sys; {statement}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    ["", "run", "init", "check", "sql", "explain", "export", "models", "report", "status", "serve", "sample"],
)
def test_help_is_light(command: str) -> None:
    """Help of every command comes without loading what the command needs."""
    code = (
        "import sys\nfrom journey_mining.cli import main\n"
        f"try:\n    main({[command, '--help'] if command else ['--help']!r})\nexcept SystemExit:\n    pass\n"
        "assert not {'pandas', 'duckdb', 'plotly', 'prefect'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_the_module_is_a_command(tmp_path: Path) -> None:
    """`python -m journey_mining.cli` has the same exit codes and messages as the script."""
    done = subprocess.run(
        [sys.executable, "-m", "journey_mining.cli", "run", "--config", str(tmp_path / "x.yaml")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ConfigError: ")
    assert "Traceback" not in done.stderr
