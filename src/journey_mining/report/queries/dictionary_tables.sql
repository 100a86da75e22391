-- The published tables.
select
    t.table_name,
    t.comment as meaning
from duckdb_tables() as t
where t.database_name = current_database() and not t.internal and not t.temporary
order by t.table_name
