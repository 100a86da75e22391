"""What a run would read, without reading it: files, sizes and recognised tables of each source."""

from __future__ import annotations

import difflib
from collections import Counter
from pathlib import Path
from typing import Any

from journey_mining import audits
from journey_mining.config import Config, Source, load_config, locate
from journey_mining.errors import JourneyMiningError
from journey_mining.notification import check_command
from journey_mining.sources.found import check_source, find_files, preset_of
from journey_mining.sources.shapes import find_shape
from journey_mining.touchpoints import check_rules


def check_config(config_path: Path) -> list[dict[str, Any]]:
    """One dictionary a source; raises the first error found.

    Its keys: source, system, files, bytes, tables (name -> files) and read_before (path -> the source above that reads
    the same file too, so that what both make events of counts twice).
    """
    config = load_config(config_path)
    check_rules(config)
    audits.check_names(config)
    check_command(config)
    readers: dict[Path, str] = {}
    return [_check_source(config, name, source, readers) for name, source in config.sources.items()]


def doubt_goal(config_path: Path) -> str | None:
    """A warning when `goal:` resembles a stage or a rule's touchpoint and is none; None otherwise.

    Exports may name touchpoints of their own, so that only a run can say for sure.
    """
    config = load_config(config_path)
    known = list(dict.fromkeys([*config.stages, *(rule.name for rule in config.touchpoints)]))
    near = difflib.get_close_matches(config.goal or "", known, 3, 0.8)
    if config.goal in known or not near:
        return None
    return (
        f"{locate(config_path, 'goal')}: goal: '{config.goal}' is neither a stage nor the touchpoint of a rule; nothing "
        f"converts unless an export has a touchpoint of that name. Did you mean {' or '.join(map(repr, near))}?"
    )


def _check_source(config: Config, name: str, source: Source, readers: dict[Path, str]) -> dict[str, Any]:
    """What `check_config` tells of a source; `readers` has the source that makes events of each file so far."""
    preset = preset_of(config, source)
    check_source(config, name, source, preset)
    files = find_files(config, name, source)
    try:
        shapes = [find_shape(file.path, source, preset) for file in files]
        size = sum(file.path.stat().st_size for file in files)
    except OSError as error:
        raise JourneyMiningError(
            f"sources.{name}: {error.filename} cannot be read: {error.strerror}.",
            fix="give this user read access to it",
        ) from error
    told = [
        file
        for file, shape in zip(files, shapes, strict=True)
        if shape.table and preset.tables[shape.table].role != "lookup"
    ]
    tables = Counter(shape.table or f"not read ({shape.format})" for shape in shapes)
    return {
        "source": name,
        "system": preset.system,
        "files": len(files),
        "bytes": size,
        "tables": dict(sorted(tables.items())),
        "read_before": {
            file.relative: reader
            for file in told
            if (reader := readers.setdefault(file.path.resolve(), name)) != name
        },
    }
