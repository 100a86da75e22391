-- The settings this database was made with.
select
    name,
    value
from settings
order by name
