"""Every worked case is asked by exactly one test, or listed as answered differently with the reason."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

import pytest

from worked_cases import ASKED, DIFFERING, REJECTED, UNANSWERED_PARTS, list_groups, read_cases

pytestmark = pytest.mark.real_data

MODULES = ["test_known_answers", "test_oracle_answers", "test_oracle_datasets", "test_oracle_mining"]


@pytest.fixture(scope="module", autouse=True)
def _imported_tests(shared_data: Path) -> None:
    for name in MODULES:
        importlib.import_module(name)


def test_every_case_has_one_test_or_a_reason() -> None:
    """The cases of all files are those that the tests ask, each once, and those that are listed as differing."""
    for group in list_groups():
        wanted = Counter(case["id"] for case in read_cases(group) if case["id"] not in DIFFERING)
        assert Counter(ASKED.get(group, ())) == wanted, group


def test_the_cases_of_all_files_are_the_ninety_three(shared_data: Path) -> None:
    """No file of cases is overlooked: 93 cases, and the ids are unique over all files."""
    names = [case["id"] for group in list_groups() for case in read_cases(group)]
    assert len(names) == len(set(names)) >= 93


def test_what_is_left_out_exists_and_says_why() -> None:
    """Each differing case and unanswered part names something that is there, with a reason in words."""
    known = {case["id"]: case for group in list_groups() for case in read_cases(group)}
    assert set(DIFFERING) <= set(known)
    assert all(part in known[name]["expected"] for name, part in UNANSWERED_PARTS)
    assert all(len(reason.split()) > 5 for reason in (*DIFFERING.values(), *UNANSWERED_PARTS.values()))


def test_cases_that_are_wrong_at_their_source_are_not_asked() -> None:
    """What stands among the rejected cases is no case of any group."""
    rejected = {case["id"] for case in read_cases(REJECTED)}
    assert rejected
    assert not rejected & {case["id"] for group in list_groups() for case in read_cases(group)}
