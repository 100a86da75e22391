"""The statements of a renewal: touched keys, temporary tables that stand before others, rows that replace others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from journey_mining.errors import ModelError
from journey_mining.models import Model, find_models
from journey_mining.warehouse import Warehouse, first_line, qualified


@dataclass
class TouchedTables:
    """The temporary tables of one run's renewal."""

    warehouse: Warehouse
    parameters: Mapping[str, Any]
    kept: list[str] = field(default_factory=list, kw_only=True)
    """Temporary tables renewed_<model>: the rows that replaced others, for the audits of this run."""

    def _renew_within(self, name: str, touched: str, **narrowed: str) -> None:
        """Replace the rows of touched keys; `narrowed` names what is enough of an input to compute them."""
        model = find_models("core")[name]
        column = str(model.renewed).removeprefix("by ")
        key = next(iter(self._columns_of(touched)))
        for table, condition in narrowed.items():
            self._shadow(table, f"select * from store.main.{table} {condition}")
        self._create(f"renewed_{name}", model.sql, model, f"where {column} in (select {key} from {touched})")
        self._drop(narrowed)
        self._delete(qualified(model), column, touched)
        self._insert(model, f"renewed_{name}")
        self.kept.append(name)

    def _set(self, name: str, query: str) -> None:
        """A temporary table of the distinct rows of a query, which may read the table that it replaces."""
        self.warehouse.execute(
            f"create or replace temporary table {name} as select distinct * from ({query})"
        )

    def _set_keys_of(self, name: str, identifiers: str) -> None:
        self._set(
            name, f"select identity_key from identifier_sets semi join {identifiers} using (identifier_hash)"
        )

    def _shadow(self, name: str, query: str) -> None:
        """A temporary table of a query, which stands before a table of its name."""
        self.warehouse.execute(f"create or replace temporary table {name} as {query}")

    def _create(self, name: str, sql: str, model: Model, condition: str = "") -> None:
        """The rows of a model, as a temporary table; raises ModelError."""
        bound = {parameter: self.parameters[parameter] for parameter in model.parameters}
        try:
            self.warehouse.execute(
                f"create or replace temporary table {name} as select * from (\n{sql}\n) {condition}", bound
            )
        except duckdb.Error as error:
            raise ModelError(
                f"The model {model.layer}/{model.name}.sql failed: {first_line(error)}.",
                fix="see it with: journey-mining models --show " + model.name,
            ) from error

    def _insert(self, model: Model, source: str) -> int:
        """Add the rows of a temporary table to the model's; returns their number."""
        self.warehouse.execute(f"insert into {qualified(model)} by name from temp.main.{source}")
        return int(self.warehouse.value(f"select count(*) from temp.main.{source}"))

    def _delete(self, target: str, column: str, touched: str) -> None:
        """Delete the rows of touched keys."""
        key = next(iter(self._columns_of(touched)))
        self.warehouse.execute(f"delete from {target} where {column} in (select {key} from {touched})")

    def _columns(self, model: Model) -> dict[str, str]:
        return self._columns_of(qualified(model))

    def _columns_of(self, table: str) -> dict[str, str]:
        return {row["column_name"]: row["column_type"] for row in self.warehouse.rows(f"describe {table}")}

    def _drop(self, names: Iterable[str]) -> None:
        for name in names:
            self.warehouse.execute(f"drop table if exists temp.main.{name}")

    def _keep_renewed(self, name: str) -> None:
        """Keep the rows that replaced others under renewed_<model>."""
        self.warehouse.execute(f"drop table if exists temp.main.renewed_{name}")
        self.warehouse.execute(f"alter table temp.main.{name} rename to renewed_{name}")
        self.kept.append(name)
