"""Renewal: only what a change can have touched is computed again; the result is that of computing everything.

A model says in its header how it may be renewed. `by <column>`: its rows of one key depend on that key's part of
the inputs alone, so the rows of touched keys are replaced. `by sums`: it counts rows of such models, and every row
belongs to one customer, so the counts of the touched customers' old rows are subtracted and those of their new
rows are added. A model that says nothing is computed anew each time.

The models are the same as in a full computation: while the customers' tables are renewed, a table that holds the
touched part alone stands before each table that they read. Queries that the store keeps are asked of these tables too, for
sums that are no models (kept_sums.py).

Of a touched customer's life the part before what changed is settled: up to an event, before all that changed, that began both
a session and a journey. What comes before such an event says nothing about what comes after, but how much it was. So
sessions, journeys and steps are computed from there on, and stand beside those that are settled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from journey_mining.models import Model, find_models
from journey_mining.sums import write_addition, write_sums
from journey_mining.touched_identities import TouchedIdentities
from journey_mining.warehouse import TOUCHED, qualified

CUSTOMER = "by customer_id"
SUMS = "by sums"
MOST_TOUCHED = 0.4
"""Share of the events from which on computing everything is as quick."""
ORDINALS = {"event_ordinal": "event_count", "contact_ordinal": "contact_count", "step_ordinal": "step_count"}
"""Column of positions that counts in a customer's life -> column of settled_lives: how much of it is settled."""


_OWNERLESS = f"customer_id is null and event_id in (select event_id from {TOUCHED}.ownerless_events)"


@dataclass
class Renewal(TouchedIdentities):
    """One run's renewal of the tables that the last run published."""

    cutoff_before_us: int
    """Horizon of the tables that are there."""
    has_ownerless: bool = False
    """Whether events have changed that belong to nobody, now or before."""
    asked: dict[str, Model] = field(default_factory=dict)
    """Queries over customers' tables that the store keeps, by name."""
    had: dict[str, pa.Table] = field(default_factory=dict)
    """Their answers about what the touched customers had."""
    have: dict[str, pa.Table] = field(default_factory=dict)
    """Their answers about what they have."""

    # What has changed.

    def find_changes(self) -> int:
        """Add to changed_events what the cutoff now lets in and what is classified otherwise; returns their number."""
        warehouse = self.warehouse
        model = find_models("core")["touchpoint_signatures"]
        columns = ", ".join(f'"{name}"' for name in self._columns(model) if name != "touchpoint_no")
        warehouse.execute(
            f"create or replace temporary table signatures_before as select {columns} from {qualified(model)}"
        )
        warehouse.build(model, self.parameters)
        warehouse.execute(
            f"""create or replace temporary table changed_signatures as
            with now as (select {columns} from {qualified(model)})
            select signature_id from (select * from now except select * from signatures_before)
            union
            select signature_id from (select * from signatures_before except select * from now)"""
        )
        bound = {"before": self.cutoff_before_us, "now": self.parameters["cutoff_us"]}
        warehouse.execute(
            """insert into temp.main.changed_events
            select event_id, identity_key, occurred_us from staged_events
            where occurred_us <= $now
                and (occurred_us > $before or signature_id in (select signature_id from changed_signatures))""",
            bound,
        )
        return int(warehouse.value("select count(distinct event_id) from changed_events"))

    # The customers' tables.

    def touch_expired(self) -> None:
        """Customers whose open journey has expired since are touched."""
        bound = {name: self.parameters[name] for name in ("cutoff_us", "expiry_us")}
        self.warehouse.execute(
            f"""insert into {TOUCHED}.touched_customers
            select distinct customer_id from journeys
            where is_open and $cutoff_us - epoch_us(last_active_at) > $expiry_us
                and customer_id not in (select customer_id from touched_customers)""",
            bound,
        )

    def is_worthwhile(self) -> bool:
        """Whether the touched customers have so few events that renewing is quicker; writes the scope of events."""
        self._set(
            "scope_keys",
            "select identity_key from identity_customers semi join touched_customers using (customer_id)",
        )
        # Events that nobody owned, or owns: an event of an owner is found by the owner.
        self._set(
            "ownerless_events",
            """select event_id from changed_events
            where identity_key is null or identity_key not in (
                select identity_key from identity_customers semi join touched_keys using (identity_key))""",
        )
        self.has_ownerless = bool(self.warehouse.value("select count(*) from ownerless_events"))
        count = self.warehouse.value(
            """select coalesce(sum(event_count), 0) from identity_keys
            where identity_key in (select identity_key from scope_keys)"""
        )
        return bool(count <= MOST_TOUCHED * self.warehouse.value("select count(*) from staged_events"))

    def subtract(self) -> None:
        """Count what the touched customers had, for every model by sums, and answer what is asked of it.

        Their rows stay as <model>_before, for the comparison with those that they have.
        """
        rows = self.warehouse.rows("select name, query from store.main.asked_queries order by name")
        self.asked = {row["name"]: Model(row["name"], "asked", row["query"]) for row in rows}
        sums = self._models(SUMS)
        readers = [*sums, *self.asked.values()]
        before = [model for model in self._models(CUSTOMER) if model.kept != "run"]
        for model in before:
            listed = ", ".join(self._needed_columns(model, readers) if model.follows else ["*"])
            parts = [
                f"select {listed} from {qualified(model)} semi join touched_customers using (customer_id)"
            ]
            if self._has_ownerless(model):
                parts.append(f"select {listed} from {qualified(model)} where {_OWNERLESS}")
            self._shadow(model.name, " union all ".join(parts))
        for model in sums:
            self._create(f"minus_{model.name}", model.sql, model)
        self.had = self._answer()
        for model in before:
            self._drop([f"{model.name}_before"])
            self._rename(model.name, f"{model.name}_before")

    def _answer(self) -> dict[str, pa.Table]:
        """What is asked, of the tables of touched customers that stand before the others."""
        answers = {}
        for name, asked in list(self.asked.items()):
            try:
                answers[name] = self.warehouse.connection.sql(asked.sql).to_arrow_table()
            except duckdb.ProgrammingError:  # it was kept by a version that asked of other columns
                del self.asked[name]
        return answers

    def _needed_columns(self, model: Model, counting: Iterable[Model]) -> list[str]:
        """The columns of a model that follows another which the counts, any reader or the comparison needs."""
        followed = find_models(model.layer)[str(model.follows)].columns
        readers = [*counting, *self._models(CUSTOMER)]
        named = [one for one in readers if model.name in one.reads]
        return [
            f'"{name}"'
            for name in self._columns(model)
            if name in followed or any(one.mentions(name) for one in named)
        ]

    def settle(self) -> None:
        """Write settled_lives: which part of the touched customers' lives is as it was, whatever comes after it.

        It ends where a session and a journey begin at once, before all that changed, at an instant of which the customer has
        no earlier event. Sessions of single channels may go on there.
        """
        self._shadow(
            "settled_lives",
            f"""with changed as (
                select customer_id, min(occurred_us) as changed_us
                from (
                    select customer_id, occurred_us from events_before semi join changed_events using (event_id)
                    union all
                    select customer_id, occurred_us from changed_events
                    inner join store.main.identity_customers using (identity_key)
                )
                group by customer_id
            ),
            begun as (
                select e.customer_id, max(e.event_ordinal) as event_ordinal, max(e.occurred_us) as begun_us
                from events_before as e left join changed as c on e.customer_id = c.customer_id
                where e.event_id = e.journey_id and e.event_id = e.session_id
                    and (c.changed_us is null or e.occurred_us < c.changed_us)
                    and e.customer_id not in (select customer_id from unsettled_customers where customer_id is not null)
                    and not {bool(self.parameters["by_channel"])}
                group by e.customer_id
            ),
            tied as (
                select b.customer_id
                from begun as b inner join events_before as e on b.customer_id = e.customer_id and b.begun_us = e.occurred_us
                where e.event_ordinal < b.event_ordinal
            ),
            walked as (
                select
                    j.customer_id,
                    cast(sum(j.contact_count) as bigint) as contact_count,
                    cast(sum(j.step_count) as bigint) as step_count
                from journeys_before as j inner join begun as b on j.customer_id = b.customer_id
                where j.started_at < make_timestamp(b.begun_us)
                group by j.customer_id
            )
            select
                b.customer_id,
                b.begun_us,
                make_timestamp(b.begun_us) as begun_at,
                b.event_ordinal - 1 as event_count,
                w.contact_count,
                w.step_count
            from begun as b inner join walked as w on b.customer_id = w.customer_id
            where b.customer_id not in (select customer_id from tied)""",
        )

    def narrow(self) -> None:
        """Put the touched part before the tables that the customers' models read; of events, what is not settled."""
        touched = "semi join touched_customers using (customer_id)"
        self._shadow("identity_customers", f"select * from store.main.identity_customers {touched}")
        self._shadow("identities", f"select * from store.main.identities {touched}")
        readers = [
            one for one in self._models(CUSTOMER) if "staged_events" in one.reads and one.follows is None
        ]
        columns = self._columns_of("store.main.staged_events")
        listed = ", ".join(f'e."{name}"' for name in columns if any(one.mentions(name) for one in readers))
        self._shadow(
            "staged_events",
            f"""select {listed} from store.main.staged_events as e
            inner join (
                select identity_key, begun_us from identity_customers left join settled_lives using (customer_id)
            ) as k on e.identity_key = k.identity_key
            where k.begun_us is null or e.occurred_us >= k.begun_us""",
        )

    def renew_customers(self, layer: str) -> dict[str, int]:
        """Compute the touched customers' rows of the layer's models, and begin to replace them; returns the new rows by table."""
        counts = {}
        for model in find_models(layer).values():
            if model.renewed != CUSTOMER:
                continue
            if model.follows:
                counts[model.name] = self._renew_followers(model)
            elif model.settled_by:
                counts[model.name] = self._renew_beside_settled(model)
            elif model.columns.keys() >= ORDINALS.keys():
                self._count_on(model)
            else:
                self._create(model.name, model.sql, model)
                counts[model.name] = self._replace_changed(model, model.name)
        if layer == "core":
            self.have = self._answer()
        return counts

    def _count_on(self, model: Model) -> None:
        """Compute where the events stand that are not settled, counted on from those that are."""
        counted = ", ".join(
            f'm."{name}" + coalesce(s.{count}, 0) as "{name}"' for name, count in ORDINALS.items()
        )
        settled = "as m left join settled_lives as s on m.customer_id = s.customer_id"
        self._create(model.name, model.sql, model, settled, f"m.* replace ({counted})")

    def _renew_beside_settled(self, model: Model) -> int:
        """Compute and replace the rows that are not settled; for further models they stand beside those that are."""
        now, settled = f"{model.name}_now", f"{model.name}_settled"
        joined = (
            f"{TOUCHED}.{model.name}_before as b left join {TOUCHED}.settled_lives as s using (customer_id)"
        )
        self._create(now, model.sql, model)
        self._shadow(settled, f"select b.* from {joined} where b.{model.settled_by} < s.begun_at")
        self.warehouse.execute(
            f"""create or replace view {TOUCHED}.{model.name} as
            select * from {TOUCHED}.{now} union all by name select * from {TOUCHED}.{settled}"""
        )
        unsettled = f"select b.* from {joined} where s.begun_at is null or b.{model.settled_by} >= s.begun_at"
        return self._replace_changed(model, now, f"({unsettled})")

    def _renew_followers(self, model: Model) -> int:
        """Compute and replace only the rows of events that changed, or that stand elsewhere in the model followed.

        They are computed twice, at once: with all columns for the table, and with the few that are counted.
        """
        followed = find_models(model.layer)[str(model.follows)]
        shared = [f'"{name}"' for name in self._columns(model) if name in followed.columns]
        differs = " or ".join(f"n.{name} is distinct from b.{name}" for name in shared)
        self._set(
            "followed_events",
            f"""select event_id from changed_events
            union all
            select coalesce(n.event_id, b.event_id) as event_id from {followed.name} as n
            full outer join (
                select b.* from {model.name}_before as b left join settled_lives as s using (customer_id)
                where b.customer_id is not null and b.event_ordinal > coalesce(s.event_count, 0)
            ) as b on n.event_id = b.event_id
            where {differs}""",
        )
        # By rowid, so that of rows that are not followed only the ids are read.
        self._shadow(
            "followed_rows",
            """select * from store.main.staged_events
            where rowid in (select s.rowid from store.main.staged_events as s semi join followed_events using (event_id))""",
        )
        among = (
            f"select * from {TOUCHED}.{followed.name} semi join {TOUCHED}.followed_events using (event_id)"
        )
        sql = f"""with staged_events as (select * from {TOUCHED}.followed_rows), {followed.name} as ({among})
            select * from (\n{model.sql}\n)"""
        self._replace_rows(model, sql, self._among("event_id", "followed_events"))
        # What stayed as it was is counted too, from the few columns that were read before.
        before = f"{TOUCHED}.{model.name}_before"
        listed = ", ".join(f'"{name}"' for name in self._columns_of(before))
        self._create(f"{model.name}_followed", sql, model, columns=listed)
        self._delete(before, "event_id", "followed_events")
        self.warehouse.execute(f"insert into {before} from {TOUCHED}.{model.name}_followed")
        self._rename(f"{model.name}_before", model.name)
        return int(self.warehouse.value(f"select count(*) from {TOUCHED}.{model.name}_followed"))

    def relocate(self) -> None:
        """Give events that another line now tells, and that are as they were, their new place."""
        if not self.warehouse.value("select count(*) from relocated_events"):
            return
        self.replacing.finish_all()
        self.warehouse.execute(
            """update published.main.events as e set file_id = f.file_id, line = s.line
            from store.main.staged_events as s
            inner join store.main.files as f on s.file_no = f.file_no
            where e.event_id = s.event_id and s.event_id in (select event_id from relocated_events)"""
        )

    def merge_sums(self) -> None:
        """Add what the touched customers have now to the models by sums, less what they had."""
        for model in self._models(SUMS):
            self._create(f"plus_{model.name}", model.sql, model)
        self.replacing.finish_all()
        self._end_narrowing()
        for model in self._models(SUMS):
            self._merge(model)

    def _merge(self, model: Model) -> None:
        """Add to the model's table what touched customers have, less what they had."""
        amounts = {name: kind for name, kind in self._columns(model).items() if name not in model.grain}
        plus, minus, changes, merged = (
            f"{part}_{model.name}" for part in ("plus", "minus", "changes", "merged")
        )
        negated = ", ".join(f'-"{name}" as "{name}"' for name in amounts)
        listed = ", ".join(f'"{name}"' for name in model.grain)
        rows = f"select * from {plus} union all by name select {listed}, {negated} from {minus}"
        self._shadow(changes, write_sums(rows, model.grain, amounts))
        target, source = qualified(model), f"{TOUCHED}.{merged}"
        for statement in write_addition(target, f"{TOUCHED}.{changes}", source, model.grain, amounts):
            self.warehouse.execute(statement)
        self._drop((plus, minus, changes))
        if any(name.endswith("_id") for name in model.grain):
            self._keep_renewed(merged, model)
        else:  # few rows, of which all are audited
            self._drop([merged])

    def _end_narrowing(self) -> None:
        self._drop(("identity_customers", "identities", "staged_events", "followed_rows"))
        for model in self._models(CUSTOMER):
            if model.kept == "run":
                self._keep_renewed(model.name, model)
                continue
            if model.settled_by:
                self.warehouse.execute(f"drop view {TOUCHED}.{model.name}")
                self._drop((f"{model.name}_now", f"{model.name}_settled"))
            else:
                self._drop([model.name])
            self._keep_renewed(f"{model.name}_{'followed' if model.follows else 'changed'}", model)

    def _models(self, renewed: str) -> list[Model]:
        return [m for layer in ("core", "marts") for m in find_models(layer).values() if m.renewed == renewed]

    def _has_ownerless(self, model: Model) -> bool:
        """Whether rows of the model that belong to nobody may have changed."""
        return self.has_ownerless and "event_id" in model.columns
