"""The worked cases of other tools: which test asks which, and which are answered differently on purpose."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]

ABSENT = "real data is absent (name its folder in JOURNEY_MINING_SHARED_DATA)"
REJECTED = "REJECTED"
"""The file of cases whose answers are wrong at their source."""

DIFFERING: dict[str, str] = {}
"""Cases that are answered differently on purpose, by id, each with the reason."""

UNANSWERED_PARTS = {
    (
        "DS-CDNOW",
        "bgnbd_sample",
    ): "the question asks for rows and customers; BG/NBD is a model of future purchases, "
    "which this project does not have",
}
"""Parts of a known answer that no test compares, with the reason."""

ASKED: dict[str, list[str]] = {}
"""Ids of the cases that the imported tests ask, by group."""


def find_shared_data() -> Path:
    """The folder of real data (JOURNEY_MINING_SHARED_DATA, or shared/data beside the checkout); it may be absent."""
    named = os.environ.get("JOURNEY_MINING_SHARED_DATA")
    return Path(named) if named else Path(__file__).parents[2] / "shared" / "data"


def list_groups() -> list[str]:
    """The groups of cases, one file each."""
    files = (find_shared_data() / "oracles").glob("*.json")
    return sorted(file.stem for file in files if file.stem != REJECTED)


def read_cases(group: str) -> list[Case]:
    """The cases of a group; none where the data are absent."""
    file = find_shared_data() / "oracles" / f"{group}.json"
    if not file.is_file():
        return []
    cases: list[Case] = json.loads(file.read_text(encoding="utf-8"))["cases"]
    return cases


def name_source(case: Case) -> str:
    """Where the answer of a case comes from, in few words."""
    source = case["source"]
    words = [source["repo"], source.get("test") or source["path"]]
    return ", ".join(word for word in words if word not in ("", "-"))


def asks(group: str, wanted: Callable[[Case], bool] = lambda case: True) -> pytest.MarkDecorator:
    """Runs a test for each wanted case of a group that is not listed as differing; its id is the case's, and source."""
    cases = [case for case in read_cases(group) if wanted(case) and case["id"] not in DIFFERING]
    ASKED.setdefault(group, []).extend(case["id"] for case in cases)
    if not (find_shared_data() / "oracles").is_dir():
        return pytest.mark.parametrize(
            "case", [pytest.param({}, id="absent", marks=pytest.mark.skip(reason=ABSENT))]
        )
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=f"{case['id']}: {name_source(case)}") for case in cases]
    )


def named(*names: str) -> Callable[[Case], bool]:
    """Whether a case has one of these ids."""
    return lambda case: case["id"] in names


def of_kind(*capabilities: str) -> Callable[[Case], bool]:
    """Whether a case asks for one of these capabilities."""
    return lambda case: case["capability"] in capabilities
