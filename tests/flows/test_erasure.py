"""Forgetting: the bytes of every file that we wrote, before and after."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from journey_mining.cli import main
from journey_mining.pipeline import run_all
from journey_mining.publication import Home

CONFIG = """\
timezone: UTC
journeys: {expiry: 60 days}
sources:
  shop: {system: table, path: shop/, timezone: UTC}
  crm: {system: table, path: crm/, timezone: UTC}
"""
HEADER = "event_id,customer_id,email,phone,occurred_at,touchpoint,campaign_name,object_type,object_id,value\n"
SHOP = [
    "s1,anna-7,,,2026-03-01T10:00:00,page,spring-anna-only,,,",
    "s2,anna-7,anna@canary.example,,2026-03-01T10:05:00,cart of anna only,,order,ORDER-ANNA-1,",
    "s3,ben-8,ben@else.example,,2026-03-02T10:00:00,page,autumn,,,",
    "s4,ben-8,,,2026-03-02T10:05:00,purchase,,order,ORDER-BEN-1,20",
]
CRM = [
    "c1,,anna@canary.example,+49 30 901820,2026-03-03T09:00:00,call,,,,",
    "c2,,ben@else.example,,2026-03-03T09:30:00,call,,,,",
    "c3,,anna@canary.example,,yesterday,call,,,,",
]
HERS = (b"spring-anna-only", b"ORDER-ANNA-1", b"cart of anna only", b"anna@canary.example", b"anna-7")
"""What only her events, or quarantined records of hers, hold."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a published company of two customers, with two snapshots."""
    folder = tmp_path_factory.mktemp("published")
    write(folder, "shop/1.csv", SHOP[:2])
    write(folder, "crm/1.csv", CRM)
    path = folder / "journey.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    run_all(path)
    write(folder, "shop/2.csv", SHOP[2:])
    run_all(path)
    return folder


@pytest.fixture
def config(published: Path, tmp_path: Path) -> Path:
    """A copy of that company."""
    shutil.copytree(published, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path / "journey.yaml"


def write(folder: Path, name: str, rows: list[str]) -> None:
    """Write an export."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")


def forget(config: Path, *arguments: str) -> dict[str, Any]:
    """The receipt of the command."""
    result = CliRunner().invoke(main, ["forget", "--config", str(config), "--json", *arguments])
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def found_in(home: Path, *canaries: bytes) -> set[tuple[str, bytes]]:
    """The files under the home that hold a canary, with it."""
    return {
        (path.relative_to(home).parts[0], canary)
        for path in home.rglob("*")
        if path.is_file() and not path.is_symlink()
        for canary in canaries
        if canary in path.read_bytes()
    }


def ask(config: Path, query: str) -> list[Any]:
    """Rows of the published database."""
    with duckdb.connect(
        str(config.parent / "journeys/current/journeys.duckdb"), read_only=True
    ) as connection:
        return connection.execute(query).fetchall()


def hashes_of(config: Path) -> dict[str, bytes]:
    """Customer id by object, as its bytes stand in the files."""
    return dict(ask(config, "select object_id, customer_id from events where object_id is not null"))


def test_forgetting_reaches_the_bytes_of_every_file(config: Path) -> None:
    """Her labels and records are in the files before, and in none afterwards; the other customer stays as he was."""
    home = config.parent / "journeys"
    assert {canary for _, canary in found_in(home, *HERS)} >= set(HERS[:4])
    ben = ask(config, "from journeys where value = 20")
    receipt = forget(config, "--email", " Anna@Canary.example")
    assert found_in(home, *HERS) == set()
    assert (receipt["persons"], receipt["events"], receipt["quarantined"]) == (1, 3, 1)
    assert {row["path"] for row in receipt["sources"]} == {"shop/1.csv", "crm/1.csv"}
    assert ask(config, "from journeys where value = 20") == ben
    assert ask(config, "select customer_count from kpi_daily where local_date = '2026-03-01'") == []
    assert len(list((home / "snapshots").iterdir())) == 1
    assert len(list((home / "private").glob("*.duckdb"))) == 1


def test_forgetting_where_a_rule_has_changed(config: Path) -> None:
    """She is looked up in what was read, and leaves every file, though all that is derived is computed by another rule."""
    home = config.parent / "journeys"
    config.write_text(CONFIG + "sessions: {inactivity: 2 minutes}\n", encoding="utf-8")
    receipt = forget(config, "--email", "anna@canary.example")
    assert (receipt["persons"], receipt["events"], receipt["quarantined"]) == (1, 3, 1)
    assert found_in(home, *HERS) == set()
    assert ask(config, "select count(*) from customers") == [(1,)]
    assert ask(config, "select count(*) from sessions") == [(3,)]  # two of them five minutes apart


def test_what_a_correction_left_behind_goes_as_well(config: Path) -> None:
    """A page that only the first version of an event told of, and the phone that only it joined, leave with whoever is forgotten."""
    home = config.parent / "journeys"
    hers = "z1,anna-7,,+49 30 777777,2026-03-04T10:00:00,zebra wedding of anna,,,,"
    write(config.parent, "shop/9.csv", [hers])
    run_all(config)
    corrected = hers.replace("+49 30 777777", "").replace("zebra wedding", "page")
    write(config.parent, "shop/9.csv", [corrected])
    run_all(config)
    kinds = "select count(*) from signatures where event_name like 'zebra%'"
    unused = """select count(*) from identifier_sets where identity_key not in (
        select identity_key from staged_events where identity_key is not null)"""
    assert (ask_store(config, kinds), ask_store(config, unused)) == ([(1,)], [(2,)])
    forget(config, "--user-id", "ben-8")
    assert found_in(home, b"zebra wedding") == set()
    assert (ask_store(config, kinds), ask_store(config, unused)) == ([(0,)], [(0,)])


@pytest.mark.parametrize("cutoff", ["2026-03-02T00:00:00", None])
def test_she_is_looked_up_in_all_that_was_read(config: Path, cutoff: str | None) -> None:
    """What is published may end before events that were read: what these join goes too, and who is in these alone."""
    later = [
        "l1,anna-7,,+49 30 555,2026-03-20T10:00:00,page,,,,",
        "l2,,,+49 30 555,2026-03-21T10:00:00,purchase,,,LATE-ANNA-1,",
        "l3,carl-9,,,2026-03-22T10:00:00,purchase,,,LATE-CARL-1,",
    ]
    write(config.parent, "shop/9.csv", later)
    run_all(config, cutoff=cutoff)
    receipt = forget(config, "--user-id", "anna-7", "--user-id", "carl-9")
    assert (receipt["persons"], receipt["events"], receipt["not_known"]) == (2, 6, [])
    assert found_in(config.parent / "journeys", b"LATE-ANNA-1", b"LATE-CARL-1", *HERS) == set()
    published = everything(config)
    run_all(config, rebuild=True)
    assert everything(config) == published
    assert ask(config, "select count(*) from customers") == [(1,)]


def everything(config: Path) -> dict[str, list[Any]]:
    """The rows of the tables of customers."""
    tables = ("events", "customers", "sessions", "journeys", "journey_steps", "transitions", "stage_funnel")
    return {table: ask(config, f"from {table} order by all") for table in tables}


def ask_store(config: Path, query: str) -> list[Any]:
    """Rows of the private store."""
    home = Home(config.parent / "journeys")
    with duckdb.connect(str(home.store_of(str(home.current_name()))), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_her_pseudonym_goes_as_well(config: Path) -> None:
    """The id under which analysts knew her stands in no file any more, neither as bytes nor as text."""
    home = config.parent / "journeys"
    hers = hashes_of(config)["ORDER-ANNA-1"]
    spellings = (hers.bytes, hers.bytes_le, str(hers).encode(), hers.hex.encode())
    with duckdb.connect(str(home / "current/journeys.duckdb"), read_only=True) as connection:
        assert connection.execute(
            "select count(*) from customers where customer_id = ?", [hers]
        ).fetchall() == [(1,)]
    forget(config, "--user-id", "anna-7")
    (store,) = (home / "private").glob("*.duckdb")
    with duckdb.connect(str(store), read_only=True) as connection:
        for table in ("identifiers", "identities", "identifier_sets"):
            left = f"select count(*) from {table} where identifier_hash in (select identifier_hash from tombstones)"
            assert connection.execute(left).fetchall() == [(0,)], table
        for table in ("identities", "identity_customers"):
            left = f"select count(*) from {table} where customer_id = '{hers}'"
            assert connection.execute(left).fetchall() == [(0,)], table
    assert found_in(home, *spellings[:1], *spellings[2:]) <= {("private", spellings[0])}
    assert ask(config, f"select count(*) from events where customer_id = '{hers}'") == [(0,)]


def test_an_erased_person_stays_out(config: Path) -> None:
    """Later loads refuse her, under every identifier that was joined; the ledger counts what it refused."""
    forget(config, "--phone", "+4930901820")
    write(config.parent, "shop/3.csv", [row.replace("s", "t", 1) for row in SHOP])
    run_all(config)
    assert ask(config, "select count(distinct customer_id) from events") == [(1,)]
    assert ask(config, "select refused_count, event_count from source_files where path = 'shop/3.csv'") == [
        (2, 2)
    ]
    run_all(config, rebuild=True)
    assert ask(config, "select count(distinct customer_id) from events") == [(1,)]
    assert found_in(config.parent / "journeys", *HERS) == set()


def test_an_erased_person_stays_out_under_a_new_key(config: Path) -> None:
    """Tombstones of the former key hold as long as it is known; when it is lost, the run says what would happen."""
    forget(config, "--email", "anna@canary.example")
    CliRunner().invoke(main, ["key", "--config", str(config), "--new"])
    run_all(config)
    assert ask(config, "select count(distinct customer_id) from events") == [(1,)]
    key = config.parent / "journeys/private/key"
    key.write_text(key.read_text().splitlines()[-1] + "\n")
    stopped = CliRunner().invoke(main, ["run", "--config", str(config), "--rebuild"])
    assert stopped.exit_code == 2
    assert "would come back" in stopped.output


def test_a_lost_key_of_erased_persons_is_noticed_at_once(config: Path) -> None:
    """Also by a night without a new file, and by one that lost every key: it makes none."""
    forget(config, "--email", "anna@canary.example")
    CliRunner().invoke(main, ["key", "--config", str(config), "--new"])
    run_all(config)
    key = config.parent / "journeys/private/key"
    both = key.read_text()
    key.write_text(both.splitlines()[-1] + "\n")
    stopped = CliRunner().invoke(main, ["run", "--config", str(config)])
    assert (stopped.exit_code, "would come back" in stopped.output) == (2, True)
    key.unlink()
    for arguments in ([], ["--rebuild"]):
        stopped = CliRunner().invoke(main, ["run", "--config", str(config), *arguments])
        assert (stopped.exit_code, "would come back" in stopped.output) == (2, True)
        assert not key.exists()
    key.write_text(both)
    key.chmod(0o600)
    run_all(config)


def test_without_the_record_of_the_erased_nothing_is_published(config: Path) -> None:
    """The message names the store and the way out, with --rebuild too; an older snapshot knows the erased as well."""
    forget(config, "--email", "anna@canary.example")
    run_all(config)
    home = Home(config.parent / "journeys")
    older, name = (home.private / "published").read_text().split()
    store = home.store_of(name)
    kept = store.read_bytes()
    for damage in ("missing", "cut to 5,000 bytes", "cut to half", "overwritten"):
        harm(store, damage)
        for arguments in ([], ["--rebuild"]):
            stopped = CliRunner().invoke(main, ["run", "--config", str(config), *arguments])
            assert (stopped.exit_code, str(store) in stopped.output) == (2, True), (damage, stopped.output)
            for said in (
                "erased persons",
                "restore",
                f"ln -sfn snapshots/{older}",
                f"{home.private / 'published'}",
            ):
                assert said in stopped.output
        store.write_bytes(kept)
    store.unlink()
    home.current.unlink()
    home.current.symlink_to(f"snapshots/{older}")
    run_all(config, rebuild=True)
    assert ask(config, "select count(distinct customer_id) from events") == [(1,)]


def harm(path: Path, damage: str) -> None:
    """Damage a file."""
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "overwritten":
        path.write_bytes(content[:12288] + bytes(len(content) - 12288))
    else:
        path.write_bytes(content[: 5000 if "5,000" in damage else len(content) // 2])


def test_who_begins_anew_does_so_on_purpose(config: Path) -> None:
    """Without the link to what is published the erased stay out; only without all that the message names do they return."""
    forget(config, "--email", "anna@canary.example")
    home = Home(config.parent / "journeys")
    home.current.unlink()
    run_all(config)
    assert ask(config, "select count(distinct customer_id) from events") == [(1,)]
    home.store_of(str(home.current_name())).unlink()
    home.current.unlink()
    assert CliRunner().invoke(main, ["run", "--config", str(config)]).exit_code == 2
    shutil.rmtree(home.snapshots)
    (home.private / "published").unlink()
    run_all(config)
    assert ask(config, "select count(distinct customer_id) from events") == [(2,)]
    assert forget(config, "--email", "anna@canary.example")["persons"] == 1


def test_nobody_is_forgotten_by_mistake(config: Path) -> None:
    """Who is not known is said to be so, and is left out of later loads; a value that names nobody changes nothing."""
    receipt = forget(config, "--email", "carla@new.example", "--user-id", "undefined")
    assert receipt["not_known"] == ["request 1 (email)"]
    assert receipt["name_nobody"] == ["request 2 (user_id)"]
    assert (receipt["persons"], receipt["events"]) == (0, 0)
    assert "carla" not in json.dumps(receipt)
    write(config.parent, "crm/2.csv", ["c9,,carla@new.example,,2026-03-05T09:00:00,call,,,,"])
    run_all(config)
    assert ask(config, "select refused_count from source_files where path = 'crm/2.csv'") == [(1,)]


def test_who_would_be_the_last_is_said(config: Path) -> None:
    """Without anybody left there is nothing to publish, which is told as such."""
    everybody = config.parent / "everybody.csv"
    everybody.write_text("kind,value\nuser_id,anna-7\nuser_id,ben-8\n")
    refused = CliRunner().invoke(main, ["forget", "--config", str(config), "--file", str(everybody)])
    assert refused.exit_code == 3
    assert "Nobody would be left without the persons who are to be forgotten" in refused.output


def test_requests_come_from_a_file(config: Path, tmp_path: Path) -> None:
    """A CSV of kind and value; one that lacks them is an error that names the line."""
    file = tmp_path / "requests.csv"
    file.write_text("kind,value\nemail,anna@canary.example\nemail,ben@else.example\n")
    write(config.parent, "crm/3.csv", ["c8,dora-1,,,2026-03-05T09:00:00,call,,,,"])
    assert forget(config, "--file", str(file))["persons"] == 2
    file.write_text("kind,value\nemail,\n")
    wrong = CliRunner().invoke(main, ["forget", "--config", str(config), "--file", str(file)])
    assert (wrong.exit_code, "requests.csv:2" in wrong.output) == (2, True)


def test_a_request_names_somebody(config: Path, tmp_path: Path) -> None:
    """No request, an empty one, one without a kind, and a home without a snapshot: a message, and nothing changes."""
    for arguments in ([], ["--email", " "], ["--identifier", "12"]):
        assert CliRunner().invoke(main, ["forget", "--config", str(config), *arguments]).exit_code == 2
    shutil.rmtree(config.parent / "journeys")
    nothing = CliRunner().invoke(main, ["forget", "--config", str(config), "--email", "a@b.example"])
    assert (nothing.exit_code, "publish first" in nothing.output) == (2, True)


def test_requests_that_cannot_be_read_are_told_with_their_place(config: Path, tmp_path: Path) -> None:
    """A file that is not there, a folder, and a row without a value, after empty lines."""
    rows = tmp_path / "rows.csv"
    rows.write_text("kind,value\nemail,a@b.example\n\n\nemail,\n", encoding="utf-8")
    for file, told in (
        (tmp_path / "no.csv", "No such file"),
        (tmp_path, "Is a directory"),
        (rows, "rows.csv:5: a request lacks its kind or its value"),
    ):
        done = CliRunner().invoke(main, ["forget", "--config", str(config), "--file", str(file)])
        assert (done.exit_code, told in done.output) == (2, True), done.output


def test_nobody_is_forgotten_while_everything_must_be_read_again(config: Path) -> None:
    """The message says why nobody can be looked up, and what to do."""
    config.write_text(CONFIG + "retention: 36000 days\n", encoding="utf-8")
    done = CliRunner().invoke(main, ["forget", "--config", str(config), "--email", "anna@canary.example"])
    assert done.exit_code == 2
    assert "The configuration has changed" in done.output
    assert "publish first" in done.output


def test_what_is_no_event_of_an_erased_person_counts_as_before(config: Path) -> None:
    """Its bytes go; its line, and what is read again or grows, count as they did when the person was erased."""
    rows = [*CRM, "c4,,anna@canary.example,,2026-03-04T09:00:00,call,,,,"]
    write(config.parent, "crm/1.csv", rows)
    run_all(config)
    forget(config, "--email", "anna@canary.example")
    query = (
        "select path, event_count, quarantined_count, refused_count from source_files where source = 'crm'"
    )
    assert ask(config, query) == [("crm/1.csv", 1, 1, 2)]
    summary = ask(config, "from quarantine_summary")
    run_all(config, rebuild=True)
    assert (ask(config, query), ask(config, "from quarantine_summary")) == (
        [("crm/1.csv", 1, 1, 2)],
        summary,
    )
    write(config.parent, "crm/1.csv", [*rows, "c5,,ben@else.example,,2026-03-05T09:30:00,call,,,,"])
    run_all(config)
    assert ask(config, query) == [("crm/1.csv", 2, 1, 2)]
    assert found_in(config.parent / "journeys", *HERS) == set()


def test_the_retention_erases_in_the_same_way(config: Path) -> None:
    """What is older leaves the files, old snapshots included, and is not read again."""
    home = config.parent / "journeys"
    config.write_text(CONFIG + "retention: 36 hours\n", encoding="utf-8")
    run_all(config)
    assert found_in(home, *HERS[:3]) == set()
    assert ask(config, "select min(occurred_at)::date::varchar from events") == [("2026-03-02",)]
    assert ask(config, "select sum(refused_count) from source_files") == [(2,)]
    snapshots = {path.name for path in (home / "snapshots").iterdir()}
    run_all(config)
    assert snapshots < {path.name for path in (home / "snapshots").iterdir()}
    config.write_text(CONFIG, encoding="utf-8")
    run_all(config)
    assert ask(config, "select min(occurred_at)::date::varchar from events") == [("2026-03-01",)]


TOLD = (
    "select customer_id, occurred_at, touchpoint, source_files.path from events join source_files using (file_id) order by all",
    "select path, event_count, duplicate_count, refused_count from source_files where source = 'shop' order by path",
    "select * from customers order by all",
    "select * from journey_steps order by all",
)
"""What is told of an event, and by which file."""


def test_what_another_tells_too_outlives_the_erased(config: Path) -> None:
    """An event that two files tell of different persons is the other's from then on, as after reading everything."""
    write(
        config.parent,
        "shop/3.csv",
        ["s5,cleo-9,,,2026-03-02T11:00:00,page,,,,", "s6,cleo-9,,,2026-03-02T12:00:00,page,,,,"],
    )
    write(config.parent, "shop/4.csv", ["s5,anna-7,,,2026-03-02T11:00:00,page,spring,,,9"])
    run_all(config)
    assert ask(config, "select duplicate_count from source_files where path like '%/3.csv'") == [(1,)]
    forget(config, "--user-id", "anna-7")
    kept = [ask(config, query) for query in TOLD]
    assert ask(config, "select event_count, duplicate_count from source_files where path like '%/3.csv'") == [
        (2, 0)
    ]
    run_all(config, rebuild=True)
    assert [ask(config, query) for query in TOLD] == kept


def test_what_is_told_anew_outlives_its_older_version(config: Path) -> None:
    """An event that a second file tells later than the retention stays, when the version that counted has grown too old."""
    write(config.parent, "shop/3.csv", ["s5,cleo-9,,,2026-03-02T20:00:00,page,spring,,,9"])
    write(config.parent, "shop/4.csv", ["s5,cleo-9,,,2026-03-03T08:00:00,page,,,,"])
    config.write_text(CONFIG + "retention: 36 hours\n", encoding="utf-8")
    run_all(config)
    moment = (
        "select occurred_at::varchar from events join source_files using (file_id) "
        "where path in ('shop/3.csv', 'shop/4.csv')"
    )
    assert ask(config, moment) == [("2026-03-02 20:00:00",)]
    write(config.parent, "shop/5.csv", ["s7,ben-8,,,2026-03-04T09:00:00,page,,,,"])
    run_all(config)
    kept = [ask(config, query) for query in TOLD]
    assert ("shop/4.csv", 1, 0, 0) in kept[1]
    run_all(config, rebuild=True)
    assert [ask(config, query) for query in TOLD] == kept


def test_a_cutoff_too_far_ahead_erases_nothing_more(config: Path) -> None:
    """The retention is counted from the latest event then, and a warning says so; without a cutoff there is none."""
    config.write_text(CONFIG + "retention: 36 hours\n", encoding="utf-8")
    command = ["run", "--config", str(config)]
    mistyped = CliRunner().invoke(main, [*command, "--cutoff", "2027-03-03"])
    assert mistyped.exit_code == 0, mistyped.output
    assert (
        "warning: With a retention, the cutoff lies at most a day after the latest event" in mistyped.output
    )
    kept = ask(config, "select occurred_at::varchar from events order by all")
    assert kept == [(f"2026-03-0{moment}:00",) for moment in ("2 10:00", "2 10:05", "3 09:00", "3 09:30")]
    usual = CliRunner().invoke(main, command)
    assert "With a retention" not in usual.output
    assert ask(config, "select occurred_at::varchar from events order by all") == kept


def test_when_the_retention_leaves_nothing_it_is_named(config: Path) -> None:
    """A cutoff before all that is kept: nothing is published, and nothing is erased."""
    config.write_text(CONFIG + "retention: 36 hours\n", encoding="utf-8")
    run_all(config)
    refused = CliRunner().invoke(main, ["run", "--config", str(config), "--cutoff", "2026-03-01T12:00"])
    assert refused.exit_code == 3, refused.output
    assert (
        "There is no event up to 2026-03-01 12:00 UTC that the retention of 1 day, 12:00:00 leaves"
        in refused.output
    )
    assert "2 records refused" in refused.output
    assert ask(config, "select count(*) from events") == [(4,)]
