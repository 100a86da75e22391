-- question: Which touchpoint comes directly before a customer unsubscribes?
-- reading: One row a touchpoint. `share` is of all unsubscribes; with few of them the interval is wide, so read
-- reading: share_low and share_high before you blame anything.
select
    p.path as touchpoint_before,
    p.occurrence_count as unsubscribe_count,
    p.share,
    p.share_low,
    p.share_high,
    p.median_seconds
from paths_before('unsubscribe', 1, occurrence := 'all') as p
