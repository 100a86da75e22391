"""`journey-mining quarantine`: what is no event is listed with its place and reason, and can be tried again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from journey_mining.cli import main
from journey_mining.erasure import ErasureRequest, holds_word

LOG = """customer_id,occurred_at,touchpoint
a,2026-01-01 10:00:00,home
b,yesterday,home
,2026-01-01 11:00:00,home
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration on a log with two records that are no events."""
    (tmp_path / "log.csv").write_text(LOG)
    path = tmp_path / "journey.yaml"
    path.write_text("sources:\n  log: {system: table, path: log.csv, timezone: UTC}\n")
    return path


def call(config: Path, *arguments: str) -> Result:
    """The result of a command on the configuration."""
    return CliRunner().invoke(main, [*arguments, "--config", str(config)])


def listed(config: Path, *arguments: str) -> list[dict[str, object]]:
    """The records that the command lists."""
    result = call(config, "quarantine", "--json", *arguments)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, object]] = json.loads(result.stdout)
    return rows


def test_records_are_listed_with_place_and_reason(config: Path) -> None:
    """Each record has its file, line and reason; its content only when it is asked for."""
    assert call(config, "run").exit_code == 0
    rows = listed(config)
    assert [(row["path"], row["line"], row["reason"]) for row in rows] == [
        ("log.csv", 3, "unreadable time"),
        ("log.csv", 4, "no customer_id"),
    ]
    assert "content" not in rows[0]
    assert str(listed(config, "--raw")[0]["content"]).startswith("b,yesterday,home")
    assert listed(config, "--source", "log") == rows
    assert call(config, "quarantine", "--source", "elsewhere").exit_code == 8


def test_records_are_summed_up_by_reason(config: Path) -> None:
    """All of them, also those that the limit leaves out of the list, which is said."""
    (config.parent / "log.csv").write_text(LOG + "c,tomorrow,home\n")
    assert call(config, "run").exit_code == 0
    result = call(config, "quarantine", "--limit", "1")
    summary, listing = result.stdout.split("source  path", 1)
    assert [line.split()[:4] for line in summary.splitlines() if line.startswith("log")] == [
        ["log", "unreadable", "time", "2"],
        ["log", "no", "customer_id", "1"],
    ]
    assert listing.count("log.csv") == 1
    assert "the first 1 of 3 records" in result.stderr
    assert call(config, "quarantine").stderr == ""


def test_a_retry_reads_the_files_again_and_changes_nothing_without_a_fix(config: Path) -> None:
    """Without a fix the same records are there again, once."""
    assert call(config, "run").exit_code == 0
    before = listed(config)
    assert listed(config, "--retry") == before


def test_a_retry_of_a_source_leaves_the_others_alone(config: Path) -> None:
    """The files of a source that is named are read again, and no other's."""
    (config.parent / "other.csv").write_text(LOG)
    config.write_text(config.read_text() + "  other: {system: table, path: other.csv, timezone: UTC}\n")
    assert call(config, "run").exit_code == 0
    rows = listed(config)

    def files_read(*arguments: str) -> int:
        assert listed(config, "--retry", *arguments)
        run = json.loads((config.parent / "journeys" / "current" / "run.json").read_text())
        count: int = run["steps"]["read exports"]["files_read"]
        return count

    assert files_read("--source", "other") == 1
    assert files_read() == 2
    assert listed(config) == rows


def test_a_corrected_file_leaves_the_quarantine(config: Path) -> None:
    """After the export is corrected its records are events."""
    assert call(config, "run").exit_code == 0
    log = config.parent / "log.csv"
    log.write_text(LOG.replace("yesterday", "2026-01-01 09:00:00"))
    rows = listed(config, "--retry")
    assert [row["reason"] for row in rows] == ["no customer_id"]
    counted = call(config, "sql", "select count(*) as n from events", "--format", "json")
    assert json.loads(counted.stdout) == [{"n": 2}]


def test_a_corrected_preset_brings_events_in_the_same_process(config: Path) -> None:
    """A preset of one's own is read again in each run, as its fingerprint is."""
    preset = config.parent / "till.sql"
    text = (
        "/*\nsystem: till\nsummary: A till\ndelivery: at_least_once\ntables:\n  receipts:\n"
        "    requires: [customer_id, occurred_at]\n    columns: {customer_id: VARCHAR, occurred_at: VARCHAR}\n*/\n"
        "select file_no, line, raw, customer_id || line as native_key, occurred_at as occurred_text, "
        "time_us(occurred_at, 'UTC') as occurred_us, 'purchase' as event_name, 'customer' as initiator, "
        "false as is_background, [{'kind': 'user_id', 'content': customer_id}] as identifiers from read_receipts\n"
    )
    preset.write_text(text)
    config.write_text("sources:\n  log: {system: ./till.sql, path: log.csv}\n")
    assert call(config, "run").exit_code == 0
    assert [row["line"] for row in listed(config)] == [3]
    preset.write_text(
        text.replace("time_us(occurred_at", "time_us(replace(occurred_at, 'yesterday', '2026-01-01 09:00')")
    )
    assert listed(config, "--retry") == []


def test_nothing_published_is_said(config: Path) -> None:
    """Before the first run the command says what to do."""
    result = call(config, "quarantine")
    assert result.exit_code == 1
    assert "journey-mining run" in result.output


BAD = "customer_id,email,phone,occurred_at,touchpoint,note\n"
HERS = [
    'x,Ann@X.example,,no,home,"as written"',
    "x,,,no,home,https://shop.example/?mail=ann%40x.example&n=2",
    "x,,,no,home,https://a.example/?next=https%3A%2F%2Fb.example%2F%3Fm%3D%2520ann%2540x.example%26",
    'x,,,no,home,"{""text"": ""\\u00e9\\nann\\u0040x.example \\ud83d\\ude00""}"',
    "x,,,no,home,write to <ann@x.example>.",
    "x,,,no,home,name+ann@x.example",
    "1,,,no,home,the account",
    "x,,,no,home,see /users/1/orders",
    "x,,+49 30 901820,no,home,her number",
    "x,,0049 30 901820,no,home,her number",
    "x,,,no,home,tel%3A%2B4930901820",
    "x,,,no,home,please call +49 30 90-18-20 tomorrow",
    "x,,+49\u00a030\u00a0901820,no,home,blanks that do not break",
    "x,ann\uff20x.example,,no,home,of double width",
    "x,,,no,home,write to ann&#64;x.example",
    "x,,,no,home,mail of ann=40x.example",
    "x,,,no,home,token=eyJtIjoiYW5uQHguZXhhbXBsZSJ9.c2ln",
]
STRANGERS = [
    "11,joann@x.example,,no,home,2026-03-01T10:11:21",
    "x,ann@x.example.org,,no,home,10.0.0.1",
    "x,j.ann@x.example,,no,home,1.5",
    "x,mary-ann@x.example,+49 30 9018201,no,home,1st",
    "x,ann@x.example-shop.com,,no,home,user_1",
]


def test_a_person_is_forgotten_in_quarantine_by_whole_words(tmp_path: Path) -> None:
    """However her address, number and account are spelled; records of people whose identifiers contain hers stay."""
    ok = "9,,,2026-03-01 10:00:00,home,\n"
    (tmp_path / "log.csv").write_text(BAD + ok + "\n".join([*HERS, *STRANGERS]) + "\n")
    config = tmp_path / "journey.yaml"
    config.write_text("sources:\n  log: {system: table, path: log.csv, timezone: UTC}\n")
    assert call(config, "run").exit_code == 0
    assert len(listed(config)) == len(HERS) + len(STRANGERS)
    named = ["--email", "ann@x.example", "--user-id", "1", "--phone", "+49 30 901820"]
    forgotten = call(config, "forget", *named, "--json")
    assert forgotten.exit_code == 0, forgotten.output
    left = [str(row["content"]) for row in listed(config, "--raw") if row["content"] is not None]
    assert [text.splitlines()[0] for text in left] == STRANGERS
    assert json.loads(forgotten.stdout)["quarantined"] == len(HERS)


@pytest.mark.parametrize(("encoding", "account"), [("utf-16-le", "müller 7"), ("latin-1", "müller 7")])
def test_a_person_is_forgotten_in_records_of_another_encoding(
    tmp_path: Path, encoding: str, account: str
) -> None:
    """Such records are in quarantine for being in it."""
    (tmp_path / "log.csv").write_text(
        BAD + f"{account},,,2026-03-01 10:00:00,home,\n9,,,2026-03-01 10:00:00,home,\n"
    )
    (tmp_path / "bad.csv").write_bytes(BAD.encode() + f"{account},,,no,home,\n".encode(encoding))
    config = tmp_path / "journey.yaml"
    config.write_text("sources:\n  log: {system: table, path: '*.csv', timezone: UTC}\n")
    assert call(config, "run").exit_code == 0
    assert listed(config, "--raw")[0]["content"] is not None
    assert call(config, "forget", "--user-id", account).exit_code == 0
    assert listed(config, "--raw")[0]["content"] is None


@pytest.mark.parametrize(
    ("text", "kind", "value", "holds"),
    [
        ("anna-7", "user_id", "anna-7", True), ("ANNA-7.", "user_id", "anna-7", True), ("anna-7-b", "user_id", "anna-7", False),
        ("(anna-7)", "user_id", "anna-7", True), ("joanna-7", "user_id", "anna-7", False), ("@anna", "user_id", "anna", True),
        ("anna@x.example", "user_id", "anna", False), ("_anna_", "user_id", "anna", True), ("éanna", "user_id", "anna", False),
        ("\ufffdanna\ufffd", "user_id", "anna", True), ("\u201canna\u201d", "user_id", "anna", True), ("a.c", "user_id", "abc", False),
        ("x==y", "cookie", "x==", True), ("(+49301)", "phone", "+49301", True), ("0049301", "phone", "49301", True),
        ("0049301", "user_id", "49301", False), ("+49301", "phone", "49301", True), ("149301", "phone", "49301", False),
    ],
)  # fmt: skip
def test_where_a_word_ends(text: str, kind: str, value: str, holds: bool) -> None:
    """A letter or digit continues it, also behind one joining character; anything else ends it."""
    assert holds_word(text, ErasureRequest(kind, value)) is holds


def test_a_kind_that_there_is_not_is_told(tmp_path: Path) -> None:
    """Nobody would be forgotten, and the person would come back; how the kind is capitalised does not matter."""
    (tmp_path / "log.csv").write_text(
        BAD + "1,ann@x.example,,2026-03-01 10:00:00,home,\n9,,,2026-03-01 10:00:00,home,\n"
    )
    (tmp_path / "requests.csv").write_text("kind,value\ne-mail,ann@x.example\n")
    config = tmp_path / "journey.yaml"
    config.write_text("sources:\n  log: {system: table, path: log.csv, timezone: UTC}\n")
    assert call(config, "run").exit_code == 0
    refused = call(config, "forget", "--file", str(tmp_path / "requests.csv"))
    assert (refused.exit_code, "did you mean 'email'" in refused.output) == (2, True)
    forgotten = call(config, "forget", "--identifier", "Email=ann@x.example", "--json")
    assert json.loads(forgotten.stdout)["persons"] == 1


def test_a_request_of_blanks_is_told(tmp_path: Path) -> None:
    """It would name every record."""
    (tmp_path / "requests.csv").write_text("kind,value\nemail,  \n")
    (tmp_path / "journey.yaml").write_text("sources:\n  log: {system: table, path: log.csv}\n")
    refused = call(tmp_path / "journey.yaml", "forget", "--file", str(tmp_path / "requests.csv"))
    assert (refused.exit_code, "requests.csv:2" in refused.output) == (2, True)
