"""The README's Python lines work on the sample company."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from journey_mining.runs import RunContext

README = Path(__file__).parents[2] / "README.md"


def test_the_python_lines_run(sample_run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block runs as it stands, beside the published snapshot."""
    block = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[0]
    assert sample_run.published is not None
    monkeypatch.chdir(sample_run.config.path.parent)
    with duckdb.connect(str(sample_run.published / "journeys.duckdb"), read_only=True) as connection:
        frame = connection.execute(
            "select customer_id::varchar as customer_id, occurred_at, touchpoint from events where not is_background"
        ).df()
    names: dict[str, object] = {"frame": frame}
    exec(block, names)
    counted = names["j"].funnel(["product page", "add to cart", "purchase"])  # type: ignore[attr-defined]
    assert list(counted["step"]) == ["product page", "add to cart", "purchase"]
    assert counted["entered"].is_monotonic_decreasing
    assert counted["entered"].iloc[-1] > 0
