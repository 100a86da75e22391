"""Models source_files, quarantine_summary and runs: what was read, what was not, and the runs so far."""

from __future__ import annotations

from worlds import Lab


def test_files_show_the_span_of_their_events(lab: Lab) -> None:
    """A file without events has no span."""
    lab.given(
        "files",
        """
    file_no | file_id | source | system | table_name | path  | sha256 | byte_count | record_count | item_count | event_count | duplicate_count | quarantined_count | refused_count | status
    1       | f1      | web    | table  | events     | b.csv | x      | 9          | 3            | 3          | 2           | 1               | 0                 | 0             | read
    2       | f2      | web    | table  |            | a.csv | y      | 0          | 0            | 0          | 0           | 0               | 0                 | 0             | empty
    """,
    )
    lab.given(
        "staged_events",
        """
    file_no | occurred_us
    1       | 03-02 09:00
    1       | 03-01 09:00
    """,
    )
    lab.build("source_files")
    lab.expect(
        "source_files",
        """
    file_id | path  | event_count | duplicate_count | first_event_at | last_event_at | status
    f2      | a.csv | 0           | 0               |                |               | empty
    f1      | b.csv | 2           | 1               | 03-01 09:00    | 03-02 09:00   | read
    """,
    )


def test_quarantine_is_counted_by_reason(lab: Lab) -> None:
    """The example is the first by path and line; the content stays private."""
    lab.given(
        "files",
        """
    file_no | source | path
    1       | web    | b.csv
    2       | web    | a.csv
    3       | crm    | c.csv
    """,
    )
    lab.given(
        "quarantine",
        """
    file_no | line | item | reason
    1       | 1    | 1    | no time
    2       | 7    | 1    | no time
    2       | 9    | 1    | no time
    3       | 2    | 1    | no time
    3       | 5    | 2    | no id
    """,
    )
    lab.build("quarantine_summary")
    lab.expect(
        "quarantine_summary",
        """
    source | reason  | record_count | first_file | example_line
    web    | no time | 3            | a.csv      | 7
    crm    | no id   | 1            | c.csv      | 5
    crm    | no time | 1            | c.csv      | 2
    """,
    )
    assert "raw" not in lab.rows("from quarantine_summary")[0]


def test_runs_are_listed_in_their_order(lab: Lab) -> None:
    """The newest run is the last one."""
    lab.given(
        "run_history",
        """
    run_id | cutoff_at   | started_at  | run_seconds | seconds | version | config_fingerprint | model_fingerprint | event_count | customer_count | session_count | journey_count | unmapped_share | stitched_share
    r2     | 03-02 00:00 | 03-02 01:00 | 2           | 2       | 1       | c                  | m                 | 5           | 2              | 2             | 2             | 0.5            | 0.5
    r1     | 03-01 00:00 | 03-01 01:00 | 1           | 1       | 1       | c                  | m                 | 3           | 1              | 1             | 1             |                |
    """,
    )
    lab.build("runs")
    lab.expect(
        "runs",
        """
    run_id | cutoff_at   | event_count
    r1     | 03-01 00:00 | 3
    r2     | 03-02 00:00 | 5
    """,
    )


def test_a_run_tells_its_shares(lab: Lab) -> None:
    """Unmapped contacts among all contacts, background apart; customers of more than one identifier among customers."""
    log = """
    at          | customer         | event    | stage     | background
    03-01 09:00 | anna+cookie:k1   | purchase |           |
    03-01 09:01 | cookie:k1        | qqq      |           |
    03-01 09:02 | cookie:k2        | xyz      |           |
    03-01 09:03 | cookie:k3        | purchase |           |
    03-01 09:04 | cookie:k3        | wvu      |           | yes
    """
    lab.live(log)
    lab.expect(
        "select unmapped_share, round(stitched_share, 4) as stitched_share from runs",
        """
    unmapped_share | stitched_share
    0.5            | 0.3333
    """,
    )


def test_nothing_unmapped_is_a_share_of_none(lab: Lab) -> None:
    """It is 0; where there is no contact, there is no share."""
    lab.live("""
    at    | customer | event    | background
    09:00 | anna     | purchase |
    """)
    assert lab.rows("select unmapped_share from runs") == [{"unmapped_share": 0.0}]
    lab.live("""
    at    | customer | event    | background
    09:00 | anna     | sent     | yes
    """)
    assert lab.rows("select unmapped_share from runs order by started_at desc limit 1") == [
        {"unmapped_share": None}
    ]
