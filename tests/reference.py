"""What sessions, journeys and their figures are, in slow and obvious Python.

Written from the definitions, not from the SQL, so that the two can be held against each other. Everything
works on the events of one log that are not later than the cutoff.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from statistics import median

MICROS = 1_000_000


@dataclass(frozen=True)
class Event:
    """One event as the definitions see it."""

    number: int
    """Its id."""
    at: int
    """Microseconds since 1970, UTC."""
    customer: str | None
    touchpoint: str
    stage: int | None
    """1-based position of its stage; None when unmapped."""
    channel: str
    by: str
    is_background: bool
    source_rank: int
    sequence: int
    is_goal: bool
    value: float | None = None

    @property
    def place(self) -> tuple[int, int, int, str, int]:
        """The total order: time, source precedence, sequence, event name, id."""
        return self.at, self.source_rank, self.sequence, self.touchpoint, self.number

    @property
    def is_contact(self) -> bool:
        """Counts as a step."""
        return not self.is_background

    @property
    def is_activity(self) -> bool:
        """Done by the customer."""
        return self.by == "customer" and self.is_contact


@dataclass(frozen=True)
class Rules:
    """The settings that the definitions depend on, in microseconds."""

    cutoff: int
    inactivity: int
    expiry: int
    ends_on_goal: bool = False
    collapses: bool = True
    max_session: int = 24 * 3600 * MICROS
    max_events: int = 10_000
    by_channel: bool = False
    stage_count: int = 5
    flow_steps: int = 6


@dataclass
class Session:
    """Events of one customer with no gap over the limit."""

    events: list[Event]
    is_flagged: bool = False

    @property
    def id(self) -> int:
        """Number of its first event."""
        return self.events[0].number


@dataclass
class JourneyStep:
    """Consecutive contacts at one touchpoint."""

    events: list[Event]
    gap_seconds: float | None = None

    @property
    def touchpoint(self) -> str:
        """The touchpoint."""
        return self.events[0].touchpoint


@dataclass
class Journey:
    """A customer's contacts from entry to conversion, expiry or cutoff."""

    customer: str
    contacts: list[Event]
    steps: list[JourneyStep] = field(default_factory=list)
    state: str = ""
    is_alive: bool = False
    is_flagged: bool = False

    @property
    def id(self) -> int:
        """Number of its first contact."""
        return self.contacts[0].number

    @property
    def clock(self) -> int:
        """From when its expiry runs: the last activity; without any, the last contact."""
        activities = [event.at for event in self.contacts if event.is_activity]
        return activities[-1] if activities else self.contacts[-1].at

    @property
    def goal(self) -> Event | None:
        """The first event at the goal."""
        return next((event for event in self.contacts if event.is_goal), None)

    @property
    def goal_step(self) -> int | None:
        """1-based number of the first step at the goal."""
        return next((n for n, step in enumerate(self.steps, 1) if any(e.is_goal for e in step.events)), None)

    @property
    def stages(self) -> list[tuple[int, int]]:
        """(stage, time) of each mapped step, in order."""
        return [(s.events[0].stage, s.events[0].at) for s in self.steps if s.events[0].stage is not None]


def by_customer(events: Iterable[Event], rules: Rules) -> dict[str, list[Event]]:
    """The events of each known customer up to the cutoff, in order."""
    lives: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.place):
        if event.customer is not None and event.at <= rules.cutoff:
            lives[event.customer].append(event)
    return dict(lives)


def cut_sessions(life: list[Event], rules: Rules) -> list[Session]:
    """Sessions of one customer: a gap of more than the inactivity limit opens a new one."""
    channels = sorted({event.channel for event in life}) if rules.by_channel else [None]
    sessions = []
    for channel in channels:
        own = [event for event in life if event.is_activity and channel in (None, event.channel)]
        for event in own:
            last = sessions[-1].events[-1] if sessions else None
            same = last is not None and (channel is None or last.channel == channel)
            if same and event.at - last.at <= rules.inactivity:
                sessions[-1].events.append(event)
            else:
                sessions.append(Session([event]))
    for session in sessions:
        lasted = session.events[-1].at - session.events[0].at
        session.is_flagged = lasted > rules.max_session or len(session.events) > rules.max_events
    return sessions


def cut_journeys(life: list[Event], sessions: list[Session], rules: Rules) -> list[Journey]:
    """Journeys of one customer, with their steps and their state at the cutoff."""
    journeys: list[Journey] = []
    for contact in (event for event in life if event.is_contact):
        last = journeys[-1] if journeys else None
        ended = last is not None and rules.ends_on_goal and last.contacts[-1].is_goal
        if last is None or ended or contact.at - last.clock > rules.expiry:
            journeys.append(Journey(contact.customer or "", [contact]))
        else:
            last.contacts.append(contact)
    flagged = {event.number for session in sessions if session.is_flagged for event in session.events}
    for journey in journeys:
        journey.steps = cut_steps(journey, rules)
        journey.is_alive = rules.cutoff - journey.clock <= rules.expiry and not (
            rules.ends_on_goal and journey.goal
        )
        journey.state = "converted" if journey.goal else "open" if journey.is_alive else "dropped_off"
        journey.is_flagged = any(contact.number in flagged for contact in journey.contacts)
    return journeys


def cut_steps(journey: Journey, rules: Rules) -> list[JourneyStep]:
    """Steps of a journey: consecutive contacts at a touchpoint are one, unless repeats are kept."""
    if rules.collapses:
        runs = [list(run) for _, run in groupby(journey.contacts, key=lambda event: event.touchpoint)]
    else:
        runs = [[event] for event in journey.contacts]
    steps = [JourneyStep(run) for run in runs]
    for before, after in pairwise(steps):
        after.gap_seconds = (after.events[0].at - before.events[-1].at) / MICROS
    return steps


def journey_of(event: Event, journeys: list[Journey], rules: Rules) -> int | None:
    """The journey of an event: a contact's own; for background the one that is alive just before it."""
    if event.is_contact:
        return next(j.id for j in journeys if any(contact.number == event.number for contact in j.contacts))
    begun = [j for j in journeys if j.contacts[0].place < event.place]
    if not begun:
        return None
    so_far = Journey(begun[-1].customer, [c for c in begun[-1].contacts if c.place < event.place])
    ended = rules.ends_on_goal and so_far.contacts[-1].is_goal
    return so_far.id if not ended and event.at - so_far.clock <= rules.expiry else None


@dataclass
class World:
    """All that follows from a log."""

    lives: dict[str, list[Event]]
    sessions: list[Session]
    journeys: list[Journey]
    rules: Rules

    @property
    def kept(self) -> list[Journey]:
        """Journeys that count in rates: those that a person can have made."""
        return [journey for journey in self.journeys if not journey.is_flagged]


def derive(events: Iterable[Event], rules: Rules) -> World:
    """Sessions and journeys of every customer of a log."""
    lives = by_customer(events, rules)
    world = World(lives, [], [], rules)
    for life in lives.values():
        sessions = cut_sessions(life, rules)
        world.sessions += sessions
        world.journeys += cut_journeys(life, sessions, rules)
    return world


def rate(part: float, whole: float) -> float | None:
    """A share, None of nothing."""
    return part / whole if whole else None


def count_transitions(world: World) -> dict[tuple[str, str], dict[str, object]]:
    """Figures of each transition, by (from, to)."""
    moves: dict[tuple[str, str], list[tuple[Journey, float | None, bool]]] = defaultdict(list)
    for journey in world.kept:
        names = ["__start__", *(step.touchpoint for step in journey.steps), "__end__"]
        for number, pair in enumerate(pairwise(names)):
            gap = journey.steps[number].gap_seconds if 0 < number < len(journey.steps) else None
            moves[pair].append((journey, gap, journey.goal_step is not None and journey.goal_step > number))
    return {pair: _figures(pair, found, moves) for pair, found in moves.items()}


def _figures(
    pair: tuple[str, str],
    found: list[tuple[Journey, float | None, bool]],
    moves: dict[tuple[str, str], list[tuple[Journey, float | None, bool]]],
) -> dict[str, object]:
    matured = {journey.id for journey, _, _ in found if journey.state != "open"}
    won = {journey.id for journey, _, is_before in found if is_before}
    gaps = [gap for _, gap, _ in found if gap is not None]
    return {
        "transition_count": len(found),
        "journey_count": len({journey.id for journey, _, _ in found}),
        "customer_count": len({journey.customer for journey, _, _ in found}),
        "probability": len(found) / sum(len(m) for key, m in moves.items() if key[0] == pair[0]),
        "probability_into": len(found) / sum(len(m) for key, m in moves.items() if key[1] == pair[1]),
        "median_gap_seconds": median(gaps) if gaps else None,
        "matured_count": len(matured),
        "conversion_rate": rate(len(won & matured), len(matured)),
    }


def count_funnel(world: World) -> dict[tuple[str, int], dict[str, object]]:
    """Figures of each stage of the funnel, by (unit, stage number)."""
    by_journey = {str(j.id): [j] for j in world.kept}
    by_customer_: dict[str, list[Journey]] = defaultdict(list)
    for journey in world.kept:
        by_customer_[journey.customer].append(journey)
    return {
        **_funnel("journeys", by_journey, world.rules.stage_count),
        **_funnel("customers", by_customer_, world.rules.stage_count),
    }


def _funnel(
    unit: str, units: dict[str, list[Journey]], last: int
) -> dict[tuple[str, int], dict[str, object]]:
    mapped = {name: [s for j in js for s in j.stages] for name, js in units.items()}
    furthest = {name: max((stage for stage, _ in stages), default=0) for name, stages in mapped.items()}
    is_open = {name: any(journey.is_alive for journey in journeys) for name, journeys in units.items()}
    return {
        (unit, stage): _stage(stage, stage == last, mapped, furthest, is_open) for stage in range(1, last + 1)
    }


def _stage(
    stage: int,
    is_last: bool,
    mapped: dict[str, list[tuple[int, int]]],
    furthest: dict[str, int],
    is_open: dict[str, bool],
) -> dict[str, object]:
    entered = [name for name in furthest if furthest[name] >= stage]
    stuck = [name for name in entered if furthest[name] == stage]
    left, still = [n for n in stuck if not is_open[n]], [n for n in stuck if is_open[n]]
    on = len(entered) - len(stuck)
    waits = [wait for stages in mapped.values() if (wait := _wait(stages, stage)) is not None]
    return {
        "entered": len(entered),
        "converted": len(entered) if is_last else on,
        "dropped_off": 0 if is_last else len(left),
        "open": 0 if is_last else len(still),
        "skipped": sum(all(found != stage for found, _ in mapped[name]) for name in entered),
        "strict_entered": sum(
            _is_strict([found for found, _ in stages], stage) for stages in mapped.values()
        ),
        "conversion_rate": None if is_last else rate(on, on + len(left)),
        "median_seconds": median(waits) / MICROS if waits else None,
    }


def _wait(stages: list[tuple[int, int]], stage: int) -> int | None:
    """From first reaching a stage to first reaching the next one, when that is not earlier."""
    here = min((at for found, at in stages if found == stage), default=None)
    there = min((at for found, at in stages if found == stage + 1), default=None)
    return None if here is None or there is None or there < here else there - here


def _is_strict(stages: list[int], stage: int) -> bool:
    """Whether 1, 2, … `stage` come in this order, with anything between them."""
    wanted = 1
    for found in stages:
        wanted += found == wanted
    return wanted > stage


def count_step_flow(world: World) -> Counter[tuple[str, int, str, str]]:
    """Journeys by (anchor, step number, from, to)."""
    flow: Counter[tuple[str, int, str, str]] = Counter()
    for journey in world.kept:
        names = [step.touchpoint for step in journey.steps]
        flow.update(_forward(names, journey, world.rules.flow_steps))
        if journey.goal_step is not None:
            flow.update(_backward(names, journey.goal_step, world.rules.flow_steps))
    return flow


def _forward(names: list[str], journey: Journey, shown: int) -> list[tuple[str, int, str, str]]:
    last = journey.goal_step or len(names)
    moves = [("start", 0, "__start__", names[0])]
    for number in range(1, min(last, shown) + 1):
        if number == last:
            target = f"__{journey.state}__"
        elif number == shown:
            target = "__beyond__"
        else:
            target = names[number]
        moves.append(("start", number, names[number - 1], target))
    return moves


def _backward(names: list[str], goal_step: int, shown: int) -> list[tuple[str, int, str, str]]:
    path = ["__start__", *names[:goal_step]]
    moves = [("conversion", n, path[-n - 1], path[-n]) for n in range(1, min(goal_step, shown) + 1)]
    if goal_step > shown:
        anchor, number, _, target = moves[-1]
        moves[-1] = (anchor, number, "__beyond__", target)
    return moves


def count_variants(world: World) -> dict[str, dict[str, object]]:
    """Figures of each sequence of touchpoints, by its text."""
    groups: dict[str, list[Journey]] = defaultdict(list)
    for journey in world.kept:
        groups[" > ".join(step.touchpoint for step in journey.steps)].append(journey)
    return {
        text: {
            "journey_count": len(found),
            "customer_count": len({journey.customer for journey in found}),
            "converted_count": sum(journey.state == "converted" for journey in found),
            "conversion_rate": _matured_rate(found),
            "share": len(found) / len(world.kept),
            "median_throughput_seconds": median(j.contacts[-1].at - j.contacts[0].at for j in found) / MICROS,
        }
        for text, found in groups.items()
    }


def count_channel_switches(world: World) -> dict[tuple[str, str], dict[str, object]]:
    """Figures of each change of channel between consecutive steps, by (from, to)."""
    found: dict[tuple[str, str], list[Journey]] = defaultdict(list)
    for journey in world.kept:
        channels = [step.events[0].channel for step in journey.steps]
        for pair in pairwise(channels):
            if pair[0] != pair[1]:
                found[pair].append(journey)
    return {
        pair: {
            "switch_count": len(journeys),
            "journey_count": len({journey.id for journey in journeys}),
            "customer_count": len({journey.customer for journey in journeys}),
            "conversion_rate": _matured_rate({journey.id: journey for journey in journeys}.values()),
        }
        for pair, journeys in found.items()
    }


def _matured_rate(journeys: Iterable[Journey]) -> float | None:
    counts = Counter(journey.state for journey in journeys)
    return rate(counts["converted"], counts["converted"] + counts["dropped_off"])
