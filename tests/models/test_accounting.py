"""Models source_files, quarantine_summary, kpi_daily and runs: what was read, what was refused, and what a day held."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from worlds import Lab

USUAL_FILE = {
    "system": "table", "table_name": "events", "sha256": "ab12", "byte_count": "9", "record_count": "5",
    "item_count": "6", "event_count": "3", "duplicate_count": "2", "quarantined_count": "1", "refused_count": "0", "status": "read",
}  # fmt: skip
USUAL_EVENT = {
    "initiator": "customer",
    "is_background": "no",
    "customer_id": "",
    "session_id": "",
    "journey_id": "",
}


def completed(text: str, usual: Mapping[str, str]) -> str:
    """The readable table with the columns that it leaves out, the same in every row."""
    head, *rows = (line.strip() for line in text.strip().splitlines())
    added = {name: value for name, value in usual.items() if name not in head.replace(" ", "").split("|")}
    return "\n".join(
        " | ".join([line, *cells])
        for line, cells in [(head, added.keys()), *((row, added.values()) for row in rows)]
    )


def given_files(lab: Lab, text: str) -> None:
    """Files as the ledger has them."""
    lab.given("files", completed(text, USUAL_FILE))


def given_days(lab: Lab, events: str, journeys: str = "converted_at | value") -> None:
    """The tables that kpi_daily reads."""
    lab.given("events", completed(events, USUAL_EVENT))
    lab.given("journeys", journeys)


# source_files


def test_a_file_shows_the_span_of_its_own_events(lab: Lab) -> None:
    """First and last time are those of the file's events by time, not by line; a file without events has none."""
    given_files(
        lab,
        """
    file_no | file_id | source | path
    1       | f1      | web    | a.csv
    2       | f2      | web    | b.csv
    3       | f3      | web    | c.csv
    """,
    )
    lab.given(
        "staged_events",
        """
    file_no | occurred_us
    1       | 03-02 09:00
    1       | 03-01 08:00
    1       | 03-02 08:00
    2       | 03-05 10:00:00.000001
    """,
    )
    lab.build("source_files")
    lab.expect(
        "source_files",
        """
    file_id | first_event_at        | last_event_at
    f1      | 03-01 08:00           | 03-02 09:00
    f2      | 03-05 10:00:00.000001 | 03-05 10:00:00.000001
    f3      |                       |
    """,
    )


def test_a_file_shows_what_became_of_its_records(lab: Lab) -> None:
    """Counts, checksum and status are the ledger's, each in its own column."""
    given_files(
        lab,
        """
    file_no | file_id | source | path  | byte_count | record_count | item_count | event_count | duplicate_count | quarantined_count | refused_count | status
    7       | f1      | web    | a.csv | 99         | 10           | 15         | 6           | 4               | 2                 | 3             | damaged
    """,
    )
    lab.given("staged_events", "file_no | occurred_us")
    lab.build("source_files")
    lab.expect(
        "source_files",
        """
    file_id | source | system | table_name | path  | sha256 | byte_count | record_count | item_count | event_count | duplicate_count | quarantined_count | refused_count | status
    f1      | web    | table  | events     | a.csv | ab12   | 99         | 10           | 15         | 6           | 4               | 2                 | 3             | damaged
    """,
    )


def test_files_are_listed_by_source_and_path(lab: Lab) -> None:
    """The order does not depend on when a file was read; two versions of a file at one path are both listed."""
    given_files(
        lab,
        """
    file_no | file_id | source | path
    1       | f4      | web    | a.csv
    2       | f3      | crm    | b.csv
    3       | f2      | crm    | a.csv
    4       | f1      | crm    | b.csv
    """,
    )
    lab.given("staged_events", "file_no | occurred_us")
    lab.build("source_files")
    lab.expect(
        "source_files",
        """
    source | path  | file_id
    crm    | a.csv | f2
    crm    | b.csv | f1
    crm    | b.csv | f3
    web    | a.csv | f4
    """,
    )


# quarantine_summary


def test_reasons_are_counted_in_each_source(lab: Lab) -> None:
    """The most frequent reason comes first, equal ones by source and reason; items of a record count singly."""
    given_files(
        lab,
        """
    file_no | source | path
    1       | web    | a.csv
    2       | crm    | a.csv
    """,
    )
    lab.given(
        "quarantine",
        """
    file_no | line | item | reason
    1       | 1    | 1    | no time
    1       | 2    | 1    | no customer_id
    1       | 3    | 1    | no time
    2       | 4    | 1    | no time
    2       | 4    | 2    | no time
    2       | 4    | 3    | no time
    2       | 5    | 1    | no event name
    """,
    )
    lab.build("quarantine_summary")
    lab.expect(
        "quarantine_summary",
        """
    source | reason         | record_count
    crm    | no time        | 3
    web    | no time        | 2
    crm    | no event name  | 1
    web    | no customer_id | 1
    """,
    )


def test_the_example_is_the_first_by_path_and_line(lab: Lab) -> None:
    """Neither the order of reading nor a smaller line in a later file changes it."""
    given_files(
        lab,
        """
    file_no | source | path
    1       | web    | b.csv
    2       | web    | a.csv
    """,
    )
    lab.given(
        "quarantine",
        """
    file_no | line | item | reason
    1       | 1    | 1    | no time
    2       | 10   | 1    | no time
    2       | 9    | 2    | no time
    """,
    )
    lab.build("quarantine_summary")
    lab.expect(
        "quarantine_summary",
        """
    source | reason  | record_count | first_file | example_line
    web    | no time | 3            | a.csv      | 9
    """,
    )


def test_no_quarantine_gives_no_row(lab: Lab) -> None:
    """A source without a reject is not listed."""
    given_files(
        lab,
        """
    file_no | source | path
    1       | web    | a.csv
    """,
    )
    lab.given("quarantine", "file_no | line | item | reason")
    assert lab.build("quarantine_summary") == []


# kpi_daily


def test_a_conversion_counts_on_its_local_day(lab: Lab) -> None:
    """On the short day of March Berlin's midnights are 23:00 and 22:00 UTC: 23 hours, and none of them twice."""
    given_days(
        lab,
        """
    event_id | local_date
    a        | 03-28
    b        | 03-29
    c        | 03-30
    """,
        """
    converted_at          | value
    03-28 22:59:59.999999 | 1
    03-28 23:00           | 2
    03-29 01:30           | 4
    03-29 21:59:59.999999 | 8
    03-29 22:00           | 16
                          | 32
    """,
    )
    lab.build("kpi_daily", timezone="Europe/Berlin")
    lab.expect(
        "kpi_daily",
        """
    local_date | converted_count | value
    03-28      | 1               | 1
    03-29      | 3               | 14
    03-30      | 1               | 16
    """,
    )


def test_the_long_day_of_october_has_25_hours(lab: Lab) -> None:
    """Berlin's 25 October 2026 runs from 22:00 to 23:00 UTC; its hour from 2 to 3 comes twice and counts twice."""
    given_days(
        lab,
        """
    event_id | local_date
    a        | 10-24
    b        | 10-25
    c        | 10-26
    """,
        """
    converted_at          | value
    10-24 21:59:59.999999 |
    10-24 22:00           |
    10-25 00:30           |
    10-25 01:30           |
    10-25 22:59:59.999999 |
    10-25 23:00           |
    """,
    )
    lab.build("kpi_daily", timezone="Europe/Berlin")
    lab.expect(
        "kpi_daily",
        """
    local_date | converted_count | value
    10-24      | 1               |
    10-25      | 4               |
    10-26      | 1               |
    """,
    )


@pytest.mark.parametrize(
    ("at", "day"),
    [("03-08 07:59", "03-07"), ("03-08 08:00", "03-08"), ("03-09 06:59", "03-08"), ("03-09 07:00", "03-09")],
)
def test_days_west_of_greenwich(lab: Lab, at: str, day: str) -> None:
    """Los Angeles leaves winter time on 8 March 2026: that day runs from 08:00 to 07:00 UTC."""
    given_days(
        lab,
        f"""
    event_id | local_date
    a        | {day}
    """,
        f"""
    converted_at | value
    {at}         |
    """,
    )
    lab.build("kpi_daily", timezone="America/Los_Angeles")
    lab.expect(
        "kpi_daily",
        f"""
    local_date | converted_count
    {day}      | 1
    """,
    )


def test_customers_of_a_day_did_something_themselves(lab: Lab) -> None:
    """A customer counts once a day, for an own contact; company, background and nobody's events count as events."""
    given_days(
        lab,
        """
    event_id | local_date | initiator | is_background | customer_id
    a        | 03-02      | customer  | no            | anna
    b        | 03-02      | customer  | no            | anna
    c        | 03-02      | customer  | no            | ben
    d        | 03-02      | customer  | yes           | cleo
    e        | 03-02      | company   | no            | dora
    f        | 03-02      | customer  | no            |
    g        | 03-03      | customer  | no            | anna
    """,
    )
    lab.build("kpi_daily")
    lab.expect(
        "kpi_daily",
        """
    local_date | event_count | customer_count
    03-02      | 6           | 2
    03-03      | 1           | 1
    """,
    )


def test_sessions_and_journeys_count_on_the_day_they_begin(lab: Lab) -> None:
    """One that goes on over midnight is not counted again."""
    given_days(
        lab,
        """
    event_id | local_date | initiator | is_background | session_id | journey_id
    a        | 03-02      | customer  | no            | a          | a
    b        | 03-03      | customer  | no            | a          | a
    c        | 03-03      | customer  | no            | c          | a
    d        | 03-04      | company   | no            |            | d
    e        | 03-04      | company   | yes           |            |
    """,
    )
    lab.build("kpi_daily")
    lab.expect(
        "kpi_daily",
        """
    local_date | session_count | journey_count
    03-02      | 1             | 1
    03-03      | 1             | 0
    03-04      | 0             | 1
    """,
    )


def test_values_are_added_exactly(lab: Lab) -> None:
    """Amounts are summed as decimals: ten times ten cents are one, and a conversion without a value adds nothing."""
    amounts = "\n".join(["03-02 09:00 | 0.1"] * 10)
    given_days(
        lab,
        """
    event_id | local_date
    a        | 03-02
    """,
        f"converted_at | value\n{amounts}\n03-02 09:00 |",
    )
    rows = lab.build("kpi_daily")
    assert [(row["converted_count"], row["value"]) for row in rows] == [(11, 1.0)]


def test_days_come_in_order_and_only_with_events(lab: Lab) -> None:
    """A day without an event has no row; a day long ago comes first."""
    given_days(
        lab,
        """
    event_id | local_date
    a        | 03-05
    b        | 03-02
    c        | 03-09
    d        | 02-28
    e        | 03-07
    """,
    )
    lab.warehouse.execute(
        "insert into events by name select 'f' as event_id, date '1901-01-01' as local_date"
    )
    lab.build("kpi_daily")
    lab.expect(
        "kpi_daily",
        """
    local_date | event_count | converted_count | value
    01-01      | 1           | 0               |
    02-28      | 1           | 0               |
    03-02      | 1           | 0               |
    03-05      | 1           | 0               |
    03-07      | 1           | 0               |
    03-09      | 1           | 0               |
    """,
    )


# runs


def test_runs_are_listed_from_the_oldest(lab: Lab) -> None:
    """The order is that of their starts, then of their ids, whatever horizon they looked at."""
    lab.given(
        "run_history",
        """
    run_id | cutoff_at   | started_at  | seconds | version | config_fingerprint | model_fingerprint | event_count | customer_count | session_count | journey_count | unmapped_share | stitched_share
    r0     | 03-01 00:00 | 03-09 01:00 | 3       | 1.1     | c2                 | m2                | 50          | 40             | 30            | 20            | 0.1            | 0.2
    r2     | 03-08 00:00 | 03-08 01:00 | 2       | 1.0     | c1                 | m1                | 5           | 4              | 3             | 2             | 0.1            | 0.2
    r1     | 03-08 00:00 | 03-08 01:00 | 2       | 1.0     | c1                 | m1                | 5           | 4              | 3             | 2             | 0.1            | 0.2
    """,
    )
    lab.build("runs")
    lab.expect(
        "runs",
        """
    run_id | cutoff_at   | started_at  | seconds | version | config_fingerprint | model_fingerprint | event_count | customer_count | session_count | journey_count
    r1     | 03-08 00:00 | 03-08 01:00 | 2       | 1.0     | c1                 | m1                | 5           | 4              | 3             | 2
    r2     | 03-08 00:00 | 03-08 01:00 | 2       | 1.0     | c1                 | m1                | 5           | 4              | 3             | 2
    r0     | 03-01 00:00 | 03-09 01:00 | 3       | 1.1     | c2                 | m2                | 50          | 40             | 30            | 20
    """,
    )


def test_a_run_enters_its_counts(lab: Lab) -> None:
    """The run that builds the tables is listed with the sizes of the tables it built."""
    lab.live("""
    at          | customer | event
    03-02 09:00 | anna     | page
    03-02 11:00 | anna     | page
    03-02 12:00 | ben      | page
    03-02 13:00 |          | page
    """)
    lab.expect(
        "runs",
        """
    cutoff_at   | event_count | customer_count | session_count | journey_count
    03-02 13:00 | 4           | 2              | 3             | 2
    """,
    )
