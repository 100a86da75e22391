"""One Prefect server for all flow tests: it takes some ten seconds to start, a flow one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import offline  # noqa: F401  # isort: skip  (it sets Prefect's environment, so it comes before Prefect)

import pytest
from prefect.testing.utilities import prefect_test_harness

JOURNEY_YAML = """\
home: journeys
sources:
  shop: {system: table, path: shop.csv, timezone: UTC}
"""
SHOP_CSV = """\
customer_id,occurred_at,touchpoint
anna,2026-03-01T09:00:00Z,catalog
anna,2026-03-01T09:10:00Z,cart
anna,2026-03-01T09:20:00Z,purchase
ben,2026-03-02T10:00:00Z,catalog
ben,2026-03-02T10:05:00Z,cart
"""


@pytest.fixture(scope="session", autouse=True)
def prefect_server() -> Iterator[None]:
    """A temporary Prefect server with a database of its own."""
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The journey.yaml of a shop with two customers and five events."""
    (tmp_path / "shop.csv").write_text(SHOP_CSV, encoding="utf-8")
    (tmp_path / "journey.yaml").write_text(JOURNEY_YAML, encoding="utf-8")
    return tmp_path / "journey.yaml"
