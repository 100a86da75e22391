"""Qualtrics' CSV export: three header rows, local times without a zone in the cells."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from journey_mining.sample.clock import SECOND, SURVEY_ZONE
from journey_mining.sample.crm_documents import native_id
from journey_mining.sample.opinions import Answers
from journey_mining.sample.people import SHARED_INBOX, People, email, full_name, user_id

DATE_COLUMNS = {"StartDate", "EndDate", "RecordedDate"}
SHARED_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("StartDate", "Start Date", "startDate"),
    ("EndDate", "End Date", "endDate"),
    ("Status", "Response Type", "status"),
    ("Progress", "Progress", "progress"),
    ("Duration (in seconds)", "Duration (in seconds)", "duration"),
    ("Finished", "Finished", "finished"),
    ("RecordedDate", "Recorded Date", "recordedDate"),
    ("ResponseId", "Response ID", "_recordId"),
    ("RecipientLastName", "Recipient Last Name", "recipientLastName"),
    ("RecipientFirstName", "Recipient First Name", "recipientFirstName"),
    ("RecipientEmail", "Recipient Email", "recipientEmail"),
    ("ExternalReference", "External Data Reference", "externalDataReference"),
    ("DistributionChannel", "Distribution Channel", "distributionChannel"),
    ("UserLanguage", "User Language", "userLanguage"),
)
"""Field name, label and ImportId of the columns that every export has."""
NPS_COLUMNS = (
    (
        "Q_NPS_GROUP",
        "How likely are you to recommend us to a friend,\nor to a colleague? - Group",
        "QID1_NPS_GROUP",
    ),
    ("Q_NPS", "How likely are you to recommend us to a friend,\nor to a colleague?", "QID1"),
)
CES_COLUMNS = (
    ("Q_CES", 'We made it easy, all in all, to solve my problem.\n(1 = "not at all", 7 = "fully")', "QID1"),
)


def nps_group(score: int) -> str:
    """Detractor 0 to 6, Passive 7 and 8, Promoter 9 and 10."""
    return "Detractor" if score <= 6 else "Passive" if score <= 8 else "Promoter"


def header_rows(columns: tuple[tuple[str, str, str], ...]) -> list[list[str]]:
    """The three header rows: field names, question texts, import ids with the zone of the dates."""
    imports: list[str] = []
    for name, _, key in columns:
        content = {"ImportId": key, "timeZone": SURVEY_ZONE} if name in DATE_COLUMNS else {"ImportId": key}
        imports.append(json.dumps(content, separators=(",", ":")))
    return [[name for name, _, _ in columns], [label for _, label, _ in columns], imports]


def local_text(moment_us: int) -> str:
    """The survey zone's wall-clock time, as the cells have it."""
    moment = datetime.fromtimestamp(moment_us // SECOND, UTC).astimezone(ZoneInfo(SURVEY_ZONE))
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def response_id(survey: str, number: int, answered_us: int) -> str:
    """Qualtrics' id of a response; a customer may answer the same survey again."""
    return "R_" + native_id(survey, number, answered_us).replace("-", "")[:15]


def survey_text(survey: str, answers: Answers, people: People, repeated: int) -> str:
    """The whole export of the survey `nps` or `ces`; its first `repeated` rows are delivered twice."""
    questions = NPS_COLUMNS if survey == "nps" else CES_COLUMNS
    rows = [_response(survey, answers, people, row) for row in range(len(answers))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(header_rows(SHARED_COLUMNS + questions))
    writer.writerows(rows + rows[:repeated])
    return text.getvalue()


def _response(survey: str, answers: Answers, people: People, row: int) -> list[str]:
    customer, score = int(answers.customer[row]), int(answers.score[row])
    number, end_us = int(people.number[customer]), int(answers.answered_us[row])
    seconds, is_finished = 20 + number % 90, score >= 0
    first, last = full_name(number)
    start = local_text(end_us - round(timedelta(seconds=seconds).total_seconds()) * SECOND)
    shared = [
        start,
        local_text(end_us),
        "IP Address",
        "100" if is_finished else "50",
        str(seconds),
        str(is_finished),
    ]
    address = SHARED_INBOX if answers.is_forwarded[row] else email(number)
    reference = user_id(number) if people.is_registered[customer] else ""
    identity = [last, first, address, reference, "email", "EN" if people.zone[customer] else "DE"]
    if survey == "nps":
        marks = [nps_group(score), str(score)] if is_finished else ["", ""]
    else:
        marks = [str(score)] if is_finished else [""]
    kind = f"{survey} forwarded" if answers.is_forwarded[row] else survey
    return [*shared, local_text(end_us), response_id(kind, number, end_us), *identity, *marks]
