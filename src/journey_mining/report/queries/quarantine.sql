-- Records kept aside, by reason, with one place to look at.
select
    source,
    reason,
    record_count,
    first_file,
    example_line
from quarantine_summary
order by record_count desc, source, reason
limit 100
