-- Records and items of the batch that are no events, with the reason and what was read.
-- grain: one row per file_no, line, item
-- kept: batch
select
    file_no,
    line,
    item,
    label_of(reject_reason) as reason,
    encode(raw) as raw,
    octet_length(encode(raw)) as byte_count
from staged_items
where reject_reason is not null
union all
select
    file_no,
    line,
    1 as item,
    reason,
    raw,
    byte_count
from read_bad_records
