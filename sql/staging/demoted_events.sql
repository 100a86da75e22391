-- Events of the store that a delivery in the batch takes the place of.
-- grain: one row per event_id
-- kept: batch
select s.*
from contested_events as s
inner join fresh_events as f on s.event_id = f.event_id
