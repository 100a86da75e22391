"""The statements of a renewal: touched keys, tables that stand before others, rows that replace others.

What a run touched is in a database in memory, `touched`, which is the first on the main connection's search path. Rows
replace others beside the computation of further ones, which reads nothing that is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from journey_mining.beside import Beside
from journey_mining.errors import ModelError
from journey_mining.models import Model, find_models
from journey_mining.warehouse import BLAMELESS, TOUCHED, Connection, Warehouse, first_line, qualified


@dataclass
class TouchedTables:
    """The tables of one run's renewal."""

    warehouse: Warehouse
    replacing: Beside
    """Where rows replace others while further ones are computed."""
    parameters: Mapping[str, Any]
    kept: list[str] = field(default_factory=list, kw_only=True)
    """Tables renewed_<model>: the rows that replaced others, or their keys, for the audits of this run."""

    def _renew_within(self, name: str, touched: str, **narrowed: str) -> None:
        """Replace the rows of touched keys that differ; `narrowed` names what is enough of an input to compute them."""
        model = find_models("core")[name]
        column = str(model.renewed).removeprefix("by ")
        for table, condition in narrowed.items():
            needed = [f'"{one}"' for one in self._columns_of(f"store.main.{table}") if model.mentions(one)]
            self._shadow(table, f"select {', '.join(needed)} from store.main.{table} {condition}")
        self._create(f"renewed_{name}", model.sql, model, f"where {self._among(column, touched)}")
        self._drop(narrowed)
        self._replace_differing(qualified(model), column, touched, f"renewed_{name}", model.grain)
        self.kept.append(name)

    def _replace_differing(
        self, target: str, column: str, touched: str, source: str, keys: Sequence[str]
    ) -> None:
        """Make the rows of touched keys in `column` those of a table with the grain `keys`, writing what differs."""
        renewed = f"{TOUCHED}.{source}"
        same = " and ".join(f't."{one}" is not distinct from r."{one}"' for one in self._columns_of(target))
        at_key = " and ".join(f't."{one}" = r."{one}"' for one in keys)
        self.warehouse.execute(
            f"""delete from {target} as t where {self._among(column, touched)}
                and not exists (select 1 from {renewed} as r where {same})"""
        )
        self.warehouse.execute(
            f"""insert into {target} by name select * from {renewed} as r
            where not exists (select 1 from {target} as t where {at_key})"""
        )

    def _set(self, name: str, query: str) -> None:
        """A table of the distinct rows of a query, which may read the table that it replaces."""
        self.warehouse.execute(
            f"create or replace table {TOUCHED}.{name} as select distinct * from ({query})"
        )

    def _set_keys_of(self, name: str, identifiers: str) -> None:
        self._set(
            name, f"select identity_key from identifier_sets semi join {identifiers} using (identifier_hash)"
        )

    def _shadow(self, name: str, query: str) -> None:
        """A table of a query, which stands before a table of its name."""
        self.warehouse.execute(f"create or replace table {TOUCHED}.{name} as {query}")

    def _create(self, name: str, sql: str, model: Model, condition: str = "", columns: str = "*") -> None:
        """The rows of a model, as a table that stands before the model's; raises ModelError."""
        try:
            self.warehouse.execute(
                f"create or replace table {TOUCHED}.{name} as select {columns} from (\n{sql}\n) {condition}",
                self._bind(model),
            )
        except BLAMELESS:
            raise
        except duckdb.Error as error:
            raise ModelError(
                f"The model {model.layer}/{model.name}.sql failed: {first_line(error)}.",
                fix="see it with: journey-mining models --show " + model.name,
            ) from error

    def _bind(self, model: Model) -> dict[str, Any]:
        return {parameter: self.parameters[parameter] for parameter in model.parameters}

    def _replace_rows(self, model: Model, sql: str, condition: str) -> None:
        """Begin to put the rows of a query, with the parameters of `model`, in the place of those that meet a condition.

        Until `replacing` has finished it nothing may read the model's own table, nor change the tables that are named.
        """
        target, bound = qualified(model), self._bind(model)

        def replace(connection: Connection) -> None:
            connection.execute(f"delete from {target} where {condition}")
            connection.execute(f"insert into {target} by name {sql}", bound)

        self.replacing.start(f"replace {model.name}", replace)

    def _replace_changed(self, model: Model, named: str, rows_before: str = "") -> int:
        """Begin to make the rows of <model>_before those of the table `named`, which differ little.

        Only those that differ are written: <model>_changed has their keys, with whether the row was there and is there.
        `rows_before` are those of <model>_before that are meant, all if not given. Nothing may read or change these tables
        until then, as with `_replace_rows`. Returns the number of rows that are.
        """
        target, now = qualified(model), f"{TOUCHED}.{named}"
        before, changed = (f"{TOUCHED}.{model.name}_{part}" for part in ("before", "changed"))
        keys = [f'"{name}"' for name in model.grain]
        first = keys[0]
        matching = " and ".join(f"b.{key} = n.{key}" for key in keys)
        differs = " or ".join(f'b."{name}" is distinct from n."{name}"' for name in self._columns(model))
        listed = ", ".join(f"coalesce(b.{key}, n.{key}) as {key}" for key in keys)
        among = " and ".join(f"c.{key} = t.{key}" for key in keys)
        statements = (
            f"""create or replace table {changed} as
            select {listed}, b.{first} is not null as was_there, n.{first} is not null as is_there
            from {rows_before or before} as b full outer join {now} as n on {matching}
            where {differs}""",
            f"delete from {target} as t where exists (select 1 from {changed} as c where {among} and c.was_there)",
            f"""insert into {target} by name
            select t.* from {now} as t where exists (select 1 from {changed} as c where {among} and c.is_there)""",
            f"drop table {before}",
        )

        def replace(connection: Connection) -> None:
            for statement in statements:
                connection.execute(statement)

        self.replacing.start(f"replace {model.name}", replace)
        return int(self.warehouse.value(f"select count(*) from {now}"))

    def _delete(self, target: str, column: str, touched: str) -> None:
        """Delete the rows of touched keys."""
        self.warehouse.execute(f"delete from {target} where {self._among(column, touched)}")

    def _among(self, column: str, touched: str) -> str:
        """The condition that a column holds one of the touched keys, which are all that their table has."""
        return f"{column} in (select * from {TOUCHED}.{touched})"

    def _columns(self, model: Model) -> dict[str, str]:
        return self._columns_of(qualified(model))

    def _columns_of(self, table: str) -> dict[str, str]:
        return {row["column_name"]: row["column_type"] for row in self.warehouse.rows(f"describe {table}")}

    def _drop(self, names: Iterable[str]) -> None:
        for name in names:
            self.warehouse.execute(f"drop table if exists {TOUCHED}.{name}")

    def _keep_renewed(self, name: str, model: Model) -> None:
        """Keep a table of the rows that replaced others as renewed_<model>."""
        self._drop([f"renewed_{model.name}"])
        self._rename(name, f"renewed_{model.name}")
        self.kept.append(model.name)

    def _rename(self, name: str, new: str) -> None:
        self.warehouse.execute(f"alter table {TOUCHED}.{name} rename to {new}")
