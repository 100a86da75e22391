-- The audits of the run: what did not pass first.
select
    audit,
    severity,
    status,
    offending_count,
    detail
from audits
order by status = 'passed', severity, audit
