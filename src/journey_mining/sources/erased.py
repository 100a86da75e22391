"""Who was erased stays out: tombstones are keyed hashes of identifiers, compared at the door with what is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from journey_mining.errors import ConfigError
from journey_mining.sources.keys import KEY_VARIABLE, Pads
from journey_mining.warehouse import Warehouse, quoted

_HASHED = "identifier_hash_of(kind, identifier_normal(kind, content), $inner, $outer)"


def list_erased(warehouse: Warehouse, pads: Pads) -> None:
    """Create temp.erased_lists(identifiers): the combinations in temp.read_items that name an erased person.

    Tombstones may have been made with several keys. Raises ConfigError when one of these is not known any more.
    """
    warehouse.execute(
        "create or replace temporary table erased_lists as select identifiers from read_items where false"
    )
    rows = warehouse.rows("select distinct key_id from tombstones order by key_id")
    for known in _pads_by_id(pads, [str(row["key_id"]) for row in rows]):
        warehouse.execute(
            f"""insert into temp.main.erased_lists
            with combinations as (
                select distinct identifiers from read_items
                where identifiers is not null and identifiers not in (select identifiers from erased_lists)
            ),
            named as (
                select identifiers, unnested.kind as kind, unnested.content as content
                from combinations, unnest(identifiers) as u (unnested)
            )
            select distinct identifiers from named
            where {_HASHED} in (select identifier_hash from tombstones where key_id = $key_id)""",
            {"inner": known.inner, "outer": known.outer, "key_id": known.key_id},
        )


def _pads_by_id(pads: Pads, wanted: Iterable[str]) -> list[Pads]:
    known = {one.key_id: one for one in (pads, *pads.others)}
    require_keys_of_erased(wanted := list(wanted), known)
    return [known[key_id] for key_id in wanted]


def require_keys_of_erased(wanted: Iterable[str], known: Collection[str]) -> None:
    """Raise ConfigError when one of the keys under which persons were erased is not among the ids of the known ones."""
    missing = [key_id for key_id in wanted if key_id not in known]
    if missing:
        raise ConfigError(
            f"Persons were erased under the key {missing[0]}, which is not known any more: they would come back.",
            found=f"known: {', '.join(known) or 'none'}",
            fix=f"bring that key back, before the others, in {KEY_VARIABLE} or the key file",
        )


def carry_tombstones(warehouse: Warehouse, store: str) -> None:
    """Take the tombstones over from the store in the file `store`, which has just not been kept."""
    warehouse.execute(f"attach {quoted(store)} as former (read_only)")
    there = (
        "select count(*) from duckdb_tables() where database_name = 'former' and table_name = 'tombstones'"
    )
    if warehouse.value(there):
        warehouse.execute("insert into store.main.tombstones by name select * from former.main.tombstones")
    warehouse.execute("detach former")


def horizon_us(warehouse: Warehouse, retention_us: int | None) -> int:
    """Time before which nothing is read, microseconds UTC: that of the last run with this retention."""
    rows = warehouse.rows("select retention_us, horizon_us from retention")
    if retention_us is None or not rows or rows[0]["retention_us"] != retention_us:
        return -(1 << 62)
    return int(rows[0]["horizon_us"])
