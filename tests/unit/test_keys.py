"""The keys: several may be known, one is active, and nothing is lost silently when that changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from journey_mining.cli import main
from journey_mining.errors import ConfigError
from journey_mining.publication import Home, locked
from journey_mining.sources.keys import KEY_VARIABLE, add_key, key_id_of, load_pads, pads_of, read_keys

OLD, NEW = b"o" * 32, b"n" * 32
LOG = "customer_id,occurred_at,touchpoint\nanna,2026-01-01 10:00:00,home\n"


@pytest.fixture(autouse=True)
def no_key_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the test run names no key."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration on two files."""
    (tmp_path / "a.csv").write_text(LOG)
    (tmp_path / "b.csv").write_text(LOG.replace("anna", "ben"))
    path = tmp_path / "journey.yaml"
    path.write_text("sources:\n  log: {system: table, path: '*.csv', timezone: UTC}\n")
    return path


def call(config: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
    """The result of a command."""
    return CliRunner().invoke(main, [*arguments, "--config", str(config)], env=dict(env or {}))


def customers(config: Path) -> list[str]:
    """The published customers."""
    found = call(config, "sql", "select customer_id from customers order by 1", "--format", "json")
    return [row["customer_id"] for row in json.loads(found.stdout)]


def test_the_newest_key_is_active_unless_another_is_named(tmp_path: Path) -> None:
    """Keys are known by their ids, which do not tell them."""
    (tmp_path / "key").write_text(f"{OLD.hex()}\n{NEW.hex()}\n")
    (tmp_path / "key").chmod(0o600)
    assert list(read_keys(tmp_path)) == [key_id_of(OLD), key_id_of(NEW)]
    assert replace(load_pads(tmp_path), others=()) == pads_of(NEW)
    assert load_pads(tmp_path, key_id_of(OLD)) == replace(pads_of(OLD), others=(pads_of(NEW),))
    with pytest.raises(ConfigError, match="no key 'feedbeef'") as caught:
        load_pads(tmp_path, "feedbeef")
    assert OLD.hex() not in str(caught.value)


def test_keys_of_the_environment_may_be_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With blanks or commas between them; the file is then not looked at, nor made."""
    monkeypatch.setenv(KEY_VARIABLE, f"{OLD.hex()}, {NEW.hex()}")
    assert replace(load_pads(tmp_path), others=()) == pads_of(NEW)
    assert load_pads(tmp_path, key_id_of(OLD)) == replace(pads_of(OLD), others=(pads_of(NEW),))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match=KEY_VARIABLE):
        add_key(tmp_path)


def test_an_added_key_keeps_the_others(tmp_path: Path) -> None:
    """The file stays its owner's alone."""
    first = load_pads(tmp_path).key_id
    second = add_key(tmp_path)
    assert list(read_keys(tmp_path)) == [first, second]
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_key_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever has the key can find out whom an id stands for."""
    load_pads(tmp_path)
    (tmp_path / "key").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_pads(tmp_path)


@pytest.mark.parametrize("content", ["", "  \n", "xyz", "ab" * 15, f"{'ab' * 32}\nnot a key"])
def test_a_broken_key_is_told_without_its_text(tmp_path: Path, content: str) -> None:
    """The message says which key, and shows none."""
    (tmp_path / "key").write_text(content)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(ConfigError, match=r"key: key \d is (not hexadecimal|too short)") as caught:
        load_pads(tmp_path)
    assert content.strip() == "" or content not in str(caught.value)


def test_after_a_rotation_everything_is_read_again(config: Path) -> None:
    """Every customer gets another id with the new key, and the former one with the old key."""
    assert call(config, "run").exit_code == 0
    before = customers(config)
    (old,) = json.loads(call(config, "key", "--json").stdout)
    rows = json.loads(call(config, "key", "--new", "--json").stdout)
    assert [(row["is_active"], row["is_published"]) for row in rows] == [(False, True), (True, False)]
    assert call(config, "run").exit_code == 0
    assert len(customers(config)) == len(before) == 2
    assert not set(customers(config)) & set(before)
    config.write_text(config.read_text() + f"identity: {{key_id: '{old['key_id']}'}}\n")
    assert call(config, "run").exit_code == 0
    assert customers(config) == before


def test_a_key_is_made_by_one_at_a_time(config: Path) -> None:
    """While a run is at work, or another makes a key, none is lost: the command is refused and names the holder."""
    home = Home(config.parent / "journeys")
    with locked(home, "a run"):
        refused = call(config, "key", "--new")
    assert refused.exit_code == 6
    (home.private / "key.new").write_text("half")
    assert len(json.loads(call(config, "key", "--new", "--json").stdout)) == 1
    (home.private / "key.new").write_text("half")
    assert call(config, "run").exit_code == 0
    assert not list(home.private.glob("*.new"))


def test_no_command_shows_a_key(config: Path) -> None:
    """Neither in text nor in JSON, nor in what is published."""
    call(config, "key", "--new")
    assert call(config, "run").exit_code == 0
    home = config.parent / "journeys"
    keys = [key.hex() for key in read_keys(home / "private").values()]
    keys += [pads_of(bytes.fromhex(key)).row_key for key in keys]
    shown = call(config, "key").output + call(config, "key", "--json").output + call(config, "status").output
    files = [path for path in home.rglob("*") if path.is_file() and path.name != "key"]
    content = b"".join(path.read_bytes() for path in files) + shown.encode()
    assert not [key for key in keys if key.encode() in content or bytes.fromhex(key) in content]


def test_a_lost_key_stops_the_run(config: Path) -> None:
    """A schedule without its environment does not rename every customer; only --rebuild does."""
    key = {KEY_VARIABLE: OLD.hex()}
    assert call(config, "run", env=key).exit_code == 0
    before = customers(config)
    stopped = call(config, "run")
    assert stopped.exit_code == 2
    assert key_id_of(OLD) in stopped.output
    assert "--rebuild" in stopped.output
    assert customers(config) == before
    assert call(config, "run", env=key).exit_code == 0
    assert call(config, "run", "--rebuild").exit_code == 0
    assert not set(customers(config)) & set(before)


def test_a_refused_run_makes_no_key(config: Path) -> None:
    """With the key file moved away nothing is written in its place, by a listing neither; back again, it serves."""
    assert call(config, "run").exit_code == 0
    key = config.parent / "journeys/private/key"
    key.rename(config.parent / "moved")
    assert call(config, "run").exit_code == 2
    assert json.loads(call(config, "key", "--json").stdout) == []
    assert "No key is known" in call(config, "key").output
    assert not key.exists()
    (config.parent / "moved").rename(key)
    assert call(config, "run").exit_code == 0
    assert [row["is_published"] for row in json.loads(call(config, "key", "--json").stdout)] == [True]


def test_a_key_that_is_named_and_not_there_is_not_made(config: Path) -> None:
    """A first run that is refused leaves no key either."""
    config.write_text(config.read_text() + "identity: {key_id: feedbeef}\n")
    refused = call(config, "run")
    assert (refused.exit_code, "known: none" in refused.output) == (2, True)
    assert not (config.parent / "journeys/private/key").exists()


def test_a_rotation_does_not_lose_events_of_files_that_are_gone(config: Path) -> None:
    """They cannot be hashed anew: the run stops until the file is back, the key is back, or --rebuild is asked for."""
    assert call(config, "run").exit_code == 0
    (config.parent / "b.csv").unlink()
    assert call(config, "run").exit_code == 0
    assert len(customers(config)) == 2
    call(config, "key", "--new")
    stopped = call(config, "run")
    assert stopped.exit_code == 3
    assert "files are gone (1, with 1 records)" in stopped.output
    assert "b.csv" in stopped.output
    assert len(customers(config)) == 2
    assert call(config, "run", "--rebuild").exit_code == 0
    assert len(customers(config)) == 1


def test_a_source_that_is_taken_out_after_its_files_is_a_loss_that_must_be_meant(config: Path) -> None:
    """It might have been renamed; `--rebuild` says that its events may go."""
    (config.parent / "b.csv").rename(config.parent / "b.txt")
    config.write_text(config.read_text() + "  more: {system: table, path: b.txt, timezone: UTC}\n")
    assert call(config, "run").exit_code == 0
    config.write_text(config.read_text().replace("  more: {system: table, path: b.txt, timezone: UTC}\n", ""))
    (config.parent / "b.txt").unlink()
    assert call(config, "run").exit_code == 3
    assert call(config, "run", "--rebuild").exit_code == 0
    assert len(customers(config)) == 1
