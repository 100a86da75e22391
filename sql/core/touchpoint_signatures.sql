-- The touchpoint dictionary: what each kind of event up to the cutoff is called, and in which stage, by rule or by default.
-- grain: one row per signature_id
-- kept: private
-- column: signature_id     kind of event
-- column: source           configured input
-- column: system           product that the export comes from
-- column: source_rank      precedence of the source among events of equal time
-- column: touchpoint       named kind of contact
-- column: touchpoint_no    number of the touchpoint, dense, by name
-- column: stage            stage of the touchpoint, or NULL when it is unmapped
-- column: stage_number     position of the stage
-- column: channel          medium of contact
-- column: is_background    kept and countable, but neither a step nor an activity
-- column: is_activity      initiated by the customer and no background
-- column: is_goal          converts a journey
-- column: rule             the rule that named it: its number and text, 'given' or 'default'
with seen as (
    select distinct signature_id
    from staged_events
    where occurred_us <= $cutoff_us
),

named as (
    select
        s.*,
        r.rule_number,
        r.rule_text,
        r.stage as rule_stage,
        r.channel as rule_channel,
        r.is_background as rule_background,
        touchpoint_of(case
            when r.touchpoint is not null then r.touchpoint
            when s.given_touchpoint is not null then s.given_touchpoint
            when s.event_name in ('page_view', 'page view', 'pageview', 'screen_view') and s.page_path is not null
                then 'page ' || regexp_extract(s.page_path, '^(/[^/]*(?:/[^/]*)?)', 1)
            else s.event_name
        end) as touchpoint
    from signatures as s
    inner join seen as e on s.signature_id = e.signature_id
    left join matched_rules as m on s.signature_id = m.signature_id
    left join touchpoint_rules as r on m.rule_number = r.rule_number
),

-- Without a rule the words of the name tell the stage; the more specific stage wins.
guessed as (
    select
        *,
        lower(replace(replace(touchpoint, '_', ' '), '-', ' ')) as words
    from named
),

staged as (
    select
        *,
        case
            when rule_stage is not null then rule_stage
            when given_stage is not null then given_stage
            else stage_of_words(words)
        end as found_stage
    from guessed
),

-- The goal is the touchpoint of that name; where there is none, the stage.
goals as (
    select count(*) filter (where touchpoint = $goal) > 0 as is_touchpoint
    from staged
)

select
    s.signature_id,
    s.source,
    c.system,
    c.source_rank,
    s.touchpoint,
    cast(dense_rank() over (order by s.touchpoint) as integer) as touchpoint_no,
    g.stage,
    g.stage_number,
    coalesce(s.rule_channel, s.channel, 'unknown') as channel,
    s.event_name,
    s.initiator,
    s.device,
    s.page_path,
    s.object_type,
    s.status,
    s.campaign_source,
    s.campaign_medium,
    s.score_kind,
    coalesce(s.rule_background, s.is_background) and k.touchpoint is null as is_background,
    s.initiator = 'customer'
    and not (coalesce(s.rule_background, s.is_background) and k.touchpoint is null) as is_activity,
    coalesce(case when goals.is_touchpoint then s.touchpoint = $goal else g.stage = $goal end, false)
    and not (coalesce(s.rule_background, s.is_background) and k.touchpoint is null) as is_goal,
    case
        when s.rule_number is not null then s.rule_text
        when s.given_touchpoint is not null then 'given'
        else 'default'
    end as rule
from staged as s
inner join configured_sources as c on s.source = c.source
left join stages as g on s.found_stage = g.stage
left join counted_steps as k on s.touchpoint = k.touchpoint
cross join goals
