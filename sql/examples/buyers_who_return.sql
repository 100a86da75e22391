-- question: Of the customers who first bought in a month, how many buy again in the months after?
-- reading: One row a cohort (month of the first purchase) and month after it; interval 0 is the cohort itself.
-- reading: Skip rows whose is_complete is false: that month had not ended at the cutoff.
select
    strftime(r.cohort_at, '%Y-%m') as first_bought_in,
    r.interval_number as months_later,
    r.cohort_size as customer_count,
    r.retained as bought_again_count,
    r.retention_rate,
    r.is_complete
from retention(every := 'month', entry_touchpoint := 'purchase', return_touchpoint := 'purchase') as r
