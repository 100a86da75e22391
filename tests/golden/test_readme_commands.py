"""The README's commands do what they say, one after the other, beside the published sample."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from journey_mining.cli import main
from journey_mining.pipeline import RunContext
from journey_mining.snapshot import Snapshot

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ENDLESS = {"serve"}
"""Commands that run until they are stopped."""


def read_commands() -> list[list[str]]:
    """The words of each line of a console block that calls this project's command, comments left out."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    called = [words for words in lines if words and words[0].endswith("journey-mining")]
    return [words[1:] for words in called if words[1] not in ENDLESS]


@pytest.fixture(scope="module")
def folder(sample_run: RunContext, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the README takes it: a journey.yaml with its published home, a query, and the sample in its place."""
    folder = tmp_path_factory.mktemp("readme")
    company = sample_run.config.path.parent
    shutil.copytree(company, folder, dirs_exist_ok=True, symlinks=True)
    (folder / "data").mkdir()
    (folder / "data" / "sample").symlink_to(folder)
    (folder / "question.sql").write_text("from stage_funnel", encoding="utf-8")
    return folder


COMMANDS = read_commands()


def test_there_are_commands() -> None:
    """The blocks still read as these tests expect."""
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("words", COMMANDS, ids=[" ".join(words)[:50] for words in COMMANDS])
def test_a_command_runs(words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line ends without an error and prints something."""
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert result.output.strip()


def test_the_table_of_commands_is_whole() -> None:
    """Every command has its row."""
    assert [name for name in main.commands if f"| `journey-mining {name}` |" not in README] == []


def test_the_table_of_questions_is_whole() -> None:
    """Every public method of a snapshot has its place in the table of the Python section."""
    rows = "\n".join(re.findall(r"^\| `.*$", README[README.index("## In Python") :], re.MULTILINE))
    asked = {name for name in vars(Snapshot) if not name.startswith("_")} - {"close"}
    assert sorted(name for name in asked if f"`{name}`" not in rows) == []
