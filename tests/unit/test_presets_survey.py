"""The Qualtrics preset: responses of both CSV formats, and the events and scores that they are."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from journey_mining.errors import SourceError
from unit.loaded import Loaded, identifier_hash, load, utc

SHARED = {
    "StartDate": "2024-05-01 11:58:00", "EndDate": "2024-05-01 12:00:00", "Status": "0", "Progress": "100", "Finished": "1",
    "RecordedDate": "2024-05-01 12:00:00", "ResponseId": "R_1", "RecipientLastName": "Lovelace",
    "RecipientEmail": "Ada@Example.com", "ExternalReference": "K1", "DistributionChannel": "email",
}  # fmt: skip


def export(*answers: dict[str, str], zone: str | None = "Europe/Berlin", marker: str = '"') -> str:
    """A CSV export with three header rows; a question's text runs over two lines."""
    names = list({**SHARED, **answers[0]})
    imports = [
        {"ImportId": name, **({"timeZone": zone} if zone and "Date" in name else {})} for name in names
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerow([f"{name}:\nplease answer" for name in names])
    writer.writerow([json.dumps(cell).replace('"', marker) for cell in imports])
    for answer in answers:
        row = {**SHARED, **answer}
        writer.writerow([row.get(name, "") for name in names])
    return text.getvalue()


def survey(folder: Path, *answers: dict[str, str], **settings: Any) -> Loaded:
    return load(folder, "qualtrics", {"survey.csv": export(*answers)}, **settings)


def scores(loaded: Loaded) -> list[tuple[Any, ...]]:
    return [(e["score_kind"], e["score"], e["score_min"], e["score_max"]) for e in loaded.events()]


def test_response_is_an_answer_of_the_customer(tmp_path: Path) -> None:
    """The zone of the third header row makes its time; the header rows are no records."""
    loaded = survey(tmp_path, {"Q2": "Nice people"})
    (event,) = loaded.events()
    assert [event[name] for name in ("event_name", "initiator", "channel", "is_background", "campaign_medium")] == [
        "survey answered", "customer", "survey", False, "email",
    ]  # fmt: skip
    assert event["occurred_us"] == utc("2024-05-01T10:00:00")
    assert loaded.hashes(event) == {
        identifier_hash("user_id", "K1"),
        identifier_hash("email", "ada@example.com"),
    }
    assert loaded.counts() == [(1, 1, 0, 0)]
    assert loaded.files[0].shape.header_records == 3


def test_zone_in_the_header_wins_over_the_configured_one(tmp_path: Path) -> None:
    loaded = survey(tmp_path, {}, timezone="America/New_York")
    assert loaded.events()[0]["occurred_us"] == utc("2024-05-01T10:00:00")


@pytest.mark.parametrize("zone", [None, "Moon/Crater"])
def test_header_without_a_known_zone_takes_the_configured_one(tmp_path: Path, zone: str | None) -> None:
    loaded = load(tmp_path, "qualtrics", {"survey.csv": export({}, zone=zone)}, timezone="America/New_York")
    assert loaded.events()[0]["occurred_us"] == utc("2024-05-01T16:00:00")


def test_header_row_may_use_single_quotes(tmp_path: Path) -> None:
    loaded = load(tmp_path, "qualtrics", {"survey.csv": export({}, marker="'")})
    assert loaded.events()[0]["occurred_us"] == utc("2024-05-01T10:00:00")


def test_no_zone_anywhere_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """Local time is never taken for UTC."""
    with pytest.raises(SourceError, match=r"survey\.csv carry no zone") as raised:
        load(tmp_path, "qualtrics", {"survey.csv": export({}, zone=None)})
    assert "timezone:" in str(raised.value)


SCORES = {
    "nps by its usual name": ({"Q_NPS": "9"}, {}, ("nps", 9, 0, 10)),
    "nps behind a question number": ({"Q1_NPS": "0"}, {}, ("nps", 0, 0, 10)),
    "nps and not its group": ({"Q_NPS_GROUP": "Promoter", "Q_NPS": "10"}, {}, ("nps", 10, 0, 10)),
    "csat": ({"CSAT": "4"}, {}, ("csat", 4, 1, 5)),
    "ces": ({"Q_CES": "7"}, {}, ("ces", 7, 1, 7)),
    "a question that the source maps": ({"Q3": "8"}, {"columns": {"nps": "Q3"}}, ("nps", 8, 0, 10)),
    "a choice with its text": ({"NPS": "10 - Very likely"}, {}, ("nps", 10, 0, 10)),
    "not answered": ({"NPS": ""}, {}, (None, None, None, None)),
    "no score question": ({"Q7": "9"}, {}, (None, None, None, None)),
}


@pytest.mark.parametrize("case", SCORES)
def test_score(tmp_path: Path, case: str) -> None:
    """One kind of score sits on the response itself."""
    answer, settings, expected = SCORES[case]
    assert scores(survey(tmp_path, answer, **settings)) == [expected]


def test_several_kinds_of_score_are_an_event_each(tmp_path: Path) -> None:
    """Each on its own scale; no scale is mixed with another."""
    loaded = survey(tmp_path, {"NPS": "9", "CSAT": "2", "CES": "5"})
    assert sorted(scores(loaded)) == [("ces", 5, 1, 7), ("csat", 2, 1, 5), ("nps", 9, 0, 10)]
    assert loaded.counts() == [(1, 3, 0, 0)]


@pytest.mark.parametrize("answer", ["11", "-1", "very likely"])
def test_score_outside_its_scale_is_quarantined_and_the_answer_kept(tmp_path: Path, answer: str) -> None:
    loaded = survey(tmp_path, {"NPS": answer})
    assert scores(loaded) == [(None, None, None, None)]
    assert [reason for _, reason in loaded.quarantine()] == ["score outside its scale"]
    loaded.assert_conserved()


STATES = {
    "finished": ({}, ("survey answered", "customer", False)),
    "finished in words": ({"Finished": "TRUE"}, ("survey answered", "customer", False)),
    "finished in another language": (
        {"Finished": "Vrai", "Progress": "100"},
        ("survey answered", "customer", False),
    ),
    "left halfway": ({"Finished": "0", "Progress": "50"}, ("survey unfinished", "customer", True)),
    "left halfway, in words": (
        {"Finished": "False", "Progress": "50"},
        ("survey unfinished", "customer", True),
    ),
    "a preview": ({"Status": "Survey Preview"}, ("survey answered", "system", True)),
    "a test": ({"Status": "2"}, ("survey answered", "system", True)),
    "a preview by its channel": ({"DistributionChannel": "preview"}, ("survey answered", "system", True)),
}


@pytest.mark.parametrize("case", STATES)
def test_state_of_a_response(tmp_path: Path, case: str) -> None:
    """Half answers and trials are background, and their scores do not count."""
    answer, expected = STATES[case]
    loaded = survey(tmp_path, {**answer, "NPS": "3"})
    (event,) = loaded.events()
    assert (event["event_name"], event["initiator"], event["is_background"]) == expected
    assert (event["score"] is None) == event["is_background"]


def test_anonymous_response_names_nobody(tmp_path: Path) -> None:
    loaded = survey(tmp_path, {"RecipientEmail": "", "ExternalReference": ""})
    assert loaded.events()[0]["identity_key"] is None


def test_response_exported_again_is_the_same(tmp_path: Path) -> None:
    loaded = survey(tmp_path, {"NPS": "9"}, {"NPS": "9"}, {"NPS": "9", "ResponseId": "R_2"})
    assert loaded.counts() == [(3, 2, 1, 0)]


def test_legacy_export(tmp_path: Path) -> None:
    """Two header rows, V1 to V10, a byte-order mark and a trailing comma."""
    lines = [
        "V1,V2,V3,V4,V5,V6,V7,V8,V9,V10,Q1,",
        "ResponseID,ResponseSet,Name,ExternalDataReference,EmailAddress,IPAddress,Status,StartDate,EndDate,Finished,Question,",
        "R_9,Default,Anonymous,K9,,192.0.2.1,0,2024-05-01 11:00:00,2024-05-01 12:00:00,1,8,",
    ]
    content = b"\xef\xbb\xbf" + "\n".join(lines).encode()
    loaded = load(
        tmp_path, "qualtrics", {"old.csv": content}, timezone="Europe/Berlin", columns={"nps": "Q1"}
    )
    assert loaded.counts() == [(1, 1, 0, 0)]
    assert scores(loaded) == [("nps", 8, 0, 10)]
    assert loaded.events()[0]["occurred_us"] == utc("2024-05-01T10:00:00")
