/*
system: qualtrics
summary: Qualtrics, responses to a survey as CSV (three header rows; two in the legacy format); name the score questions under `columns`
delivery: at_least_once
timezone: fallback
tables:
  responses:
    requires: [ResponseId, EndDate]
    header_rows: 2
    header_marker: '\{\s*["'']ImportId["'']'
    patterns:
      nps: '(.*_)?NPS(_?SCORE)?'
      csat: '(.*_)?CSAT(_?SCORE)?'
      ces: '(.*_)?CES(_?SCORE)?'
    columns:
      ResponseId: VARCHAR
      EndDate: VARCHAR
      RecordedDate: VARCHAR
      Status: VARCHAR
      Progress: VARCHAR
      Finished: VARCHAR
      RecipientEmail: VARCHAR
      ExternalReference: VARCHAR
      DistributionChannel: VARCHAR
      nps: VARCHAR
      csat: VARCHAR
      ces: VARCHAR
  legacy:
    requires: [V1, V4, V5, V7, V8, V9, V10]
    header_rows: 2
    patterns:
      nps: '(.*_)?NPS(_?SCORE)?'
      csat: '(.*_)?CSAT(_?SCORE)?'
      ces: '(.*_)?CES(_?SCORE)?'
    columns:
      V1: VARCHAR
      V4: VARCHAR
      V5: VARCHAR
      V7: VARCHAR
      V9: VARCHAR
      V10: VARCHAR
      nps: VARCHAR
      csat: VARCHAR
      ces: VARCHAR
*/
with rows_read as (
    select
        file_no,
        line,
        raw,
        nullif(regexp_extract(header_text, 'timeZone["'']\s*:\s*["'']([^"'']+)["'']', 1), '') as header_zone,
        "ResponseId" as response_id,
        coalesce("RecordedDate", "EndDate") as occurred_text,
        lower("Status") as status,
        lower("Finished") as finished,
        try_cast("Progress" as double) as progress,
        "RecipientEmail" as email,
        "ExternalReference" as user_id,
        lower("DistributionChannel") as campaign_medium,
        [
            {'score_kind': 'nps', 'answer': nps, 'score_min': 0, 'score_max': 10},
            {'score_kind': 'csat', 'answer': csat, 'score_min': 1, 'score_max': 5},
            {'score_kind': 'ces', 'answer': ces, 'score_min': 1, 'score_max': 7}
        ] as questions
    from read_responses
    union all by name
    select
        file_no,
        line,
        raw,
        v1 as response_id,
        v9 as occurred_text,
        lower(v7) as status,
        lower(v10) as finished,
        v5 as email,
        v4 as user_id,
        [
            {'score_kind': 'nps', 'answer': nps, 'score_min': 0, 'score_max': 10},
            {'score_kind': 'csat', 'answer': csat, 'score_min': 1, 'score_max': 5},
            {'score_kind': 'ces', 'answer': ces, 'score_min': 1, 'score_max': 7}
        ] as questions
    from read_legacy
),

zones as (
    select name from pg_timezone_names()
),

-- The zone in the header wins, if there is such a zone; a choice's text may follow its number ('10 - Very likely').
zoned as (
    select
        r.*,
        coalesce(z.name, case when upper(r.header_zone) in ('Z', 'GMT', 'UTC') then 'UTC' end, $timezone) as zone_name,
        list_transform(
            list_filter(r.questions, lambda q: trim(q.answer) <> ''),
            lambda q: {
                'score_kind': q.score_kind, 'score_min': q.score_min, 'score_max': q.score_max,
                'score': try_cast(regexp_extract(q.answer, '^\s*([0-9]+([.][0-9]+)?)', 1) as double)
            }
        ) as answered
    from rows_read as r
    left join zones as z on r.header_zone = z.name
),

judged as (
    select
        *,
        list_filter(answered, lambda a: a.score between a.score_min and a.score_max) as scores,
        list_filter(answered, lambda a: not coalesce(a.score between a.score_min and a.score_max, false)) as strays,
        coalesce(finished in ('1', 'true', 'wahr', 'yes'), false) or coalesce(progress >= 100, false)
        or (coalesce(finished not in ('0', 'false', 'falsch', 'no'), true) and progress is null) as is_finished,
        coalesce(
            status in ('1', '2', '8', '9', '12', '17', '40')
            or regexp_matches(status, 'preview|test|spam|vorschau'), false
        ) or coalesce(campaign_medium = 'preview', false) as is_trial
    from zoned
),

-- Item 1 is the response with its first score; each further score, and each answer off its scale, is one more.
itemised as (
    select
        *,
        unnest(range(1, greatest(len(scores), 1) + len(strays) + 1)) as item
    from judged
)

select
    file_no,
    line,
    raw,
    item,
    response_id || ':' || case when is_finished then 'answered' else 'unfinished' end
    || case when item = 1 then '' else ':' || item end as native_key,
    occurred_text,
    time_us(occurred_text, zone_name) as occurred_us,
    case when is_finished then 'survey answered' else 'survey unfinished' end as event_name,
    case when is_trial then 'system' else 'customer' end as initiator,
    is_trial or not is_finished as is_background,
    'survey' as channel,
    campaign_medium,
    'survey' as object_type,
    case when is_finished then 'finished' else 'unfinished' end as status,
    case when is_finished and not is_trial then scores[item].score end as score,
    case when is_finished and not is_trial then scores[item].score_kind end as score_kind,
    case when is_finished and not is_trial then cast(scores[item].score_min as double) end as score_min,
    case when is_finished and not is_trial then cast(scores[item].score_max as double) end as score_max,
    case
        when response_id is null then 'no ResponseId'
        when item > greatest(len(scores), 1) then 'score outside its scale'
    end as reject_reason,
    [{'kind': 'user_id', 'content': user_id}, {'kind': 'email', 'content': email}] as identifiers
from itemised
