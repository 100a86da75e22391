"""Random event logs of a small made-up company, from plain to hostile: what the published test database is made of."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

STAGES = ["awareness", "consideration", "purchase", "retention", "advocacy"]
GOAL = "purchase"
CUTOFF = datetime(2025, 3, 31, 23, 59, 59)
EXPIRY = timedelta(days=30)

# touchpoint: (stage, channel)
CATALOG: dict[str, tuple[str | None, str]] = {
    "ad click": ("awareness", "paid_search"),
    "landing page": ("awareness", "web"),
    "newsletter click": ("awareness", "email"),
    "social post": ("awareness", "social"),
    "product page": ("consideration", "web"),
    "pricing page": ("consideration", "web"),
    "comparison": ("consideration", "web"),
    "store visit": ("consideration", "store"),
    "chat question": ("consideration", "chat"),
    "cart": ("purchase", "web"),
    "checkout": ("purchase", "web"),
    "purchase": ("purchase", "web"),
    "support call": ("retention", "phone"),
    "ticket opened": ("retention", "email"),
    "help article": ("retention", "web"),
    "review": ("advocacy", "web"),
    "referral": ("advocacy", "email"),
    "/beta/:id": (None, "unknown"),
}


@dataclass(frozen=True)
class Journey:
    """One journey of the log: who, when, and which touchpoints."""

    number: int
    customer: int
    touchpoints: tuple[str, ...]
    times: tuple[datetime, ...]
    is_flagged: bool = False

    @property
    def goal_step(self) -> int | None:
        """The 1-based step of the goal, or None."""
        return self.touchpoints.index(GOAL) + 1 if GOAL in self.touchpoints else None

    @property
    def state(self) -> str:
        """converted, dropped_off or open."""
        if self.goal_step:
            return "converted"
        return "open" if CUTOFF - self.times[-1] <= EXPIRY else "dropped_off"


@dataclass
class Log:
    """What the database is made from; every field may be replaced by a test."""

    journeys: list[Journey] = field(default_factory=list)
    catalog: dict[str, tuple[str | None, str]] = field(default_factory=lambda: dict(CATALOG))
    with_feedback: bool = True
    min_cell: int = 5


def random_log(
    count: int = 600,
    seed: int = 7,
    catalog: dict[str, tuple[str | None, str]] | None = None,
    purchase_weight: float = 1.0,
    start: datetime = datetime(2025, 1, 1),
) -> Log:
    """A random log of `count` journeys over the catalog."""
    draw = random.Random(seed)
    known = dict(catalog or CATALOG)
    names = list(known)
    weight = {name: 1 / (1 + position % 5) for position, name in enumerate(names)}
    weight[GOAL] = weight.get(GOAL, 0.0) * purchase_weight
    journeys = []
    for number in range(count):
        path = _random_path(draw, names, known, weight)
        begin = start + timedelta(seconds=draw.randrange(int((CUTOFF - start).total_seconds() * 0.97)))
        journeys.append(
            Journey(number, number % max(1, int(count * 0.8)), path, _times(draw, begin, len(path)))
        )
    return Log(journeys=journeys, catalog=known)


def _random_path(
    draw: random.Random, names: list[str], known: dict[str, tuple[str | None, str]], weight: dict[str, float]
) -> tuple[str, ...]:
    """A path that tends to climb the stages and never repeats a touchpoint directly."""
    level = 0
    path: list[str] = []
    for _ in range(draw.choice([1, 2, 2, 3, 4, 5, 6, 7, 9])):
        level = min(len(STAGES) - 1, max(0, level + draw.choice([-1, 0, 0, 0, 1, 1])))
        pool = [name for name in names if known[name][0] in (STAGES[level], None) and weight[name] > 0]
        pool = [name for name in pool if not path or name != path[-1]]
        if pool:
            path.append(draw.choices(pool, [weight[name] for name in pool])[0])
    return tuple(path) or (names[0],)


def _times(draw: random.Random, begin: datetime, count: int) -> tuple[datetime, ...]:
    """Increasing times, never past the cutoff."""
    moments = [begin]
    for _ in range(count - 1):
        moments.append(min(CUTOFF, moments[-1] + timedelta(seconds=int(draw.expovariate(1 / 90_000)) + 20)))
    return tuple(moments)


def hostile_log() -> Log:
    """A log whose names try to break out of HTML, JSON, CSV and SQL."""
    names = {
        "</script><img src=x onerror=alert(1)>": "ad click",
        "=cmd|' /C calc'!A0": "landing page",
        "\u202eevil ünïcødé 🛒 \"quotes\" 'single' `tick` {{ 7*7 }}": "product page",
        "x" * 300: "cart",
        "<!-- <script> a > b --> ]]>": "support call",
    }
    renamed = {old: new for new, old in names.items()}
    plain = random_log(count=300, seed=3)
    journeys = [
        replace(j, touchpoints=tuple(renamed.get(t, t) for t in j.touchpoints)) for j in plain.journeys
    ]
    return Log(journeys=journeys, catalog={renamed.get(t, t): v for t, v in plain.catalog.items()})


def wide_log(touchpoints: int = 300) -> Log:
    """A log of very many touchpoints."""
    channels = ["web", "email", "phone", "chat", "store", "social", "paid_search", "app", "partner", "post"]
    catalog: dict[str, tuple[str | None, str]] = {
        f"touchpoint {n:03d}": (STAGES[n % 5], channels[n % 10]) for n in range(touchpoints)
    }
    catalog[GOAL] = ("purchase", "web")
    return random_log(count=3000, seed=11, catalog=catalog)
