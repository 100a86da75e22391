-- The files of the last run are still there, under whatever name, and still read; none of them shrank (or, with audits.rewritten, changed).
-- severity: warn
with there as (
    select distinct
        source,
        sha256
    from files
    where status <> 'vanished'
),

compared as (
    select
        b.source,
        b.path,
        b.record_count as record_count_before,
        f.record_count,
        case
            when f.status = 'vanished' then 'vanished'
            when f.path is null and t.sha256 is null then 'left'
            when f.record_count < b.record_count then 'shrank'
            when f.sha256 <> b.sha256 then 'rewritten'
        end as fate
    from files_before as b
    left join files as f on b.source = f.source and b.path = f.path
    left join there as t on b.source = t.source and b.sha256 = t.sha256
    where b.status <> 'vanished'
)

select
    source,
    path,
    fate,
    record_count_before,
    record_count
from compared
where fate in ('vanished', 'left', 'shrank')
    or (fate = 'rewritten' and $rewritten)
