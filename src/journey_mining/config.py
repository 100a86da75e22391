"""journey.yaml: the parameters of a run, validated, with file:line:column in every complaint."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
)

from journey_mining.errors import ConfigError
from journey_mining.parameters import DEFAULT_STAGES, Duration, Parameters
from journey_mining.yaml_nodes import compose, construct, find_key, find_node, place_of

_NAME = re.compile(r"^[a-z_][a-z0-9_]*$")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*(%|[KMGT](?:i?B)?)", re.IGNORECASE)
_CRON_WORDS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_UNION_PART = re.compile(r"\[key\]|constrained-|function-|(?:literal|list|dict|union)\[")
"""How pydantic names the alternative of a type that a value was tried against; no setting is called so."""


def _check_zone(name: str) -> str:
    if name not in available_timezones():
        near = difflib.get_close_matches(name, available_timezones(), 1)
        raise ValueError("not an IANA time zone" + (f"; did you mean '{near[0]}'?" if near else ""))
    return name


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a name is lower-case letters, digits and underscores, and starts with a letter")
    return name


def _check_touchpoint(name: str) -> str:
    if re.fullmatch("__.*__", name, re.DOTALL):
        raise ValueError("names between double underscores are those of boundaries, such as __start__")
    return name


def _check_memory(value: object) -> str:
    """A size that DuckDB takes: at least a megabyte, or a share of the machine's memory."""
    text = str(value).strip()
    match = _MEMORY.fullmatch(text)
    number, unit = (float(match[1]), match[2][0].upper()) if match else (0.0, "%")
    if not (0 < number <= 100 if unit == "%" else 1e6 <= number * 1000.0 ** ("KMGT".index(unit) + 1) < 1e18):
        raise ValueError("expected a size such as '6GB', '512MB' or '80%'")
    return text


def _check_cron(value: object) -> str:
    """Five fields that both cronsim and Prefect understand, and that some day match."""
    from cronsim import CronSim, CronSimError

    text = str(value).strip()
    problem = "" if text in _CRON_WORDS or len(text.split()) == 5 else "it has not five fields"
    if re.search(r"LW|\dL", text, re.IGNORECASE):
        problem = "of L only the last day of a month is known"
    try:
        if not problem and text not in _CRON_WORDS:
            CronSim(text.replace("?", "*"), datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        problem = str(error).lower()
    if problem:
        raise ValueError(
            "expected a cron expression (minute, hour, day of month, month, day of week) such as '0 3 * * *': "
            + problem
        )
    return text


def _check_by(value: object) -> object:
    parts = value if isinstance(value, list) else []
    if value != "customer" and not (parts and all(part in ("customer", "channel") for part in parts)):
        raise ValueError("expected customer or [customer, channel]")
    return value


def _check_place(place: Path | str) -> Path | str:
    if "\0" in str(place):
        raise ValueError("no name of a file or folder holds the character NUL")
    if not str(place).strip():
        raise ValueError("expected the name of a file or folder")
    return place


def _check_positive(duration: timedelta) -> timedelta:
    if not duration:
        raise ValueError("expected a duration above zero")
    return duration


def _check_day(duration: timedelta) -> timedelta:
    if duration < timedelta(days=1):
        raise ValueError("expected a retention of a day or longer: what is older is erased for good")
    return duration


Zone = Annotated[str, AfterValidator(_check_zone)]
Name = Annotated[str, AfterValidator(_check_name)]
TouchpointName = Annotated[str, AfterValidator(_check_touchpoint)]


class Source(Parameters):
    """One configured input: one system's export, in one place."""

    system: str
    """The product the export comes from: the name of a preset, or the path of a preset file of your own."""
    path: Annotated[str, AfterValidator(_check_place)]
    """File, folder or glob, relative to journey.yaml."""
    timezone: Zone | None = None
    """Zone of times that carry none; required by systems that write local time."""
    columns: dict[str, str] = Field({})
    """Preset column <- column of the file, where they differ."""
    table: str | None = None
    """The preset's table that every file of this source is, when it cannot be told from the columns."""
    encoding: str = "utf-8"
    """Encoding of text files."""
    delimiter: str | None = None
    """Field separator of CSV files; found from the header row when absent."""
    order: Literal["as_written", "by_time"] | None = None
    """How events of equal time are ordered: as in the file, or by name; None leaves it to the preset."""
    currency: str | None = None
    """Currency of values that name none, ISO 4217."""
    consent: str | None = None
    """A SQL predicate over the preset's columns: only records of which it is true are read. None: the preset's own."""


class Sessions(Parameters):
    """How events become sessions."""

    inactivity: Duration = timedelta(minutes=30)
    """A longer gap opens a new session."""
    by: Annotated[Literal["customer"] | list[Literal["customer", "channel"]], BeforeValidator(_check_by)] = (
        "customer"
    )
    """customer: across channels; [customer, channel]: one session a channel."""
    max_session: Duration = timedelta(hours=24)
    """A longer session is flagged as non-human."""
    max_events: int = Field(10_000, gt=0)
    """A session of more events is flagged as non-human."""


class Journeys(Parameters):
    """How a customer's events become journeys."""

    expiry: Annotated[Duration, AfterValidator(_check_positive)] | Literal["never"] = timedelta(days=30)
    """A journey ends after more than this without an event that the customer initiated; or never."""
    ends_on: Literal["expiry", "goal"] = "expiry"
    """goal: the journey also ends at the goal."""
    repeats: Literal["collapse", "keep"] | None = None
    """Consecutive repeats of a touchpoint: one step, or a step each. Default: keep when expiry is never."""
    steps: list[TouchpointName] = Field([])
    """Background touchpoints that count as steps all the same."""

    @property
    def collapses_repeats(self) -> bool:
        """Whether consecutive repeats of a touchpoint are one step."""
        return (self.repeats or ("keep" if self.expiry == "never" else "collapse")) == "collapse"


class Identity(Parameters):
    """How identifiers become customers."""

    max_links: int = Field(20, gt=0)
    """An identifier linked to more than this many of one kind is shared: it links nothing and is listed."""
    max_user_ids: int = Field(1, gt=0)
    """An identifier linked to more than this many user ids is shared: accounts are not joined through a device."""
    poisoned: list[str] = Field([])
    """Further values that never identify anybody, beside the built-in ones."""
    key_id: str | None = None
    """Id of the key that hashes identifiers, of those that are known; None: the newest."""


class Touchpoint(Parameters):
    """A rule that names events: the first rule whose predicate holds wins."""

    name: TouchpointName = Field(min_length=1)
    """The touchpoint."""
    when: str
    """A SQL predicate over the event's signature (source, system, event_name, page_path, channel, ...)."""
    stage: str | None = None
    """Stage of the touchpoint; None leaves the default."""
    channel: Name | None = None
    """Channel of the touchpoint; None leaves the event's own."""
    background: bool = False
    """True: kept and counted as reach, but neither a step nor an activity of the customer."""


class Feedback(Parameters):
    """How scores attach to touchpoints."""

    within: Duration = timedelta(hours=72)
    """A score belongs to the customer's last touchpoint at most this long before it."""


class Schedule(Parameters):
    """When `serve` starts a run."""

    cron: Annotated[str, BeforeValidator(_check_cron)] = "0 3 * * *"
    """Cron expression, in the configured timezone."""


class Audits(Parameters):
    """From where on an audit speaks up, and which audits stop publication beside those that always do."""

    runs: int = Field(7, ge=1)
    """Earlier runs, with the same settings and models, that counts and shares are compared with."""
    min_runs: int = Field(3, ge=1)
    """With fewer of them nothing is compared."""
    shrink: float = Field(0.1, ge=0, le=1)
    """A count may fall by this share below the median of these runs."""
    grow: float = Field(1.0, ge=0)
    """A count may rise by this share above the largest of these runs."""
    drift: float = Field(0.1, ge=0, le=1)
    """The shares of unmapped contacts and stitched customers may differ by this from the median of these runs."""
    unmapped: float = Field(0.2, ge=0, le=1)
    """Share of contacts that may be without a stage."""
    quarantined: float = Field(0.01, ge=0, le=1)
    """Share of a source's items that may be in quarantine."""
    nonhuman: float = Field(0.01, ge=0, le=1)
    """Share of sessions that may be non-human."""
    late: dict[Name, Duration] = Field({})
    """Source -> how far its latest event may lie before the cutoff; others may pause twice as long as they ever did."""
    standstill: Duration = timedelta(days=2)
    """No event newer than in a run this long ago is worth a warning."""
    rewritten: bool = False
    """Whether a known file with other content is worth a warning even when it did not shrink."""
    stop: list[Name] = Field([])
    """Audits that only warn by themselves, and are to stop publication here."""


class Notify(Parameters):
    """Whom a run tells how it ended."""

    command: list[str] = Field(min_length=1)
    """Program and arguments, started without a shell in the folder of journey.yaml; JSON comes on its stdin."""
    states: list[Literal["failed", "stopped", "warned", "published"]] = Field(["failed", "stopped"])
    """Ends of a run that are told: it failed, an audit stopped it, it published with warnings, or without."""
    timeout: Duration = timedelta(seconds=30)
    """After this long the program is killed."""


class Report(Parameters):
    """What the published report shows."""

    title: str = "Customer journeys"
    """Title of the report."""
    min_cell: int = Field(5, ge=1)
    """Cells of fewer units are suppressed."""
    flow_steps: int = Field(6, ge=2, le=20)
    """Columns of the step flow."""


class Config(Parameters):
    """A whole journey.yaml."""

    home: Annotated[Path, AfterValidator(_check_place)] = Path("journeys")
    """Folder of snapshots and private state, relative to journey.yaml."""
    timezone: Zone = "UTC"
    """Zone of local dates in the report."""
    goal: Annotated[str, Field(min_length=1), AfterValidator(_check_touchpoint)] | None = "purchase"
    """Touchpoint (or, where there is none of that name, stage) that converts a journey."""
    sources: dict[Name, Source] = Field(min_length=1)
    """Inputs by name; the order is the precedence among events of equal time."""
    sessions: Sessions = Sessions()
    journeys: Journeys = Journeys()
    identity: Identity = Identity()
    stages: list[Name] = Field(list(DEFAULT_STAGES), min_length=1)
    """Stages in their order."""
    touchpoints: list[Touchpoint] = Field([])
    """Rules, first match wins."""
    feedback: Feedback = Feedback()
    schedule: Schedule = Schedule()
    audits: Audits = Audits()
    notify: Notify | None = None
    report: Report = Report()
    retention: Annotated[Duration, AfterValidator(_check_day)] | None = None
    """Events older than this are erased, counted back from the cutoff or the latest event, whichever is earlier.

    At least a day; None keeps all.
    """
    keep_snapshots: int = Field(5, ge=1)
    """Published snapshots that are kept; the one before the current is kept in any case, for readers on their way."""
    memory_limit: Annotated[str, BeforeValidator(_check_memory)] = "6GB"
    """Memory that DuckDB may use before it spills: a size such as 6GB, or a share of the machine's such as 80%."""
    threads: int | None = Field(None, ge=1, le=1024)
    """Threads; None takes all cores."""

    _path: Path = Path("journey.yaml")

    @property
    def path(self) -> Path:
        """Where this configuration was read from."""
        return self._path

    @property
    def home_dir(self) -> Path:
        """Absolute home folder."""
        return (self._path.parent / self.home).resolve()

    @property
    def retention_us(self) -> int | None:
        """The retention, microseconds."""
        return None if self.retention is None else round(self.retention.total_seconds() * 1_000_000)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that influences the figures (not the home folder, schedule, audits or resources)."""
        apart = {"home", "schedule", "audits", "notify", "keep_snapshots", "memory_limit", "threads"}
        kept = self.model_dump(mode="json", exclude=apart)
        return hashlib.sha256(json.dumps(kept, sort_keys=False).encode()).hexdigest()[:16]

    @field_validator("stages")
    @classmethod
    def _check_stages(cls, stages: list[str]) -> list[str]:
        if twice := [stage for number, stage in enumerate(stages) if stage in stages[:number]]:
            raise ValueError(f"the stage '{twice[0]}' is listed twice")
        return stages


def load_config(path: Path) -> Config:
    """The configuration in the file `path`; raises ConfigError with file:line:column."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} does not exist.", fix="write one with: journey-mining init, or name it with --config"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.", fix="save it as a readable UTF-8 text file"
        ) from error
    node = compose(path, text)
    try:
        config = Config.model_validate(construct(path, text))
    except ValidationError as error:
        raise _located(path, node, error) from error
    config._path = path.resolve()
    _check_touchpoint_stages(config, path, node)
    _check_late(config, path, node)
    return config


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    model: type[BaseModel] = Config
    nested: dict[str, type[BaseModel]] = {
        "sources": Source, "sessions": Sessions, "journeys": Journeys, "identity": Identity,
        "touchpoints": Touchpoint, "feedback": Feedback, "schedule": Schedule, "report": Report,
        "audits": Audits, "notify": Notify,
    }  # fmt: skip
    if len(location) > 1:
        model = nested.get(str(location[0]), Config)
    return list(model.model_fields)


def _located(path: Path, root: yaml.Node, error: ValidationError) -> ConfigError:
    problem = error.errors()[0]
    location = _setting_of(problem["loc"])
    dotted = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(location)
        near = difflib.get_close_matches(str(location[-1]), known, 1)
        return ConfigError(
            f"{place_of(path, find_key(root, location))}: unknown key '{dotted}'.",
            expected="one of " + ", ".join(known),
            fix=f"did you mean '{near[0]}'?" if near else "remove it",
        )
    node = find_node(root, location)
    message = problem["msg"].removeprefix("Value error, ")
    for other in error.errors()[1:]:  # the other alternatives of the same setting
        choice = other.get("ctx", {}).get("expected", "")
        if _setting_of(other["loc"]) == location and choice and choice not in message:
            message += f"; or {choice}"
    if problem["type"] == "missing":
        return ConfigError(
            f"{place_of(path, node)}: '{dotted}' is missing.", fix=f"add '{location[-1]}:' here"
        )
    found = repr(problem["input"]) if not isinstance(problem["input"], dict | list) else None
    name = f"'{dotted}'" if dotted else "the file"
    return ConfigError(f"{place_of(path, node)}: {name}: {message}.", found=found, fix="correct the value")


def _setting_of(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The keys and indexes that lead to a setting, without pydantic's names of alternatives."""
    return tuple(part for part in location if not (isinstance(part, str) and _UNION_PART.match(part)))


def _check_late(config: Config, path: Path, root: yaml.Node) -> None:
    for name in config.audits.late:
        if name not in config.sources:
            near = difflib.get_close_matches(name, config.sources, 1)
            raise ConfigError(
                f"{place_of(path, find_key(root, ('audits', 'late', name)))}: audits.late: '{name}' is none of the sources.",
                expected="some of " + ", ".join(config.sources),
                fix=f"did you mean '{near[0]}'?" if near else "name a source of 'sources:'",
            )


def _check_touchpoint_stages(config: Config, path: Path, root: yaml.Node) -> None:
    for index, rule in enumerate(config.touchpoints):
        if rule.stage is not None and rule.stage not in config.stages:
            near = difflib.get_close_matches(rule.stage, config.stages, 1)
            raise ConfigError(
                f"{place_of(path, find_node(root, ('touchpoints', index, 'stage')))}: unknown stage '{rule.stage}'.",
                expected="one of " + ", ".join(config.stages),
                fix=f"did you mean '{near[0]}'?" if near else "name a stage of 'stages:', or add it there",
            )


def locate(path: Path, *location: str | int) -> str:
    """file:line:column of a setting, for messages about a configuration that was already loaded."""
    try:
        return place_of(path, find_node(compose(path, path.read_text(encoding="utf-8")), location))
    except (OSError, ConfigError):
        return str(path)
