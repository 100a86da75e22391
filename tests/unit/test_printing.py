"""What a command prints of names that exports brought."""

from __future__ import annotations

import pytest

from journey_mining.printing import print_table


def test_a_terminal_is_told_nothing_by_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences, also those of one character, and turns of direction are replaced; letters of any kind stay."""
    rows = [("\x1b[2Jhome\x07",), ("\x9b31mred \u202egpj",), ("größe, 尺寸",)]
    print_table(("of a pivot \x1b]0;x\x07[bold]",), rows)
    printed = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(printed)
    assert "home" in printed
    assert "größe, 尺寸" in printed
    assert "]0;x\ufffd[bold]" in printed, "nor to the program that draws the table"
