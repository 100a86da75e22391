-- How two groups of journeys differ: in conversion, and in the touchpoints that they reach.
-- macro: compare(trait, first_group, second_group)
-- argument: trait         what tells the groups apart: entry_channel, entry_touchpoint, last_touchpoint, furthest_stage, state, started_month (2026-03) or started_week (2026-W10)
-- argument: first_group   the first group's value
-- argument: second_group  the second group's value
-- column: measure            conversion: reached the goal, of the journeys that are converted or dropped off; reached: went through the touchpoint, of all journeys
-- column: touchpoint         the touchpoint; NULL for conversion
-- column: first_count        journeys of the first group that did
-- column: first_total        journeys of the first group in the denominator
-- column: first_rate         first_count / first_total
-- column: second_count       the same of the second group
-- column: second_total       the same of the second group
-- column: second_rate        second_count / second_total
-- column: difference         first_rate - second_rate
-- column: difference_low     Newcombe 95 % interval, lower end
-- column: difference_high    Newcombe 95 % interval, upper end
-- column: is_clear           the interval does not hold 0
-- example: from compare('entry_channel', 'email', 'paid_search')
with asked as (
    select
        case
            when trait in (
                    'entry_channel', 'entry_touchpoint', 'last_touchpoint', 'furthest_stage', 'state',
                    'started_month', 'started_week'
                ) then trait
            else error(
                    'trait: give entry_channel, entry_touchpoint, last_touchpoint, furthest_stage, state, '
                    || 'started_month or started_week'
                )
        end as trait_name,
        cast(first_group as varchar) as first_name,
        cast(second_group as varchar) as second_name
),

told_apart as (
    select
        j.journey_id,
        j.state,
        a.first_name,
        a.second_name,
        case a.trait_name
            when 'entry_channel' then j.entry_channel
            when 'entry_touchpoint' then j.entry_touchpoint
            when 'last_touchpoint' then j.last_touchpoint
            when 'furthest_stage' then j.furthest_stage
            when 'state' then j.state
            when 'started_month' then strftime(j.started_at, '%Y-%m')
            else strftime(j.started_at, '%G-W%V')
        end as group_name
    from journeys as j
    cross join asked as a
    where not j.is_flagged
),

grouped as (
    select
        t.journey_id,
        t.state,
        t.group_name = t.first_name as is_first
    from told_apart as t
    where t.group_name in (t.first_name, t.second_name)
),

totals as (
    select
        count(case when g.is_first then 1 end) as first_total,
        count(case when not g.is_first then 1 end) as second_total
    from grouped as g
),

seen as (
    select distinct
        s.journey_id,
        s.touchpoint,
        g.is_first
    from journey_steps as s
    inner join grouped as g on s.journey_id = g.journey_id
),

counted as (
    select
        'conversion' as measure,
        null as touchpoint,
        count(case when g.is_first and g.state = 'converted' then 1 end) as first_count,
        count(case when g.is_first and g.state <> 'open' then 1 end) as first_total,
        count(case when not g.is_first and g.state = 'converted' then 1 end) as second_count,
        count(case when not g.is_first and g.state <> 'open' then 1 end) as second_total
    from grouped as g
    union all
    select
        'reached' as measure,
        s.touchpoint,
        count(case when s.is_first then 1 end) as first_count,
        t.first_total,
        count(case when not s.is_first then 1 end) as second_count,
        t.second_total
    from seen as s
    cross join totals as t
    group by s.touchpoint, t.first_total, t.second_total
),

rated as (
    select
        c.*,
        rate(c.first_count, c.first_total) as first_rate,
        rate(c.second_count, c.second_total) as second_rate,
        wilson_low(c.first_count, c.first_total) as first_low,
        wilson_high(c.first_count, c.first_total) as first_high,
        wilson_low(c.second_count, c.second_total) as second_low,
        wilson_high(c.second_count, c.second_total) as second_high
    from counted as c
),

-- Newcombe's hybrid score interval (1998, method 10).
compared as (
    select
        r.*,
        r.first_rate - r.second_rate as difference,
        r.first_rate - r.second_rate
        - sqrt(power(r.first_rate - r.first_low, 2) + power(r.second_high - r.second_rate, 2)) as difference_low,
        r.first_rate - r.second_rate
        + sqrt(power(r.first_high - r.first_rate, 2) + power(r.second_rate - r.second_low, 2)) as difference_high
    from rated as r
)

select
    c.measure,
    c.touchpoint,
    c.first_count,
    c.first_total,
    c.first_rate,
    c.second_count,
    c.second_total,
    c.second_rate,
    c.difference,
    c.difference_low,
    c.difference_high,
    c.difference_low > 0 or c.difference_high < 0 as is_clear
from compared as c
order by c.measure, abs(c.difference) desc, c.touchpoint
