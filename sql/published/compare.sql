-- What tells two groups of customers apart: how many of each met a touchpoint, a transition, a channel or a stage.
-- macro: compare(trait, first_group, second_group)
-- argument: trait         what makes the groups: entry_channel, entry_touchpoint, last_touchpoint, furthest_stage or state of a journey; touchpoint, stage, channel, device, source, campaign_source, campaign_medium or campaign_name of an event
-- argument: first_group   group a: customers with one such journey or event at least
-- argument: second_group  group b in the same way; NULL: everyone else. A customer of both groups is in neither
-- column: kind        touchpoint, transition, channel, stage or entry channel
-- column: feature     its name
-- column: rate_a      shown_a / n_a
-- column: rate_b      shown_b / n_b
-- column: difference  rate_a - rate_b
-- column: low         Newcombe 95 % interval of the difference, lower end; one in twenty excludes 0 by chance
-- column: high        Newcombe 95 % interval of the difference, upper end
-- column: shown_a     customers of group a who met it
-- column: n_a         customers of group a
-- column: shown_b     customers of group b who met it
-- column: n_b         customers of group b
-- example: from compare('entry_channel', 'email', 'paid_search') where kind = 'touchpoint'
with asked as (
    select
        case
            when trait in ('entry_channel', 'entry_touchpoint', 'last_touchpoint', 'furthest_stage', 'state')
                then 'journeys'
            when trait in (
                    'touchpoint', 'stage', 'channel', 'device', 'source', 'campaign_source', 'campaign_medium',
                    'campaign_name'
                ) then 'events'
            else error('trait: give a column that the dictionary lists under compare, such as entry_channel or device')
        end as table_name,
        trait as trait_name,
        cast(first_group as varchar) as first_name,
        cast(second_group as varchar) as second_name
),

traits as (
    select
        j.customer_id,
        case a.trait_name
            when 'entry_channel' then j.entry_channel
            when 'entry_touchpoint' then j.entry_touchpoint
            when 'last_touchpoint' then j.last_touchpoint
            when 'furthest_stage' then j.furthest_stage
            else j.state
        end as group_name
    from journeys as j
    inner join asked as a on a.table_name = 'journeys'
    union all
    select
        e.customer_id,
        case a.trait_name
            when 'touchpoint' then e.touchpoint
            when 'stage' then e.stage
            when 'channel' then e.channel
            when 'device' then e.device
            when 'source' then e.source
            when 'campaign_source' then e.campaign_source
            when 'campaign_medium' then e.campaign_medium
            else e.campaign_name
        end as group_name
    from events as e
    inner join asked as a on a.table_name = 'events'
),

sorted_out as (
    select
        t.customer_id,
        bool_or(t.group_name = a.first_name) as is_first,
        bool_or(coalesce(t.group_name = a.second_name, false)) as is_second
    from traits as t
    cross join asked as a
    where t.group_name in (a.first_name, a.second_name)
    group by t.customer_id
),

members as (
    select
        c.customer_id,
        coalesce(s.is_first, false) as is_a,
        case when a.second_name is null then not coalesce(s.is_first, false) else coalesce(s.is_second, false) end
            as is_b
    from customers as c
    cross join asked as a
    left join sorted_out as s on c.customer_id = s.customer_id
    where not c.is_flagged
),

compared as (
    select
        m.customer_id,
        m.is_a
    from members as m
    where m.is_a <> m.is_b
),

totals as (
    select
        count(case when c.is_a then 1 end) as n_a,
        count(case when not c.is_a then 1 end) as n_b
    from compared as c
),

walked as (
    select
        s.customer_id,
        s.touchpoint,
        s.channel,
        s.stage,
        s.next_touchpoint
    from journey_steps as s
    inner join journeys as j on s.journey_id = j.journey_id
    where not j.is_flagged
),

shown as (
    select
        'touchpoint' as kind,
        w.touchpoint as feature,
        w.customer_id
    from walked as w
    union all
    select
        'transition' as kind,
        w.touchpoint || ' → ' || w.next_touchpoint as feature,
        w.customer_id
    from walked as w
    where w.next_touchpoint is not null
    union all
    select
        'channel' as kind,
        w.channel as feature,
        w.customer_id
    from walked as w
    where w.channel is not null
    union all
    select
        'stage' as kind,
        w.stage as feature,
        w.customer_id
    from walked as w
    where w.stage is not null
    union all
    select
        'entry channel' as kind,
        j.entry_channel as feature,
        j.customer_id
    from journeys as j
    where not j.is_flagged and j.entry_channel is not null
),

counted as (
    select
        s.kind,
        s.feature,
        count(distinct case when c.is_a then s.customer_id end) as shown_a,
        t.n_a,
        count(distinct case when not c.is_a then s.customer_id end) as shown_b,
        t.n_b
    from shown as s
    inner join compared as c on s.customer_id = c.customer_id
    cross join totals as t
    group by s.kind, s.feature, t.n_a, t.n_b
),

rated as (
    select
        c.*,
        rate(c.shown_a, c.n_a) as rate_a,
        rate(c.shown_b, c.n_b) as rate_b,
        wilson_low(c.shown_a, c.n_a) as low_a,
        wilson_high(c.shown_a, c.n_a) as high_a,
        wilson_low(c.shown_b, c.n_b) as low_b,
        wilson_high(c.shown_b, c.n_b) as high_b
    from counted as c
),

-- Newcombe's hybrid score interval (1998, method 10).
bounded as (
    select
        r.*,
        r.rate_a - r.rate_b as difference,
        r.rate_a - r.rate_b - sqrt(power(r.rate_a - r.low_a, 2) + power(r.high_b - r.rate_b, 2)) as low,
        r.rate_a - r.rate_b + sqrt(power(r.high_a - r.rate_a, 2) + power(r.rate_b - r.low_b, 2)) as high
    from rated as r
)

select
    b.kind,
    b.feature,
    b.rate_a,
    b.rate_b,
    b.difference,
    b.low,
    b.high,
    b.shown_a,
    b.n_a,
    b.shown_b,
    b.n_b
from bounded as b
order by
    case when b.low > 0 or b.high < 0 then least(abs(b.low), abs(b.high)) else 0 end desc,
    abs(b.difference) desc,
    b.kind,
    b.feature
