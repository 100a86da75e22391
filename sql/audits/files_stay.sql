-- The files of the last run are still there, and none of them shrank (or, with audits.rewritten, changed).
-- severity: warn
with compared as (
    select
        b.source,
        b.path,
        b.record_count as record_count_before,
        f.record_count,
        case
            when f.path is null or f.status = 'vanished' then 'vanished'
            when f.record_count < b.record_count then 'shrank'
            when f.sha256 <> b.sha256 then 'rewritten'
        end as fate
    from files_before as b
    left join files as f on b.source = f.source and b.path = f.path
    where b.status <> 'vanished'
)

select
    source,
    path,
    fate,
    record_count_before,
    record_count
from compared
where fate in ('vanished', 'shrank')
    or (fate = 'rewritten' and $rewritten)
