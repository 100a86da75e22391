"""Hostile exports: links, odd names, bombs. Each is read as what it is, quarantined with a reason, or refused."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journey_mining.errors import SourceError
from journey_mining.pipeline import run_all
from journey_mining.sources import bytestream
from journey_mining.sources.bytestream import MAX_DOCUMENT_BYTES
from journey_mining.sources.shapes import MAX_COLUMNS

LOG = "customer_id,occurred_at,touchpoint\nanna,2026-01-01 10:00:00,home\n"


def configure(folder: Path, path: str = "in", system: str = "table", more: str = "") -> Path:
    """A configuration of one source, with a good file beside what the test adds."""
    (folder / "in").mkdir(exist_ok=True)
    text = f"sources:\n  log: {{system: {system}, path: {json.dumps(path)}, timezone: UTC{more}}}\n"
    (folder / "journey.yaml").write_text(text)
    return folder / "journey.yaml"


def counted(config: Path) -> dict[str, tuple[int, int]]:
    """File -> (events, quarantined) of a run."""
    published = run_all(config).published
    assert published is not None
    with duckdb.connect(str(published / "journeys.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "select path, event_count, quarantined_count from source_files order by 1"
        ).fetchall()
    return {path: (events, quarantined) for path, events, quarantined in rows}


def reasons(config: Path) -> list[str]:
    """Why records of the published run are in quarantine."""
    database = config.parent / "journeys" / "current" / "journeys.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        return [
            row[0]
            for row in connection.execute("select reason from quarantine_summary order by 1").fetchall()
        ]


@pytest.mark.parametrize("path", ["in", "in/*.csv", "in/**/*"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    """Whoever may drop files must not choose what else is read."""
    config = configure(tmp_path, path)
    (tmp_path / "in" / "a.csv").write_text(LOG)
    (tmp_path / "secret.csv").write_text(LOG)
    (tmp_path / "in" / "b.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(SourceError, match="leads out of its folder"):
        run_all(config)


def test_links_within_the_folder_and_in_path_are_followed(tmp_path: Path) -> None:
    """`latest -> 2026-01-02` is an honest way to deliver; a second name of one file brings duplicates only."""
    config = configure(tmp_path, "latest")
    (tmp_path / "in" / "a.csv").write_text(LOG)
    (tmp_path / "in" / "b.csv").symlink_to("a.csv")
    (tmp_path / "latest").symlink_to("in")
    assert counted(config) == {"latest/a.csv": (1, 0), "latest/b.csv": (0, 0)}


def test_a_linked_folder_is_not_walked_out_of(tmp_path: Path) -> None:
    """A link to a folder elsewhere brings nothing in."""
    config = configure(tmp_path)
    (tmp_path / "in" / "a.csv").write_text(LOG)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c.csv").write_text(LOG.replace("anna", "ben"))
    (tmp_path / "in" / "more").symlink_to(tmp_path / "elsewhere")
    assert counted(config) == {"in/a.csv": (1, 0)}


def test_the_key_cannot_be_read_as_an_export(tmp_path: Path) -> None:
    """Nor anything else below the home, even when a source's folder holds the home."""
    config = configure(tmp_path, ".")
    (tmp_path / "in" / "a.csv").write_text(LOG)
    (tmp_path / "journey.yaml").rename(tmp_path / "in" / "journey.yml")
    config = configure(tmp_path, "**/*.csv")
    run_all(config)
    (tmp_path / "journeys" / "private" / "x.csv").write_text(LOG.replace("anna", "ben"))
    assert list(counted(config)) == ["in/a.csv"]


NAMES = [
    "it's.csv",
    'a "b".csv',
    "[a]*?.csv",
    "a;drop table files;--.csv",
    "$(id).csv",
    "ünï 🛒.csv",
    "-rf.csv",
    "{x}.csv",
]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_odd_names_are_names(tmp_path: Path, form: str) -> None:
    """Quotes, signs of patterns and blanks mean nothing; beside files that a pattern would match."""
    config = configure(tmp_path)
    names = [name.replace(".csv", f".{form}") for name in (*NAMES, "a1.csv", "aXY.csv")]
    for number, name in enumerate(names):
        text = LOG.replace("anna", f"c{number}")
        path = tmp_path / "in" / name
        if form == "csv":
            path.write_text(text)
        else:
            head, row = (line.split(",") for line in text.splitlines())
            pq.write_table(pa.table({key: [value] for key, value in zip(head, row, strict=True)}), path)
    assert counted(config) == {f"in/{name}": (1, 0) for name in sorted(names)}


def test_what_is_not_finished_is_left_out(tmp_path: Path) -> None:
    """What a copy in progress and an editor leave beside the exports; a file that is named is read, whatever its name."""
    config = configure(tmp_path)
    for name in ("a.csv", "a.csv~", "b.csv.part", ".b.csv.x7", "c.TMP", "partial.csv"):
        (tmp_path / "in" / name).write_text(LOG.replace("anna", name))
    assert list(counted(config)) == ["in/a.csv", "in/partial.csv"]
    assert counted(configure(tmp_path, "in/c.TMP"))["in/c.TMP"] == (1, 0)


@pytest.mark.parametrize("name", [b"new\nline.csv", b"tab\t.csv", b"latin-\xe9.csv", b"bell\x07.csv"])
def test_names_that_cannot_be_shown_are_refused(tmp_path: Path, name: bytes) -> None:
    """They would break the lines of logs and tables."""
    config = configure(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)).write_text(LOG)
    with pytest.raises(SourceError, match="cannot be shown") as caught:
        run_all(config)
    assert str(caught.value).isascii()


def test_a_home_may_be_a_link(tmp_path: Path) -> None:
    """Snapshots lie where it leads."""
    config = configure(tmp_path)
    (tmp_path / "in" / "a.csv").write_text(LOG)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "journeys").symlink_to("elsewhere")
    assert counted(config) == {"in/a.csv": (1, 0)}
    assert (tmp_path / "elsewhere" / "current" / "journeys.duckdb").is_file()
    assert (tmp_path / "elsewhere" / "private").stat().st_mode & 0o077 == 0


def test_columns_of_a_file_are_names_and_no_sql(tmp_path: Path) -> None:
    """A column that a preset's pattern finds is quoted, whatever stands in it."""
    config = configure(tmp_path, system="qualtrics")
    column = 'x") from (select 1) as r; drop table store.main.files; --_NPS'
    table = {"ResponseId": ["R1"], "EndDate": ["2026-01-01 10:00:00"], "Finished": ["1"], column: ["9"]}
    pq.write_table(pa.table(table), tmp_path / "in" / "a.parquet")
    assert counted(config) == {"in/a.parquet": (1, 0)}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_mapped_columns_are_names_and_no_sql(tmp_path: Path, form: str) -> None:
    """So is a column that journey.yaml names."""
    who = "w\"ho'; drop table files; --"
    config = configure(tmp_path, more=f", columns: {{customer_id: {json.dumps(who)}}}")
    row = {who: "anna", "occurred_at": "2026-01-01 10:00:00", "touchpoint": "home"}
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "in" / "a.parquet")
    elif form == "jsonl":
        (tmp_path / "in" / "a.jsonl").write_text(json.dumps(row) + "\n")
    else:
        quoted = ",".join('"' + key.replace('"', '""') + '"' for key in row)
        (tmp_path / "in" / "a.csv").write_text(quoted + "\n" + ",".join(row.values()) + "\n")
    assert counted(config) == {f"in/a.{form}": (1, 0)}


DEEP = "[" * 200_000 + "]" * 200_000
BOMBS = {
    "a line of deep JSON": ("a.jsonl", '{"customer_id": ' + DEEP + "}\n", None),
    "a document of deep JSON": ("a.json", DEEP, "not"),
    "a document of rather deep JSON": ("a.json", '{"a": ' * 900 + "1" + "}" * 900, None),
    "half a million columns": ("b.csv", "a," * 500_000 + "\n" + "1," * 500_000 + "\n", f"more than {MAX_COLUMNS:,} columns"),
    "a line without end": ("b.csv", LOG + "x" * (17 << 20) + "\n", "longer than 16,777,216 bytes"),
    "a field without end": ("b.csv", LOG + '"' + ("x" * 1000 + "\n") * 17_000, None),
    "half a million empty lines": ("b.csv", LOG + "\n" * 500_000, None),
    "numbers beyond all bounds": ("a.jsonl", json.dumps({"customer_id": "a", "occurred_at": "9" * 5000, "touchpoint": "x"}) + "\n", "unreadable time"),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_its_record_or_file_only(tmp_path: Path, bomb: str) -> None:
    """The run publishes what the other file holds, and says why the bomb is in quarantine."""
    name, content, reason = BOMBS[bomb]
    config = configure(tmp_path)
    (tmp_path / "in" / "good.csv").write_text(LOG.replace("anna", "good"))
    (tmp_path / "in" / name).write_text(content)
    assert counted(config)["in/good.csv"] == (1, 0)
    assert reason is None or any(reason in found for found in reasons(config)), reasons(config)


def test_what_is_kept_of_bad_records_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of nothing but long, broken records: every one is listed with its size, few with all of their bytes."""
    monkeypatch.setattr(bytestream, "FILE_KEPT_BYTES", 10_000)
    config = configure(tmp_path)
    (tmp_path / "in" / "good.csv").write_text(LOG)
    (tmp_path / "in" / "bomb.csv").write_bytes(LOG.encode() + (b"\xff" * 3_000 + b"\n") * 20)
    assert counted(config)["in/bomb.csv"][1] == 20
    (store,) = (tmp_path / "journeys" / "private").glob("*.duckdb")
    with duckdb.connect(str(store), read_only=True) as connection:
        sizes = connection.execute(
            "select octet_length(raw), byte_count from quarantine order by line"
        ).fetchall()
    assert sizes == [(3_000, 3_000)] * 3 + [(500, 3_000)] * 17


MEASURE = """
import re, sys
from pathlib import Path
from journey_mining.pipeline import run_all
run_all(Path(sys.argv[1]))
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""
"""The peak of the process since it began; `ru_maxrss` begins with that of the one that started it."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "head", ["", '{"events": [', LOG], ids=["of nothing", "that begins as JSON", "that begins as a log"]
)
def test_a_gzip_bomb_is_read_in_bounded_memory(tmp_path: Path, head: str) -> None:
    """Two gigabytes in two megabytes: the run ends well, with less memory than a third of them."""
    config = configure(tmp_path)
    (tmp_path / "in" / "good.csv").write_text(LOG)
    with gzip.open(tmp_path / "in" / "bomb.gz", "wb", compresslevel=1) as file:
        file.write(head.encode())
        for _ in range(2048):
            file.write(b" " * (1 << 20) if head.startswith("{") else b"\0" * (1 << 20))
    assert 8 * MAX_DOCUMENT_BYTES <= 2048 << 20
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(config)], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    print(f"\npeak: {done.stdout.split()[-1]} MiB")
    assert int(done.stdout.split()[-1]) < 680
