"""A night that renews what changed gives the tables of one full computation, whatever came before.

A machine delivers, corrects, grows, repeats and removes files, changes the configuration and the cutoff, and runs;
after every run each table must be the one that a fresh store gives for the same files.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from depth import examples
from journey_mining.analysis.passages import write_cells
from journey_mining.erasure import ErasureRequest
from journey_mining.errors import AuditError
from journey_mining.renewal import Renewal
from journey_mining.trials import LABELS, TRIALS
from journey_mining.warehouse import Warehouse
from worlds import Lab

HEADER = (
    "event_id,customer_id,cookie,email,occurred_at,touchpoint,channel,initiator,value,score,score_kind,"
    "score_min,score_max,object_type,object_id,received_at\n"
)
UNCOMPARED = {"runs", "audits", "settings"}
UNLIKE = {"source_files": "exclude (status)"}
CONFIGS = (
    {},
    {"journeys": "{expiry: 3 days}"},
    {"journeys": "{expiry: 2 days, ends_on: goal}", "sessions": "{by: [customer, channel]}"},
    {"touchpoints": "\n  - {name: look, stage: awareness, when: \"event_name = 'page'\"}"},
    {"identity": "{max_links: 1, max_user_ids: 2}"},
)
WHO = (
    "anna,,",
    "anna,k1,",
    ",k1,",
    ",k2,a@x.org",
    "anna,,a@x.org",
    "ben,k3,",
    "cleo,k3,",
    ",k4,",
    ",k4,b@x.org",
    "ben,,b@x.org",
    ",,",
)
KINDS = ("page,web,customer,,,,,,,", "cart,app,customer,,,,,,,", "purchase,web,customer,9.5,,,,,order,1", "sent,email,company,,,,,,,",
         "call,phone,company,,,,,,ticket,7", "survey,email,customer,,4,csat,1,5,,", "help,chat,customer,,,,,,ticket,7",
         "cart error,web,customer,,,,,,,")  # fmt: skip
MOMENTS = ("2026-03-27T09:00:00Z", "2026-03-28T23:10:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z",
           "2026-03-29T01:30:00Z", "2026-03-29T22:00:00Z", "2026-04-01T10:00:00Z", "2026-04-04T10:00:01Z")  # fmt: skip
ALWAYS = {"shop": "", "crm": f"99,anna,,,{MOMENTS[0]},call,phone,company,,,,,,,,\n"}
"""What stays on disk, so that no night is without an event."""
RECEIVED = ("", "2026-04-05T00:00:00Z", "2026-04-06T00:00:00Z")

told_events = st.tuples(
    st.integers(1, 14), st.sampled_from(WHO), st.sampled_from(MOMENTS), st.sampled_from(KINDS), st.sampled_from(RECEIVED)
)  # fmt: skip


def line(one: tuple[int, str, str, str, str]) -> str:
    """A row of an export; a number that comes again is another delivery of the event, perhaps told otherwise."""
    number, who, at, kind, received = one
    return f"{number},{who},{at},{kind},{received}\n"


def change(declared: Any) -> Any:
    """A rule that may run while there are fewer than three changes since the last night."""
    return precondition(lambda self: self.pending < 3)(declared)


class Nights(RuleBasedStateMachine):
    """Files that come and go, and the runs between; `mine` renews, `fresh` computes everything."""

    mine: Lab
    fresh: Lab
    folder: Path

    @initialize()
    def begin(self) -> None:
        """An empty home with a first file."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.mine.reset()
        self.mine.warehouse.execute("drop table if exists temp.main.changed_events")
        self.files: dict[str, list[str]] = {"shop/0": [line((1, "anna,k1,", MOMENTS[1], KINDS[0], ""))]}
        self.gone: dict[str, list[str]] = {}
        self.config: dict[str, str] = {}
        self.read: dict[str, list[str]] = {}
        self.pending = 1

    @change
    @rule(
        source=st.sampled_from(["shop", "crm"]),
        name=st.integers(0, 3),
        told=st.lists(told_events, min_size=1, max_size=5),
    )
    def deliver(self, source: str, name: int, told: list[Any]) -> None:
        """A new file, or a correction of one that was delivered."""
        self.pending += 1
        self.gone.pop(f"{source}/{name}", None)
        self.files[f"{source}/{name}"] = [line(one) for one in told]

    @change
    @rule(data=st.data(), told=st.lists(told_events, min_size=1, max_size=3))
    def grow(self, data: st.DataObject, told: list[Any]) -> None:
        """A file gets further rows."""
        self.pending += 1
        self.files[data.draw(st.sampled_from(sorted(self.files)))] += [line(one) for one in told]

    @change
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The rows of a file come again in another one, the last first."""
        self.pending += 1
        name = data.draw(st.sampled_from(sorted(self.files)))
        self.gone.pop(f"{name}x", None)
        self.files[f"{name}x"] = list(reversed(self.files[name]))

    @change
    @rule(data=st.data())
    def shrink(self, data: st.DataObject) -> None:
        """The source delivers a file again, with fewer rows."""
        self.pending += 1
        name = data.draw(st.sampled_from(sorted(self.files)))
        self.files[name] = self.files[name][1:]

    @change
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """A file that was read is no longer on disk: its events stay."""
        self.pending += 1
        name = data.draw(st.sampled_from(sorted(self.files)))
        if len(self.files) > 1 and self.files[name] and self.read.get(name) == self.files[name]:
            self.gone[name] = self.files.pop(name)

    @change
    @rule(data=st.data(), name=st.integers(0, 3))
    def move(self, data: st.DataObject, name: int) -> None:
        """A file gets another name, perhaps that of one that is there; where it changes too, what was read is gone."""
        self.pending += 1
        before = data.draw(st.sampled_from(sorted(self.files)))
        after = f"{before.split('/')[0]}/{name}"
        if after != before and after not in self.gone:
            self.files[after] = self.files.pop(before)
            if self.read.get(before):
                self.gone[before] = self.read[before]

    @change
    @rule(config=st.sampled_from(CONFIGS))
    def configure(self, config: dict[str, str]) -> None:
        """The analyst changes a rule or a limit."""
        self.pending += 1
        self.config = config

    @precondition(lambda self: self.pending)
    @rule(cutoff=st.sampled_from([None, None, None, "03-29 12:00", "04-02 00:00"]))
    def run(self, cutoff: str | None) -> None:
        """A night: what was published is what a full computation publishes."""
        path = self.write(self.files)
        self.mine.deliver(path, cutoff)
        # What is there under another name is not gone.
        there = [(name.split("/")[0], rows) for name, rows in self.files.items()]
        self.gone = {
            name: rows for name, rows in self.gone.items() if (name.split("/")[0], rows) not in there
        }
        found = content(self.mine)
        self.fresh.reset()
        expected = content(self.fresh.deliver(self.write({**self.files, **self.gone}), cutoff))
        for name, rows in expected.items():
            assert found[name] == rows, name
        # Customers are counted by the identifier that names each of them.
        naming = "count(*) filter (where identifier_hash = customer_id)"
        assert (
            self.mine.rows(f"select 1 from identities having {naming} <> count(distinct customer_id)") == []
        )
        self.read = {name: list(rows) for name, rows in self.files.items()}
        self.pending = 0

    def write(self, files: dict[str, list[str]]) -> Path:
        """Write what is on disk tonight; the path of the configuration."""
        for source in ("shop", "crm"):
            shutil.rmtree(self.folder / source, ignore_errors=True)
            (self.folder / source).mkdir(parents=True)
            (self.folder / source / "always.csv").write_text(HEADER + ALWAYS[source], encoding="utf-8")
        for name, rows in files.items():
            (self.folder / f"{name}.csv").write_text(HEADER + "".join(rows), encoding="utf-8")
        settings = {"journeys": "{expiry: 2 days}", "identity": "{max_links: 2}", **self.config}
        text = "timezone: Europe/Berlin\nsources:\n" + "".join(
            f"  {source}: {{system: table, path: {source}/}}\n" for source in ("shop", "crm")
        )
        path = self.folder / "journey.yaml"
        path.write_text(
            text + "".join(f"{key}: {value}\n" for key, value in settings.items()), encoding="utf-8"
        )
        return path


def content(lab: Lab) -> dict[str, list[Any]]:
    """The rows of every published table but those that tell of runs, in an order of their own; and what estimates keep."""
    names = [row["table_name"] for row in lab.rows("from duckdb_tables() where database_name = 'published'")]
    published = {
        name: lab.warehouse.execute(
            f"select * {UNLIKE.get(name, '')} from published.main.{name} order by all"
        ).fetchall()
        for name in sorted(set(names) - UNCOMPARED)
    }
    places = [str(number) for number in range(20)]
    asked = lab.rows("from store.main.asked_queries order by name")
    return {
        **published,
        "trials": lab.warehouse.execute(write_cells(places, TRIALS, LABELS)).fetchall(),
        "asked_queries": asked,
        **{row["name"]: lab.rows(f"from store.main.{row['name']} order by all") for row in asked},
        "attribution": lab.credited.splitlines(),
    }


@pytest.fixture
def machine(
    shared_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Nights]]:
    """Makes the machine over two stores in memory; in worlds this small nearly everyone is touched each night."""
    monkeypatch.setattr("journey_mining.renewal.MOST_TOUCHED", 1.0)
    other = Lab(tmp_path / "spill")
    folder = tmp_path / "home"
    yield type("TheseNights", (Nights,), {"mine": shared_lab, "fresh": other, "folder": folder})
    other.warehouse.connection.close()


def test_renewing_gives_what_computing_everything_gives(machine: Callable[[], Nights]) -> None:
    """Late events, merged and parted identities, corrected, growing, shrinking and vanished files, changed rules."""
    run_state_machine_as_test(
        machine, settings=settings(max_examples=5, stateful_step_count=12, derandomize=True)
    )


@pytest.mark.slow
def test_renewing_gives_what_computing_everything_gives_at_length(machine: Callable[[], Nights]) -> None:
    """The same over many more nights."""
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=30))


def forget_former_owners(renewal: Renewal) -> int:
    """A planted bug: who owned the changed events before is not computed again."""
    rounds = RENEW_IDENTITIES(renewal)
    renewal.warehouse.execute(
        "create or replace table touched.main.touched_customers as "
        "select distinct customer_id from renewed_identity_customers"
    )
    return rounds


def forget_the_expired(renewal: Renewal) -> None:
    """A planted bug: journeys that expired since the last night stay open."""


RENEW_IDENTITIES = Renewal.renew_identities


@pytest.mark.parametrize(
    ("name", "bug", "second_night"),
    [
        ("renew_identities", forget_former_owners, (2, "anna,k1,", MOMENTS[2], KINDS[1], "")),
        ("touch_expired", forget_the_expired, (2, "ben,k3,", MOMENTS[7], KINDS[1], "")),
    ],
)
def test_a_planted_bug_is_found(
    machine: Callable[[], Nights],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    bug: Callable[[Renewal], Any],
    second_night: tuple[int, str, str, str, str],
) -> None:
    """Two nights that go well without the bug show it."""
    for planted in (False, True):
        nights = machine()
        nights.begin()
        nights.files["shop/0"] = [line((1, ",k1,", MOMENTS[1], KINDS[0], ""))]
        nights.run(None)
        nights.files["shop/1"] = [line(second_night)]
        if planted:
            monkeypatch.setattr(Renewal, name, bug)
            with pytest.raises((AssertionError, AuditError)):
                nights.run(None)
        else:
            nights.run(None)
            assert nights.mine.renewed


EARLY, MIDDLE, LATE = "2026-03-16T09:00:00Z", "2026-03-20T09:00:00Z", "2026-03-24T09:00:00Z"
"""Moments so far from one another that each begins a session and a journey."""
AFTER_LATE = "2026-03-24T09:10:00Z"
PAGE, CART, SENT = KINDS[0], KINDS[1], KINDS[3]
THREE_LIVES = [
    (1, "gwen,k7,", EARLY, PAGE, ""), (2, "gwen,k7,", MIDDLE, PAGE, ""),
    (3, "gwen,k7,", MIDDLE, CART, ""), (4, "gwen,k7,", LATE, PAGE, ""),
]  # fmt: skip
CART_LATER = (5, "gwen,k7,", AFTER_LATE, CART, "")


def settle_what_changed(renewal: Renewal) -> None:
    """A planted bug: what changed is not asked for."""
    execute = renewal.warehouse.execute
    execute("create or replace temp table put_aside as from temp.main.changed_events")
    execute("delete from temp.main.changed_events")
    SETTLE(renewal)
    execute("insert into temp.main.changed_events from put_aside")


def settle_who_moved(renewal: Renewal) -> None:
    """A planted bug: nor are the customers whose events of before have another owner now."""
    renewal.warehouse.execute("delete from touched.main.unsettled_customers")
    SETTLE(renewal)


SETTLE = Renewal.settle


@pytest.mark.parametrize(
    ("first", "second", "settled", "positions", "bug"),
    [
        # The last of three lives, to which an event comes, is computed: 2 events of 5.
        (THREE_LIVES, [CART_LATER], [("gwen", 3, 3, 3)], 2, None),
        # A late one in the second: all but the first, of one event, whatever else comes.
        (THREE_LIVES, [(5, "gwen,k7,", "2026-03-20T09:05:00Z", CART, "")], [("gwen", 1, 1, 1)], 4, settle_what_changed),
        # One before all of it: nothing is settled.
        (THREE_LIVES, [(5, "gwen,k7,", "2026-03-10T09:05:00Z", CART, "")], [], 5, settle_what_changed),
        # A device that was nobody's, with a past of its own, is hers from now on.
        (
            [(9, ",k8,", "2026-03-19T08:00:00Z", PAGE, ""), *THREE_LIVES],
            [(5, "gwen,k8,", AFTER_LATE, CART, "")],
            [],
            6,
            settle_who_moved,
        ),
        # A new device has no past that could be others'.
        (THREE_LIVES, [(5, "gwen,k9,", AFTER_LATE, CART, "")], [("gwen", 3, 3, 3)], 2, None),
        # What stays in the background is an event and no contact, and a repeat is a contact and no step.
        (
            [*THREE_LIVES, (8, "gwen,k7,", "2026-03-20T09:20:00Z", SENT, ""), (6, "gwen,k7,", "2026-03-20T09:20:00Z", CART, "")],
            [CART_LATER],
            [("gwen", 5, 4, 3)],
            2,
            None,
        ),
        # At the instant at which the third begins, something is told before it: nothing is settled.
        ([*THREE_LIVES[:3], (8, "gwen,k7,", LATE, SENT, "")], [CART_LATER], [], 6, None),
        # Something comes to be told before it, at that instant: the second is not settled either.
        (THREE_LIVES, [(5, "gwen,k7,", LATE, CART, "")], [("gwen", 1, 1, 1)], 4, None),
    ],
)  # fmt: skip
def test_what_came_before_is_settled(
    machine: Callable[[], Nights],
    monkeypatch: pytest.MonkeyPatch,
    first: list[tuple[int, str, str, str, str]],
    second: list[tuple[int, str, str, str, str]],
    settled: list[tuple[Any, ...]],
    positions: int,
    bug: Callable[[Renewal], None] | None,
) -> None:
    """Sessions, journeys and steps are computed from the last event on, before what changed, that began a life anew."""
    for planted in (False, True) if bug is not None else (False,):
        nights = machine()
        nights.begin()
        nights.config = {
            "touchpoints": "\n  - {name: letter, background: true, when: \"event_name = 'sent'\"}"
        }
        nights.files["shop/0"] = [line(one) for one in first if one[2] != LATE or one[3] != PAGE]
        nights.files["crm/0"] = [line((4, "gwen,k7,", LATE, PAGE, ""))]
        nights.run(None)
        nights.files["shop/1"] = [line(one) for one in second]
        if planted:
            monkeypatch.setattr(Renewal, "settle", bug)
            with pytest.raises((AssertionError, AuditError)):
                nights.run(None)
        else:
            nights.run(None)
            assert nights.mine.renewed
            lives = nights.mine.rows("from touched.main.settled_lives")
            names = ("event_count", "contact_count", "step_count")
            assert [("gwen", *(one[name] for name in names)) for one in lives] == settled
            assert nights.mine.rows("select count(*) as n from touched.main.renewed_positions") == [
                {"n": positions}
            ]


@pytest.mark.parametrize("by", ["[customer]", "[customer, channel]"])
def test_sessions_of_a_channel_may_go_on_where_a_journey_begins(
    machine: Callable[[], Nights], by: str
) -> None:
    """One on the web goes on after a purchase that ended a journey, and after the app began the next one."""
    nights = machine()
    nights.begin()
    nights.config = {"journeys": "{expiry: 2 days, ends_on: goal}", "sessions": f"{{by: {by}}}"}
    told = [("09:00", PAGE), ("09:05", KINDS[2]), ("09:10", CART), ("09:15", PAGE), ("09:20", PAGE)]
    rows = [
        line((number, "gwen,k7,", f"2026-03-20T{at}:00Z", kind, ""))
        for number, (at, kind) in enumerate(told, 1)
    ]
    nights.files["shop/0"] = rows[:4]
    nights.run(None)
    nights.files["shop/1"] = rows[4:]
    nights.run(None)
    assert nights.mine.renewed
    assert nights.mine.rows("from touched.main.settled_lives") == []


def forget_the_old_enough(warehouse: Warehouse, *_: int) -> None:
    """A planted bug: trials of customers whom the night did not touch are never judged."""
    warehouse.execute(
        "create or replace table scratch.main.retried_customers as select customer_id from touched.main.touched_customers"
    )


@pytest.mark.parametrize("planted", [False, True])
def test_trials_of_untouched_customers_become_old_enough(
    machine: Callable[[], Nights], monkeypatch: pytest.MonkeyPatch, planted: bool
) -> None:
    """Two days after the first step, which is the time that the goal has; the journey itself is still open."""
    nights = machine()
    nights.begin()
    nights.files["shop/0"] = [
        line((1, "anna,k1,", MOMENTS[1], KINDS[0], "")),
        line((2, "anna,k1,", "2026-03-28T23:20:00Z", KINDS[1], "")),
        line((3, "anna,k1,", MOMENTS[5], KINDS[1], "")),
    ]
    nights.run(None)
    nights.files["shop/1"] = [line((4, "cleo,k3,", "2026-03-31T10:00:00Z", KINDS[0], ""))]
    if planted:
        monkeypatch.setattr("journey_mining.trials.list_retried", forget_the_old_enough)
        with pytest.raises(AssertionError, match="trials"):
            nights.run(None)
    else:
        nights.run(None)
        assert nights.mine.renewed


told_nights = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from(WHO), st.integers(0, 3), st.sampled_from(KINDS)), min_size=1, max_size=5
        ),
        st.sampled_from([None, None, ("user_id", "anna"), ("email", "a@x.org"), ("cookie", "k3")]),
    ),
    min_size=2,
    max_size=4,
)


SHARED = [("ben,k3,", 0, KINDS[0]), ("cleo,k3,", 1, KINDS[0])]
LATER = ([(",k4,", 0, KINDS[0])], None)


@examples(1)
@given(told_nights, st.booleans())
@example([(SHARED, None), (LATER[0], ("user_id", "ben"))], False)
@example([(SHARED[:1], None), (SHARED[1:], None), LATER, LATER], True)
def test_what_was_erased_or_has_expired_leaves_what_computing_everything_gives(
    machine: Callable[[], Nights], nights: list[Any], expires: bool
) -> None:
    """Identifiers of combinations that are gone still occur in others: their links, flags and first times change."""
    world = machine()
    world.begin()
    world.config = {"retention": "2 days"} if expires else {}
    world.files = {}
    for number, (told, person) in enumerate(nights):
        world.files[f"shop/{number}"] = [
            line((100 * number + place, who, f"2026-03-{28 + number}T{10 + hour}:00:00Z", kind, ""))
            for place, (who, hour, kind) in enumerate([*told, ("dora,,", 5, KINDS[0])])
        ]
        requests = [ErasureRequest(*person)] if person and number else []
        found = content(world.mine.deliver(world.write(world.files), None, requests))
        erased = world.mine.warehouse.execute("from store.main.tombstones").fetchall()
        world.fresh.reset()
        for row in erased:
            world.fresh.warehouse.connection.execute(
                "insert into store.main.tombstones values (?, ?, ?)", row
            )
        expected = content(world.fresh.deliver(world.write(world.files)))
        for name, rows in expected.items():
            assert found[name] == rows, name
