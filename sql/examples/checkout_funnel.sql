-- question: Where between the product page and the purchase do customers stop, within a week?
-- reading: A row a step. entered = converted + dropped_off + open; the lowest conversion_rate is the narrowest place.
-- reading: median_seconds is the time to the next step, of those who went on.
select
    f.step_number,
    f.step,
    f.entered,
    f.converted,
    f.dropped_off,
    f."open",
    f.conversion_rate,
    f.conversion_rate_low,
    f.conversion_rate_high,
    f.median_seconds
from funnel(['product page', 'add to cart', 'checkout', 'payment', 'purchase'], window_seconds := 7 * 86400) as f
