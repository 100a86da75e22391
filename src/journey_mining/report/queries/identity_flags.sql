-- Identifiers that link nothing since too many customers share them, or since their value is no identifier.
select
    identifier_type,
    reason,
    count(*) as identifier_count,
    max(link_count) as most_links
from identity_flags
group by identifier_type, reason
order by identifier_type, reason
