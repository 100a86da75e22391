-- The columns of the published tables.
select
    c.table_name,
    c.column_name,
    lower(c.data_type) as data_type,
    c.comment as meaning
from duckdb_columns() as c
inner join duckdb_tables() as t on c.table_oid = t.table_oid and c.database_oid = t.database_oid
where t.database_name = current_database() and not t.internal and not t.temporary
order by c.table_name, c.column_index
