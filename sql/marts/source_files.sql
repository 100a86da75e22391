-- The files that were read, with what became of their records.
-- grain: one row per file_id
-- column: file_id             hash of source, path and content
-- column: source              configured input
-- column: system              product that the export comes from
-- column: table_name          the preset's table, NULL when it was not recognised
-- column: path                path relative to journey.yaml
-- column: sha256              checksum of the bytes
-- column: byte_count          size, bytes
-- column: record_count        records: rows, lines or items of a document
-- column: item_count          items: a record may carry several facts
-- column: event_count         items that became events
-- column: duplicate_count     items that repeat an event
-- column: quarantined_count   items and records that are no events
-- column: refused_count       items without consent, of erased persons or older than the retention: counted, not kept
-- column: first_event_at      first event, UTC
-- column: last_event_at       last event, UTC
-- column: status              read, lookup, empty, damaged or unrecognised
with spans as (
    select
        file_no,
        min(occurred_us) as first_us,
        max(occurred_us) as last_us
    from staged_events
    group by file_no
)

select
    f.file_id,
    f.source,
    f.system,
    f.table_name,
    f.path,
    f.sha256,
    f.byte_count,
    f.record_count,
    f.item_count,
    f.event_count,
    f.duplicate_count,
    f.quarantined_count,
    f.refused_count,
    make_timestamp(s.first_us) as first_event_at,
    make_timestamp(s.last_us) as last_event_at,
    f.status
from files as f
left join spans as s on f.file_no = s.file_no
order by f.source, f.path, f.file_id
