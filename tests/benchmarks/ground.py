"""Where one size is measured: its folder, its settings, and the journey.yaml files over the generated exports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import yaml

from journey_mining.sources.presets import duckdb_type, load_preset
from journey_mining.warehouse import OFFLINE_SETTINGS, STORAGE_VERSION

Form = Literal["parquet", "jsonl"]
DAYS = 120
"""Days that the sample company's exports cover: as many web files."""
SEED = 1


@dataclass(frozen=True)
class Ground:
    """One size under test; every part gets the same threads and memory limit."""

    folder: Path
    """Holds the generated exports (parquet/ and jsonl/) and the scratch folder work/."""
    events: int
    """Web events that were asked for."""
    threads: int = 2
    memory_limit: str = "6GB"
    nights: int = 7
    """Nights in turn in which a day's files arrive."""

    @property
    def work(self) -> Path:
        """Scratch: homes and databases of this run."""
        return self.folder / "work"

    @property
    def published(self) -> Path:
        """The snapshot that the part `night` publishes of the Parquet exports."""
        return self.work / self.night_home("parquet") / "current"

    @staticmethod
    def night_home(form: Form) -> str:
        """Name of the home of the part `night`."""
        return f"night_{form}"

    @property
    def log(self) -> Path:
        """The contacts of that snapshot, customer_id, journey_id, occurred_at and touchpoint."""
        return self.work / "contacts.parquet"

    def exports(self, form: Form) -> Path:
        """The company whose web exports have that form."""
        return self.folder / form

    def web_files(self, form: Form) -> list[str]:
        """Paths of the web exports, sorted."""
        return [str(path) for path in sorted((self.exports(form) / "web").iterdir())]

    def write_config(
        self, name: str, form: Form, sources: tuple[str, ...] = (), folder: Path | None = None
    ) -> Path:
        """Path of work/<name>.yaml: the company's journey.yaml with a home in work/, and only `sources` if given.

        `folder` holds the exports where it is not that of the form.
        """
        document = yaml.safe_load((self.exports(form) / "journey.yaml").read_text(encoding="utf-8"))
        chosen = {key: value for key, value in document["sources"].items() if not sources or key in sources}
        for source in chosen.values():
            source["path"] = str((folder or self.exports(form)) / source["path"])
        own = {"home": str(self.work / name), "threads": self.threads, "memory_limit": self.memory_limit}
        self.work.mkdir(parents=True, exist_ok=True)
        path = self.work / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**document, **own, "sources": chosen}), encoding="utf-8")
        return path

    def connect(self, name: str) -> duckdb.DuckDBPyConnection:
        """DuckDB alone on work/<name>, with the threads, the memory and the storage version that a run has."""
        settings: dict[str, Any] = {
            **OFFLINE_SETTINGS,
            "threads": self.threads,
            "memory_limit": self.memory_limit,
            "temp_directory": str(self.work / "spill"),
        }
        connection = duckdb.connect(config=settings)
        connection.execute(f"attach '{self.work / name}' as bench (storage_version '{STORAGE_VERSION}')")
        connection.execute("use bench")
        return connection


def declared_columns() -> str:
    """The columns of the GA4 preset as read_json wants them declared."""
    table = load_preset("ga4").tables["events"].used(load_preset("ga4").sql)
    pairs = (f"'{name}': '{duckdb_type(kind)}'" for name, kind in table.columns.items())
    return "{" + ", ".join(pairs) + "}"


def folder_bytes(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
