-- Files that hold nothing we can read: damaged, empty, or not a table of their system.
-- severity: warn
select
    source,
    path,
    status
from source_files
where status in ('damaged', 'unrecognised', 'empty')
