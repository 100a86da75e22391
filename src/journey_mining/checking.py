"""What a run would read, without reading it: files, sizes and recognised tables of each source."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from journey_mining.config import load_config
from journey_mining.sources.ledger import check_source, find_files, preset_of
from journey_mining.sources.shapes import find_shape
from journey_mining.touchpoints import check_rules


def check_config(config_path: Path) -> list[dict[str, Any]]:
    """One dictionary a source; raises the first error found.

    Its keys: source, system, files, bytes, tables (name -> files) and read_before (path -> the source above that reads
    the same file too, so that what both make events of counts twice).
    """
    config = load_config(config_path)
    check_rules(config)
    found = []
    readers: dict[Path, str] = {}
    for name, source in config.sources.items():
        preset = preset_of(config, source)
        check_source(config, name, source, preset)
        files = find_files(config, name, source)
        shapes = [find_shape(file.path, source, preset) for file in files]
        told = [
            file
            for file, shape in zip(files, shapes, strict=True)
            if shape.table and preset.tables[shape.table].role != "lookup"
        ]
        tables = Counter(shape.table or f"not read ({shape.format})" for shape in shapes)
        found.append(
            {
                "source": name,
                "system": preset.system,
                "files": len(files),
                "bytes": sum(file.path.stat().st_size for file in files),
                "tables": dict(sorted(tables.items())),
                "read_before": {
                    file.relative: reader
                    for file in told
                    if (reader := readers.setdefault(file.path.resolve(), name)) != name
                },
            }
        )
    return found
