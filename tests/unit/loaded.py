"""Files written and loaded through a preset, and what is then in the store: the readable side of reading tests."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from journey_mining.config import Config, Identity, Source
from journey_mining.sources.changes import begin_changes
from journey_mining.sources.keys import pads_of
from journey_mining.sources.load import Batch, LoadedFile, load_batch, register_functions
from journey_mining.sources.presets import load_preset
from journey_mining.sources.shapes import find_shape
from journey_mining.warehouse import Warehouse, open_warehouse

KEY = b"a key of thirty-two bytes, or so"
Row = dict[str, Any]
Content = bytes | str
_EVENTS = """
select
    s.event_name, s.initiator, s.is_background, s.channel, s.device, s.page_path, s.object_type, s.status,
    s.campaign_source, s.campaign_medium, s.score_kind,
    e.*
from staged_events as e
inner join signatures as s using (signature_id)
order by e.occurred_us, e.file_no, e.line, e.item
"""


def identifier_hash(kind: str, normal: str, key: bytes = KEY) -> str:
    """What the store holds in the place of an identifier, by Python's own HMAC."""
    return hmac.new(key, f"{kind}:{normal}".encode(), hashlib.sha256).hexdigest()[:32]


def pseudonym(kind: str, content: str, key: bytes = KEY) -> str:
    """What the store holds in the place of an agent or a visit, by Python's own hashes."""
    row_key = hmac.new(key, b"journey-mining row ids", hashlib.sha256).hexdigest()[:32]
    text = f"{row_key}\x1f{kind}\x1f{content}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:16]


def json_document(key: str, *records: Row) -> str:
    """One page of an API."""
    return json.dumps({key: list(records), "next_page": None}, indent=2)


def json_lines(*records: Row) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def csv_text(*records: Mapping[str, object]) -> str:
    """A table of records that have the same keys."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


_ENTER = "insert into store.main.files select $1, 'f' || $1, 'source', 'system', null, $2, 'csv', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 'read'"


def utc(text: str) -> int:
    """Microseconds of a UTC time such as 2024-05-01T10:00:00."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)


@dataclass
class Loaded:
    """A store into which files were read, batch after batch."""

    folder: Path
    system: str
    settings: Row = field(default_factory=dict)
    files: list[LoadedFile] = field(default_factory=list)
    unrecognised: list[str] = field(default_factory=list)
    _warehouse: Warehouse | None = None

    @property
    def warehouse(self) -> Warehouse:
        if self._warehouse is None:
            self._warehouse = open_warehouse(
                self.folder / "p.duckdb",
                self.folder / "s.duckdb",
                self.folder / "spill",
                register_functions,
                "1GB",
                2,
            )
        return self._warehouse

    def read(self, contents: Mapping[str, Content]) -> Loaded:
        """Write the files and read them as one batch."""
        paths = []
        for name, content in contents.items():
            path = self.folder / "export" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths.append(path)
        return self.read_paths(paths)

    def read_paths(self, paths: list[Path]) -> Loaded:
        """Read files as one batch; those that are no table of the system are named in `unrecognised`."""
        source = Source(system=self.system, path="export", **self.settings)
        preset = load_preset(self.system)
        fresh = []
        for path in paths:
            shape = find_shape(path, source, preset)
            if shape.table is None:
                self.unrecognised.append(path.name)
                continue
            fresh.append(LoadedFile(len(self.files) + len(fresh) + 1, path, path.name, shape))
        config = Config(sources={"source": source}, identity=Identity())
        begin_changes(self.warehouse)
        load_batch(self.warehouse, Batch("source", source, preset, fresh, fresh), config, pads_of(KEY))
        for file in fresh:
            self.warehouse.connection.execute(_ENTER, [file.file_no, file.relative])
        self.files += fresh
        return self

    def events(self) -> list[Row]:
        """The events, with what their signature says, in the order of time."""
        found = self.warehouse.rows(_EVENTS)
        kinds = self.kinds_by_key()
        return [{**row, "kinds": kinds.get(row["identity_key"], "")} for row in found]

    def kinds_by_key(self) -> dict[Any, str]:
        """Kinds of identifier in each combination, for example 'contact_id email'."""
        rows = self.warehouse.rows(
            "select identity_key, string_agg(identifier_type, ' ' order by identifier_type) as kinds "
            "from identifier_sets group by identity_key"
        )
        return {row["identity_key"]: row["kinds"] for row in rows}

    def hashes(self, event: Row) -> set[str]:
        """The hashed identifiers of an event, as 32 hexadecimal digits."""
        rows = self.warehouse.rows(
            "select identifier_hash from identifier_sets where identity_key = $key",
            {"key": event["identity_key"]},
        )
        return {row["identifier_hash"].hex for row in rows}

    def quarantine(self) -> list[tuple[int, str]]:
        """(line, reason) of what is no event."""
        rows = self.warehouse.rows("select line, reason from quarantine order by file_no, line, item")
        return [(row["line"], row["reason"]) for row in rows]

    def counts(self) -> list[tuple[int, int, int, int]]:
        """(records, events, duplicates, quarantined) of each file."""
        return [
            (file.record_count, file.event_count, file.duplicate_count, file.quarantined_count)
            for file in self.files
        ]

    def assert_conserved(self) -> None:
        """Every record of every file that is no lookup has a first item, and every item one fate."""
        for file in self.files:
            if file.status == "lookup":
                assert file.item_count == len(file.bad) == file.quarantined_count
                continue
            fates = (file.event_count, file.duplicate_count, file.quarantined_count, file.refused_count)
            assert file.item_count == sum(fates), file.relative
            if not file.refused_count:
                assert self.record_fates(file.file_no) == file.record_count, file.relative

    def record_fates(self, file_no: int) -> int:
        """Records of a file of which something is known: an event, a duplicate, or why it is neither."""
        fates = " union all ".join(
            f"select line, {reason} as reason from {table} where file_no = $n and item = 1"
            for table, reason in (("staged_events", "''"), ("duplicates", "''"), ("quarantine", "reason"))
        )
        return int(self.warehouse.value(f"select count(*) from ({fates})", {"n": file_no}))


def load(folder: Path, system: str, contents: Mapping[str, Content], **settings: Any) -> Loaded:
    """The store after reading the given files of one source as one batch."""
    return Loaded(folder, system, settings).read(contents)
