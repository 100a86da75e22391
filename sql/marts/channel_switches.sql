-- Channel switches: consecutive steps of a journey in different channels.
-- grain: one row per from_channel, to_channel
-- column: from_channel           channel of the one step
-- column: to_channel             channel of the next step
-- column: switch_count           times that it happened
-- column: journey_count          journeys in which it happened
-- column: customer_count         customers who did it
-- column: conversion_rate        share of its matured journeys that converted
-- column: conversion_rate_low    Wilson 95 % interval, lower end
-- column: conversion_rate_high   Wilson 95 % interval, upper end
select
    from_channel,
    to_channel,
    switch_count,
    journey_count,
    customer_count,
    rate(converted_count, matured_count) as conversion_rate,
    wilson_low(converted_count, matured_count) as conversion_rate_low,
    wilson_high(converted_count, matured_count) as conversion_rate_high
from channel_switch_counts
order by switch_count desc, from_channel, to_channel
