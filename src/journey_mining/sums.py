"""Tables of sums: a row holds amounts by key, to which what has changed is added. What adds up to nothing is no row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from journey_mining.warehouse import quoted_name


def write_sums(rows: str, keys: Sequence[str], amounts: Mapping[str, str]) -> str:
    """The query of the sums of `rows` (a query) by `keys`; `amounts` are the columns that are added, with their types."""
    listed = ", ".join(map(quoted_name, keys))
    summed = ", ".join(
        f"cast(sum({quoted_name(one)}) as {kind}) as {quoted_name(one)}" for one, kind in amounts.items()
    )
    is_there = " or ".join(f"sum({quoted_name(one)}) <> 0" for one in amounts)
    return f"select {listed}, {summed} from ({rows}) group by {listed} having {is_there}"


def write_addition(
    table: str, changes: str, changed: str, keys: Sequence[str], amounts: Mapping[str, str]
) -> tuple[str, ...]:
    """The statements that add a table `changes` of sums to another; `changed` is made the rows that took others' place."""
    listed = ", ".join(quoted_name(one) for one in (*keys, *amounts))
    same = " and ".join(f"t.{quoted_name(one)} is not distinct from c.{quoted_name(one)}" for one in keys)
    is_changed = f"exists (select 1 from {changes} as c where {same})"
    rows = f"select {listed} from {table} as t where {is_changed} union all select {listed} from {changes}"
    return (
        f"create or replace table {changed} as {write_sums(rows, keys, amounts)}",
        f"delete from {table} as t where {is_changed}",
        f"insert into {table} by name from {changed}",
    )
