"""The funnel's SQL equals a slow search over every chain of events, in every mode."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import journey_mining as jm
from journey_mining.errors import QueryError

STEPS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4)
WINDOW = st.sampled_from([None, 0, 2, 5])


@dataclass(frozen=True)
class Event:
    """An event of one customer: its second, its touchpoint and a property."""

    at: int
    name: str
    item: str | None


EVENT = st.builds(Event, st.integers(0, 9), st.sampled_from("aabbccxd"), st.sampled_from(["p", "q", None]))
LOG = st.lists(st.lists(EVENT, max_size=8), min_size=1, max_size=6).filter(any)


def open_log(customers: list[list[Event]]) -> Any:
    """The snapshot of the customers' events, customer by customer, in their order."""
    rows = [
        (number, event.at, event.name, event.item)
        for number, events in enumerate(customers)
        for event in events
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "item"])
    return jm.from_events(frame, touchpoints=["a", "b", "c", "x"], goal=None)


def in_order(events: list[Event]) -> list[Event]:
    """By time; events of one second keep their order."""
    return sorted(events, key=lambda event: event.at)


def within(window: int | None, first: Event, event: Event) -> bool:
    """Whether an event is in the window of a first step."""
    return window is None or event.at - first.at <= window


def deepest(customers: list[list[Event]], level: Any) -> dict[int, int]:
    """The level of each customer who has an event."""
    return {number: level(in_order(events)) for number, events in enumerate(customers) if events}


def asked(snapshot: Any, steps: list[str], window: int | None, **options: Any) -> dict[int, int]:
    """The levels that the funnel gives; checks on the way that its rows add up and follow from the levels."""
    found = snapshot.funnel(steps, window=window, **options)
    levels = dict(zip(found.levels["customer_id"].tolist(), found.levels["level"].tolist(), strict=True))
    reached = [sum(level >= number for level in levels.values()) for number in range(1, len(steps) + 1)]
    assert found["entered"].tolist() == reached
    assert (found["converted"] + found["dropped_off"] + found["open"]).tolist() == reached
    return levels


def longest_chain(
    events: list[Event], steps: list[str], window: int | None, once: bool, later: bool, hold: bool
) -> int:
    """The deepest step over every chain of events."""

    def extend(chain: list[int]) -> int:
        if len(chain) == len(steps):
            return len(chain)
        best = len(chain)
        for index in range(chain[-1] + once if chain else 0, len(events)):
            event, first = events[index], events[chain[0]] if chain else events[index]
            fits = event.name == steps[len(chain)] and within(window, first, event)
            fits = fits and not (later and chain and event.at <= events[chain[-1]].at)
            fits = fits and not (hold and (event.item is None or event.item != first.item))
            if fits:
                best = max(best, extend([*chain, index]))
        return best

    return extend([])


@given(LOG, STEPS, WINDOW, st.booleans(), st.booleans(), st.booleans())
def test_ordered_funnels_find_the_deepest_chain(
    customers: list[list[Event]], steps: list[str], window: int | None, once: bool, later: bool, hold: bool
) -> None:
    """Ordered, whatever the ties, with and without strict_once, strict_increase and hold."""
    found = asked(
        open_log(customers),
        steps,
        window,
        strict_once=once,
        strict_increase=later,
        hold=["item"] if hold else [],
    )
    assert found == deepest(customers, lambda events: longest_chain(events, steps, window, once, later, hold))


def walk(
    events: list[Event], start: int, steps: list[str], window: int | None, order: str, stops: bool
) -> list[int]:
    """The events of the attempt that starts at one, each the first that its order allows."""
    chain = [start]
    for index in range(start + 1, len(events)):
        if len(chain) == len(steps):
            break
        name, number = events[index].name, len(chain)
        if name == steps[number]:
            if not within(window, events[start], events[index]):
                break
            chain.append(index)
        elif (stops and name in (steps[:number] if order == "ordered" else [name])) or (
            order == "strict" and name != steps[number - 1]
        ):
            break
    return chain


def attempts(
    events: list[Event], steps: list[str], window: int | None, order: str, stops: bool
) -> list[list[int]]:
    """The attempts from every event of the first step."""
    starts = [index for index, event in enumerate(events) if event.name == steps[0]]
    return [walk(events, start, steps, window, order, stops) for start in starts]


@given(LOG, STEPS, WINDOW, st.sampled_from(["ordered", "strict"]), st.booleans())
def test_interrupted_funnels_stop_at_the_interruption(
    customers: list[list[Event]], steps: list[str], window: int | None, order: str, stops: bool
) -> None:
    """Strict: no other event in between. strict_deduplication: no repeat of a step either."""
    found = asked(open_log(customers), steps, window, order=order, strict_deduplication=stops)
    expected = deepest(
        customers,
        lambda events: max(map(len, attempts(events, steps, window, order, stops)), default=0),
    )
    assert found == expected


@given(LOG, STEPS, WINDOW)
def test_the_attempt_that_counts_is_deepest_then_earliest_then_tightest(
    customers: list[list[Event]], steps: list[str], window: int | None
) -> None:
    """Of a customer's deepest attempts the one that ends first, and of those the one that begins last."""
    found = open_log(customers).funnel(steps, window=window, by="item")
    columns = [f"step_{number}_at" for number in range(1, len(steps) + 1)]
    moments = {
        row[0]: [int(one.timestamp()) for one in row[1:] if not pd.isna(one)]
        for row in found.levels[["customer_id", *columns]].itertuples(index=False)
    }
    entered: dict[str | None, int] = {}
    for number, given_events in enumerate(customers):
        events = in_order(given_events)
        chains = attempts(events, steps, window, "ordered", stops=False)
        best = min(chains, key=lambda chain: (-len(chain), chain[-1], -chain[0]), default=[])
        if events:
            assert moments[number] == [events[index].at for index in best]
        if best:
            entered[events[best[0]].item] = entered.get(events[best[0]].item, 0) + 1
    first = found[found["step_number"] == 1]
    counted = zip(first["segment"], first["entered"], strict=True)
    assert {None if pd.isna(name) else name: count for name, count in counted if count} == entered


def judge(
    events: list[Event], chain: list[int], first: int, last: int, window: int | None
) -> tuple[int, bool]:
    """The level that an attempt is worth, and whether nothing excluded happens between two steps of it, or after the
    first until its window ends: if so, it is worth one step beyond the exclusion at most."""
    for index in range(chain[first] + 1, len(events)) if len(chain) > first else ():
        if events[index].name == "x" and (
            index < chain[last] if len(chain) > last else within(window, events[chain[0]], events[index])
        ):
            return min(len(chain), sum(place < index for place in chain) + 1), False
    return len(chain), True


@given(
    LOG, STEPS.filter(lambda steps: len(steps) > 1), WINDOW, st.sampled_from(["ordered", "strict"]), st.data()
)
def test_excluded_events_end_attempts(
    customers: list[list[Event]], steps: list[str], window: int | None, order: str, data: Any
) -> None:
    """A customer's level is that of the deepest attempt, and 0 if that has an excluded event and none is as deep."""
    first, last = data.draw(st.sampled_from(list(combinations(range(len(steps)), 2))))
    exclude = [{"touchpoint": "x", "from_step": first + 1, "to_step": last + 1}]
    found = asked(open_log(customers), steps, window, exclude=exclude, order=order)

    def level(events: list[Event]) -> int:
        chains = attempts(events, steps, window, order, stops=False)
        deep, is_clean = max((judge(events, one, first, last, window) for one in chains), default=(0, True))
        return deep if is_clean else 0

    assert found == deepest(customers, level)


def most_steps(events: list[Event], steps: list[str], window: int | None) -> int:
    """The most steps that different events of one window take, over every choice of events."""
    best = 0
    for first in events:
        ahead = [event for event in events if event.at >= first.at and within(window, first, event)]
        for size in range(best + 1, len(steps) + 1):
            fits = any(
                all(event.name == step for event, step in zip(chosen, picked, strict=True))
                for picked in combinations(steps, size)
                for chosen in permutations(ahead, size)
            )
            best = size if fits else best
    return best


@given(st.lists(st.lists(EVENT, max_size=6), min_size=1, max_size=5).filter(any), STEPS, WINDOW)
def test_unordered_funnels_find_the_most_steps(
    customers: list[list[Event]], steps: list[str], window: int | None
) -> None:
    """In any order, also where one touchpoint is several steps."""
    found = asked(open_log(customers), steps, window, order="any")
    assert found == deepest(customers, lambda events: most_steps(events, steps, window))


def interruption(events: list[Event], chain: list[int], steps: list[str], order: str, stops: bool) -> int:
    """The event that ends an attempt before its window does; beyond the last one where none does."""
    number = len(chain)
    for index in range(chain[-1] + 1, len(events)):
        name = events[index].name
        if name == steps[number]:
            break
        if (stops and name in (steps[:number] if order == "ordered" else [name])) or (
            order == "strict" and name != steps[number - 1]
        ):
            return index
    return len(events)


def successive(
    events: list[Event], steps: list[str], window: int | None, order: str, stops: bool
) -> list[int]:
    """The levels of the attempts that one customer makes one after the other."""
    levels, free_from = [], 0
    for index, event in enumerate(events):
        if event.name != steps[0] or index < free_from:
            continue
        chain = walk(events, index, steps, window, order, stops)
        levels.append(len(chain))
        if len(chain) == len(steps):
            free_from = chain[-1] + 1
        else:
            late = sum(within(window, event, one) for one in events)
            free_from = min(late, interruption(events, chain, steps, order, stops))
    return levels


@given(LOG, STEPS, WINDOW, st.sampled_from(["ordered", "strict"]), st.booleans())
def test_attempts_follow_one_another(
    customers: list[list[Event]], steps: list[str], window: int | None, order: str, stops: bool
) -> None:
    """A customer enters again after each attempt was completed or interrupted, or its window has passed."""
    found = open_log(customers).funnel(
        steps, window=window, unit="attempts", order=order, strict_deduplication=stops
    )
    levels = [
        level for events in customers for level in successive(in_order(events), steps, window, order, stops)
    ]
    assert found["entered"].tolist() == [
        sum(level >= number for level in levels) for number in range(1, len(steps) + 1)
    ]


@pytest.mark.parametrize("window", [-1, "-7 days", "soon", True])
def test_a_window_that_is_none_is_refused(window: Any) -> None:
    """A negative window, or one that is no duration, is an error and no answer."""
    with pytest.raises(QueryError, match="window"):
        open_log([[Event(0, "a", None)]]).funnel(["a"], window=window)
