"""Every command of the command line explains itself and stands in the README."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from checkout import ROOT

from journey_mining import cli


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below `command` with its words, `command` itself left out."""
    for word, child in getattr(command, "commands", {}).items():
        yield f"{name} {word}", child
        yield from walk(child, f"{name} {word}")


GROUP = next(value for value in vars(cli).values() if isinstance(value, click.Group))
COMMANDS = list(walk(GROUP, "journey-mining"))
every_command = pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])


def test_there_are_commands() -> None:
    """The group was found."""
    assert len(COMMANDS) >= 3


@every_command
def test_command_has_help(name: str, command: click.Command) -> None:
    """The command and each of its options say what they do."""
    assert command.help, f"{name} has no help"
    assert command.deprecated or command.get_short_help_str()
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert not [option.name for option in options if not option.help]


@every_command
def test_command_stands_in_the_readme(name: str, command: click.Command) -> None:
    """A command that the README does not name is not there for a newcomer."""
    assert name in (ROOT / "README.md").read_text(encoding="utf-8")
