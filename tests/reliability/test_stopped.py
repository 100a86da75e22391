"""A run that is asked to end, by Ctrl-C or by a service manager, clears away what it began and is told of."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from processes import finish, run_interrupted
from shop import home_of, left_behind, published

from journey_mining.inspection import describe_status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_a_query_runs(number: signal.Signals, shop: Path, old: dict[str, str]) -> None:
    """The published snapshot stands, nothing is left behind, and there is no traceback."""
    told = shop.parent / "told.json"
    notify = f"notify: {{command: [/bin/sh, -c, 'cat > {told}']}}\n"
    shop.write_text(shop.read_text() + notify, encoding="utf-8")
    shown = shop.parent / "shown.txt"
    assert finish(run_interrupted, shop, int(number), shown) == 128 + number
    assert "Stopped. What is published is whole" in shown.read_text()
    assert "Traceback" not in shown.read_text()
    assert '"The run was interrupted."' in told.read_text()
    assert describe_status(shop)["last_run"]["state"] == "failed"
    assert published(shop) == old
    assert left_behind(shop) == set()
    assert home_of(shop).current_name() is not None
