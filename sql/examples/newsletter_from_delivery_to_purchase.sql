-- question: Of the customers who got a newsletter, how many clicked, and bought, within two weeks of the delivery?
-- reading: A row a step; deliveries are background, and count here because the funnel names them. An open is left out:
-- reading: it is often the mail client's doing.
select
    f.step,
    f.entered,
    f.step_conversion_rate,
    f.conversion_rate_low,
    f.conversion_rate_high,
    f.median_seconds
from funnel(['newsletter delivery', 'newsletter click', 'purchase'], window_seconds := 14 * 86400) as f
