"""The shop before and after its second delivery, each published once by a run that nothing disturbed."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import finish, run
from shop import copied, deliver_more, published, write_shop


@pytest.fixture(scope="session")
def old_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop after its first delivery, published twice, so that the next run has one to remove; to be copied."""
    config = write_shop(tmp_path_factory.mktemp("old"))
    assert [finish(run, config), finish(run, config)] == [0, 0]
    return config


@pytest.fixture(scope="session")
def old(old_shop: Path) -> dict[str, str]:
    """What the first delivery publishes."""
    return published(old_shop)


@pytest.fixture(scope="session")
def new(old_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run publishes after the second delivery when nothing disturbs it."""
    config = copied(old_shop, tmp_path_factory.mktemp("new") / "shop")
    deliver_more(config)
    assert finish(run, config) == 0
    return published(config)


@pytest.fixture
def shop(old_shop: Path, tmp_path: Path) -> Path:
    """A shop that published its first delivery and has the second one before it."""
    config = copied(old_shop, tmp_path / "shop")
    deliver_more(config)
    return config
