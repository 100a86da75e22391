"""journey.yaml: every mistake is told with file:line:column, what was found, and what to do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from journey_mining.config import Config, load_config
from journey_mining.errors import ConfigError

GOOD = "sources:\n  shop: {system: table, path: shop.csv}\n"


def load(folder: Path, text: str | bytes) -> Config:
    """The configuration that the text says."""
    path = folder / "journey.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(path)


def complaint(folder: Path, text: str | bytes) -> str:
    """The message of the ConfigError that the text causes."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "says", "near"),
    [
        (GOOD + "tiemzone: UTC\n", "3:1", "unknown key 'tiemzone'", "did you mean 'timezone'?"),
        (GOOD + "journeys: {expire: 3 days}\n", "3:12", "unknown key 'journeys.expire'", "did you mean 'expiry'?"),
        (GOOD + "zzz: 1\n", "3:1", "unknown key 'zzz'", "remove it"),
        ("sources:\n  shop: {system: table, pth: shop.csv}\n", "2:", "'sources.shop.path' is missing", "path"),
        (GOOD + "touchpoints:\n  - {name: __end__, when: a}\n", "4:12", "those of boundaries", "'__end__'"),
        (GOOD + "goal: __converted__\n", "3:7", "those of boundaries", "'__converted__'"),
        (GOOD + "touchpoints:\n  - {name: x, wenn: a}\n", "4:", "touchpoints.0.when", "when"),
        (GOOD + "journeys:\n  expiry: 30\n", "4:11", "expected a duration such as", "30"),
        (GOOD + "journeys:\n  expiry: 3 moons\n", "4:11", "'journeys.expiry': expected a duration such as", "; or 'never'."),
        (GOOD + "journeys:\n  expiry: 10ms\n", "4:11", "expected a duration such as", "'10ms'"),
        (GOOD + "journeys:\n  expiry: ''\n", "4:11", "expected a duration such as", ""),
        (GOOD + "sessions:\n  inactivity: -5 minutes\n", "4:15", "expected a duration such as", "'-5 minutes'"),
        (GOOD + "sessions: {inactivity: 99999999999 days}\n", "3:24", "duration", "99999999999 days"),
        (GOOD + "journeys: {expiry: 900000000 days}\n", "3:20", "never", "900000000 days"),
        (GOOD + "journeys: {expiry: 0 days}\n", "3:20", "'journeys.expiry': expected a duration above zero", "'0 days'"),
        (GOOD + "retention: 0 days\n", "3:12", "'retention': expected a retention of a day or longer", "'0 days'"),
        (GOOD + "retention: 23 hours\n", "3:12", "a day or longer", "'23 hours'"),
        (GOOD + "goal: ''\n", "3:7", "'goal': ", "at least 1 character"),
        (GOOD + "timezone: Europe/Berln\n", "3:11", "not an IANA time zone", "did you mean 'Europe/Berlin'?"),
        ("sources:\n  shop: {system: table, path: a, timezone: Mars}\n", "2:44", "not an IANA time zone", "Mars"),
        (GOOD + "stages: [one, two]\ntouchpoints:\n  - {name: x, when: a, stage: tow}\n", "5:31", "unknown stage 'tow'", "did you mean 'two'?"),
        (GOOD + "stages: [one, two, one]\n", "3:9", "'stages': the stage 'one' is listed twice", ""),
        (GOOD + "stages: []\n", "3:9", "stages", ""),
        (GOOD + "stages: [Big Stage]\n", "3:10", "lower-case letters", "Big Stage"),
        ("sources:\n  My Shop: {system: table, path: a}\n", "2:", "lower-case letters", ""),
        (GOOD + "goal: x\ngoal: y\n", "4:1", "'goal' is given twice", "keep one"),
        ("sources:\n  shop: {system: table, path: a}\n  shop: {system: table, path: b}\n", "3:3", "'shop' is given twice", ""),
        (GOOD + "audits: {shrunk: 0.2}\n", "3:10", "unknown key 'audits.shrunk'", "did you mean 'shrink'?"),
        (GOOD + "audits: {shrink: 1.5}\n", "3:18", "less than or equal to 1", "1.5"),
        (GOOD + "audits: {late: {crm: 2 days}}\n", "3:17", "'crm' is none of the sources", "some of shop"),
        (GOOD + "audits: {late: {shpo: 2 days}}\n", "3:17", "'shpo' is none of the sources", "did you mean 'shop'?"),
        (GOOD + "memory_limit: 1 banana\n", "3:15", "'memory_limit': expected a size such as '6GB'", "'1 banana'"),
        (GOOD + "memory_limit: 6\n", "3:15", "expected a size such as '6GB'", "6"),
        (GOOD + "memory_limit: 0GB\n", "3:15", "expected a size such as '6GB'", "'0GB'"),
        (GOOD + "memory_limit: 101%\n", "3:15", "expected a size such as '6GB'", "'101%'"),
        (GOOD + "memory_limit: 99999999999TB\n", "3:15", "expected a size such as '6GB'", ""),
        (GOOD + "schedule: {cron: 99 * * * *}\n", "3:18", "'schedule.cron': expected a cron expression", "bad minute"),
        (GOOD + "schedule: {cron: 0 3 * *}\n", "3:18", "such as '0 3 * * *'", "not five fields"),
        (GOOD + "schedule: {cron: 0 3 30 2 *}\n", "3:18", "expected a cron expression", "bad day-of-month"),
        (GOOD + "schedule: {cron: 0 3 LW * *}\n", "3:18", "expected a cron expression", "the last day of a month"),
        (GOOD + "schedule: {cron: 3}\n", "3:18", "expected a cron expression", "not five fields"),
        (GOOD + "notify: {command: mail me}\n", "3:19", "valid list", "'mail me'"),
        (GOOD + "notify: {command: [a], states: [lost]}\n", "3:33", "'failed', 'stopped', 'warned' or 'published'", "'lost'"),
        (GOOD + "notify: {states: [failed]}\n", "3:9", "'notify.command' is missing", "add 'command:' here"),
        (GOOD + "report: {min_cell: 0}\n", "3:20", "greater than or equal to 1", "0"),
        (GOOD + "report: {min_cell: many}\n", "3:20", "valid integer", "'many'"),
        (GOOD + "sessions: {by: device}\n", "3:16", "'sessions.by': expected customer or [customer, channel]", "'device'"),
        (GOOD + "sessions: {by: []}\n", "3:16", "'sessions.by': expected customer or [customer, channel]", ""),
        (GOOD + "sessions: {by: [device]}\n", "3:16", "'sessions.by': expected customer or [customer, channel]", ""),
        (GOOD + "journeys: {ends_on: sale}\n", "3:21", "'expiry' or 'goal'", "'sale'"),
        (GOOD + "touchpoints: {name: x}\n", "3:14", "valid list", ""),
        ("sources: []\n", "1:10", "valid dictionary", ""),
        ("sources: {}\n", "1:10", "at least 1", ""),
        ("goal: x\n", "1:1", "'sources' is missing", "add 'sources:'"),
        ("- a\n- b\n", "1:1", "expected settings", "init"),
        ("just text\n", "1:1", "expected settings", "init"),
        ("", "1:1", "expected settings", "init"),
        ("# nothing\n", "1:1", "expected settings", "init"),
        ("sources: {shop: [\n", "2:1", "not valid YAML", "mend the syntax"),
        ("sources:\n\tshop: 1\n", "2:1", "not valid YAML", "mend the syntax"),
        ("a: 1\n---\nb: 2\n", "2:1", "not valid YAML", ""),
        (GOOD + "goal: \x07\n", "3:7", "not valid YAML", "'\\x07'"),
        (GOOD + "goal: !!python/object:os.system x\n", "3:7", "not valid YAML", ""),

        (GOOD + "goal: &a [*a]\n", "3:7", "valid string", ""),
        (GOOD + "? [a, b]\n: 1\n", "3:3", "a key must be a word", ""),
        (GOOD + "goal: *nowhere\n", "3:7", "not valid YAML", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, text: str, place: str, says: str, near: str
) -> None:
    """The first line has the place and the mistake; the rest what was found or meant."""
    message = complaint(tmp_path, text)
    first = message.split("\n", 1)[0]
    assert (
        f"{tmp_path / 'journey.yaml'}:{place}" in first if place else str(tmp_path / "journey.yaml") in first
    )
    assert says in message
    assert near in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: " + "[" * 20_000 + "]" * 20_000, "nested too deeply"),
        (GOOD + f"report: {{min_cell: {'9' * 5_000}}}", "too many digits"),
        (GOOD + f"goal: {'x' * 1_000_000}", "longer than 1,000,000 characters"),
        (GOOD + 'home: "a\\0b"', "the character NUL"),
        (GOOD.replace("shop.csv", '"a\\0b"'), "the character NUL"),
    ],
    ids=range(5),
)
def test_a_configuration_that_breaks_the_parser_is_told(tmp_path: Path, text: str, says: str) -> None:
    """In words, without a traceback, and at once."""
    assert says in complaint(tmp_path, text)


@pytest.mark.parametrize("size", ["6GB", "1.5 TiB", "512mb", "2g", "80%"])
def test_sizes_of_memory(tmp_path: Path, size: str) -> None:
    """As DuckDB takes them."""
    assert duckdb.connect(config={"memory_limit": size})
    assert load(tmp_path, GOOD + f"memory_limit: {size}\n").memory_limit == size


@pytest.mark.parametrize("cron", ["0 3 * * *", "*/15 6-22 * * mon-fri", "0 3 L * ?", "@daily"])
def test_cron_expressions(tmp_path: Path, cron: str) -> None:
    """As Prefect, which serves them, takes them."""
    schedules = pytest.importorskip("prefect.client.schemas.schedules")
    assert schedules.CronSchedule(cron=cron).cron == cron
    assert load(tmp_path, GOOD + f"schedule: {{cron: '{cron}'}}\n").schedule.cron == cron


def test_a_missing_file(tmp_path: Path) -> None:
    """It says how to write one."""
    with pytest.raises(ConfigError, match=r"journey\.yaml does not exist\.\n.*journey-mining init"):
        load_config(tmp_path / "journey.yaml")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    """The path may be of the wrong kind."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are no configuration."""
    assert "cannot be read" in complaint(tmp_path, b"goal: \xff\xfe\n")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Some editors write one."""
    assert load(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()).sources["shop"].path == "shop.csv"


@pytest.mark.parametrize("goal", ["2026-01-05", "2026-13-45"])
def test_what_looks_like_a_date_is_a_text(tmp_path: Path, goal: str) -> None:
    """No setting is a date."""
    assert load(tmp_path, GOOD + f"goal: {goal}\n").goal == goal


def test_defaults(tmp_path: Path) -> None:
    """What a run does when only the sources are given."""
    config = load(tmp_path, GOOD)
    assert config.goal == "purchase"
    assert config.timezone == "UTC"
    assert config.journeys.expiry == timedelta(days=30)
    assert config.sessions.inactivity == timedelta(minutes=30)
    assert config.journeys.collapses_repeats
    assert config.stages == ["awareness", "consideration", "purchase", "retention", "advocacy"]
    assert config.home_dir == tmp_path / "journeys"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90 seconds", timedelta(seconds=90)), ("1 minute", timedelta(minutes=1)), ("1.5 hours", timedelta(minutes=90)),
        ("30 days", timedelta(days=30)), (" 2 weeks ", timedelta(weeks=2)), ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)), ("30min", timedelta(minutes=30)), ("1H", timedelta(hours=1)), ("7d", timedelta(days=7)),
    ],
)  # fmt: skip
def test_durations(tmp_path: Path, text: str, expected: timedelta) -> None:
    """A number and a unit, in one word or the other, or in short."""
    assert load(tmp_path, GOOD + f"journeys: {{expiry: '{text}'}}\n").journeys.expiry == expected


def test_the_shortest_durations(tmp_path: Path) -> None:
    """Just long enough."""
    config = load(tmp_path, GOOD + "retention: 1 day\njourneys: {expiry: 1 second}\n")
    assert (config.retention, config.journeys.expiry) == (timedelta(days=1), timedelta(seconds=1))
    assert load(tmp_path, GOOD + "goal: null\n").goal is None


@pytest.mark.parametrize(
    ("journeys", "collapses"),
    [
        ("expiry: never", False),
        ("expiry: never, repeats: collapse", True),
        ("repeats: keep", False),
        ("expiry: 3 days", True),
    ],
)
def test_repeats(tmp_path: Path, journeys: str, collapses: bool) -> None:
    """Kept by default where a journey never expires, as in process logs; collapsed otherwise."""
    assert load(tmp_path, GOOD + f"journeys: {{{journeys}}}\n").journeys.collapses_repeats is collapses


def test_the_fingerprint_is_of_what_influences_tables(tmp_path: Path) -> None:
    """Resources and places are left out; order of sources, which is their precedence, is not."""
    plain = load(tmp_path, GOOD).fingerprint
    assert (
        load(
            tmp_path, GOOD + "home: elsewhere\nthreads: 1\nkeep_snapshots: 9\nschedule: {cron: 0 4 * * *}\n"
        ).fingerprint
        == plain
    )
    assert load(tmp_path, GOOD + "goal: other\n").fingerprint != plain
    two = "  a: {system: table, path: a}\n", "  b: {system: table, path: b}\n"
    assert (
        load(tmp_path, "sources:\n" + "".join(two)).fingerprint
        != load(tmp_path, "sources:\n" + "".join(two[::-1])).fingerprint
    )


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    """A configuration is frozen."""
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path, GOOD).goal = "other"  # type: ignore[misc]
