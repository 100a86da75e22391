-- The published macros: what one can ask of the file in any DuckDB client.
select
    f.function_name,
    concat(f.function_name, '(', array_to_string(f.parameters, ', '), ')') as call,
    string_split(f.comment, ' Example: ')[1] as meaning,
    string_split(f.comment, ' Example: ')[2] as example
from duckdb_functions() as f
where f.database_name = current_database() and not f.internal and f.comment is not null
order by f.function_name
