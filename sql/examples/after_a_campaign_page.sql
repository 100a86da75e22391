-- question: What do customers do in the three steps after a campaign page, and which of these ways convert?
-- reading: One row a path, the most frequent first; `__end__` means that the journey ended. Conversion is of matured
-- reading: journeys, those that bought after the campaign page.
select
    p.path,
    p.journey_count,
    p.share,
    p.conversion_rate,
    p.conversion_rate_low,
    p.conversion_rate_high,
    p.matured_count
from paths_after('campaign page', 3) as p
where p.journey_count >= 3
