-- Pain points and moments of delight, the most conversions at stake (lower end of the interval) first.
select
    finding,
    kind,
    signal,
    stage,
    touchpoint,
    customers,
    conversion_with,
    conversion_without,
    difference,
    low,
    high,
    at_stake,
    at_stake_low,
    at_stake_high,
    comparable_count,
    matched_share,
    q_value,
    first_at,
    last_at
from pain_points
order by finding desc, at_stake_low desc, at_stake desc, kind, signal
limit 100
