/*
system: zendesk
summary: Zendesk Support, documents of its API (users, tickets, audits or ticket events, ratings) or the tables that connectors make of them
delivery: at_least_once
timezone: in_data
tables:
  users:
    requires: [id, role, email, created_at]
    explode: [users]
    columns:
      id: VARCHAR
      role: VARCHAR
      email: VARCHAR
      phone: VARCHAR
      external_id: VARCHAR
      created_at: VARCHAR
      updated_at: VARCHAR
  tickets:
    requires: [id, requester_id, status, created_at]
    explode: [tickets]
    columns:
      id: VARCHAR
      requester_id: VARCHAR
      status: VARCHAR
      created_at: VARCHAR
      updated_at: VARCHAR
      via: {channel: VARCHAR}
      via_channel: VARCHAR
      metric_set: {solved_at: VARCHAR}
  audits:
    requires: [id, ticket_id, events, created_at]
    explode: [audits]
    columns:
      id: VARCHAR
      ticket_id: VARCHAR
      created_at: VARCHAR
      author_id: VARCHAR
      via: {channel: VARCHAR}
      events: [{id: VARCHAR, type: VARCHAR, field_name: VARCHAR, value: VARCHAR, previous_value: VARCHAR, public: VARCHAR, author_id: VARCHAR}]
  ticket_events:
    requires: [id, ticket_id, child_events]
    explode: [ticket_events]
    columns:
      id: VARCHAR
      ticket_id: VARCHAR
      created_at: VARCHAR
      timestamp: VARCHAR
      updater_id: VARCHAR
      via: VARCHAR
      child_events: [{id: VARCHAR, event_type: VARCHAR, field_name: VARCHAR, value: VARCHAR, status: VARCHAR, satisfaction_score: VARCHAR, previous_value: VARCHAR, public: VARCHAR, comment_public: VARCHAR, author_id: VARCHAR}]
  field_history:
    joined: true
    explains: [field_history]
    requires: [ticket_id, field_name, updated, value]
    columns: {ticket_id: VARCHAR, field_name: VARCHAR, updated: VARCHAR, value: VARCHAR, user_id: VARCHAR}
  comments:
    requires: [ticket_id, author_id, public, created_at]
    explode: [comments]
    columns: {id: VARCHAR, ticket_id: VARCHAR, author_id: VARCHAR, public: VARCHAR, created_at: VARCHAR, type: VARCHAR}
  comments_flat:
    requires: [ticket_id, user_id, public, created]
    columns: {id: VARCHAR, ticket_id: VARCHAR, user_id: VARCHAR, public: VARCHAR, created: VARCHAR, voice_comment: VARCHAR}
  ratings:
    joined: false
    requires: [id, score, ticket_id, requester_id]
    explode: [satisfaction_ratings]
    columns:
      id: VARCHAR
      score: VARCHAR
      ticket_id: VARCHAR
      requester_id: VARCHAR
      created_at: VARCHAR
      updated_at: VARCHAR
  survey_responses:
    requires: [id, responder_id, answers]
    explode: [survey_responses]
    columns:
      id: VARCHAR
      responder_id: VARCHAR
      answers: [{type: VARCHAR, rating: VARCHAR, created_at: VARCHAR, updated_at: VARCHAR}]
      subjects: [{type: VARCHAR, id: VARCHAR}]
*/
-- Times: ISO 8601 or seconds in documents; flattened tables hold UTC without saying so.
-- An export repeats tickets: the latest version says who asked.
with tickets_known as (
    select
        id as ticket_id,
        max_by(requester_id, coalesce(updated_at, '') || requester_id) as requester_id,
        min(coalesce(via.channel, via_channel)) as via_channel,
        min(seconds_or_text_us(created_at, coalesce($timezone, 'UTC'))) as created_us
    from read_tickets
    group by id
),

users_known as (
    select
        id as user_id,
        bool_or(role = 'end-user') as is_customer
    from read_users
    group by id
),

-- Audits and ticket events hold the same facts under the same ids.
updates as materialized (
    select
        file_no,
        line,
        raw,
        id as update_id,
        ticket_id,
        author_id,
        via.channel as via_channel,
        created_at as occurred_text,
        list_transform(
            coalesce(events, []),
            lambda e: {
                'event_id': e.id, 'kind': e.type, 'field': e.field_name, 'content': e."value",
                'previous': e.previous_value, 'is_public': e.public, 'author_id': e.author_id
            }
        ) as events
    from read_audits
    union all
    select
        file_no,
        line,
        raw,
        id as update_id,
        ticket_id,
        updater_id as author_id,
        via as via_channel,
        coalesce(created_at, "timestamp") as occurred_text,
        list_transform(
            coalesce(child_events, []),
            lambda e: {
                'event_id': e.id, 'kind': e.event_type,
                'field': case
                    when e.field_name is not null then e.field_name
                    when e.status is not null then 'status'
                    when e.satisfaction_score is not null then 'satisfaction_score'
                end,
                'content': coalesce(e."value", e.status, e.satisfaction_score),
                'previous': e.previous_value, 'is_public': coalesce(e.public, e.comment_public),
                'author_id': e.author_id
            }
        ) as events
    from read_ticket_events
),

numbered as (
    select
        *,
        list_contains(list_transform(events, lambda e: e.kind), 'Create') as is_opening,
        unnest(range(1, greatest(len(events), 1) + 1)) as item
    from updates
),

changes as (
    select
        file_no,
        line,
        raw,
        item,
        ticket_id,
        coalesce(events[item].event_id, 'update:' || update_id || ':' || item) as change_id,
        coalesce(events[item].author_id, author_id) as author_id,
        via_channel,
        occurred_text,
        coalesce(events[item].kind, 'none') as kind,
        events[item].field as field,
        events[item].content as content,
        events[item].previous as previous,
        lower(events[item].is_public) = 'false' as is_private,
        is_opening
    from numbered
    union all by name
    select
        file_no,
        line,
        raw,
        1 as item,
        ticket_id,
        user_id as author_id,
        updated as occurred_text,
        'Change' as kind,
        coalesce(field_name, '') as field,
        "value" as content,
        -- The value before: one that is delivered again, here or in another file, is no further change.
        first_value("value") over (
            partition by ticket_id, field_name order by updated, "value" groups between 1 preceding and 1 preceding
        ) as previous,
        false as is_opening
    from read_field_history
    union all by name
    select
        file_no,
        line,
        raw,
        1 as item,
        ticket_id,
        id as change_id,
        author_id,
        created_at as occurred_text,
        coalesce(type, 'Comment') as kind,
        lower(public) = 'false' as is_private
    from read_comments
    union all by name
    select
        file_no,
        line,
        raw,
        1 as item,
        ticket_id,
        id as change_id,
        user_id as author_id,
        created as occurred_text,
        case when lower(voice_comment) = 'true' then 'VoiceComment' else 'Comment' end as kind,
        lower(public) = 'false' as is_private
    from read_comments_flat
),

-- Who did it, and whose ticket it is.
attributed as (
    select
        c.*,
        t.requester_id,
        t.via_channel as ticket_via,
        seconds_or_text_us(c.occurred_text, coalesce($timezone, 'UTC')) as occurred_us,
        coalesce(
            c.is_opening, seconds_or_text_us(c.occurred_text, coalesce($timezone, 'UTC')) = t.created_us, false
        ) as is_first,
        coalesce(c.author_id = t.requester_id, false) or coalesce(u.is_customer, false) as is_by_customer,
        case
            when c.kind in ('Comment', 'VoiceComment', 'Tweet', 'FacebookEvent', 'FacebookComment') then 'comment'
            when c.kind = 'Change' and c.field = 'status' then 'status'
            when c.kind = 'Change' and c.field = 'satisfaction_score' and c.content in ('good', 'bad', 'offered')
                then 'rating'
            when c.kind in ('Create', 'Change') then 'field'
            when c.kind like '%otification%' then 'notification'
            else 'other'
        end as fact
    from changes as c
    left join tickets_known as t on c.ticket_id = t.ticket_id
    left join users_known as u on c.author_id = u.user_id
),

-- The first comment is the request itself, which the ticket's creation stands for.
named as (
    select
        *,
        case
            when fact = 'comment' and coalesce(is_private, false) then 'internal note'
            when fact = 'comment' and is_by_customer and is_first then 'ticket request'
            when fact = 'comment' and is_by_customer then 'customer reply'
            when fact = 'comment' then 'support reply'
            when fact = 'status' and content = 'open' and previous in ('solved', 'closed') then 'ticket reopened'
            when fact = 'status' and content in ('hold', 'on-hold') then 'ticket on hold'
            when fact = 'status' then 'ticket ' || coalesce(lower(content), 'status changed')
            when fact = 'rating' and content = 'offered' then 'survey offered'
            when fact = 'rating' then 'survey answered'
            when fact = 'field' then 'ticket field changed'
            when fact = 'notification' then 'notification sent'
            else 'ticket updated'
        end as event_name,
        case
            when fact = 'comment' and is_by_customer and not coalesce(is_private, false) then author_id
            else coalesce(requester_id, case when is_by_customer then author_id end)
        end as customer_id
    from attributed
),

change_items as (
    select
        file_no,
        line,
        raw,
        item,
        case
            when fact = 'status' then concat_ws(':', 'ticket', ticket_id, 'status', content, occurred_us)
            when fact = 'rating' then concat_ws(':', 'ticket', ticket_id, 'rating', content)
            when change_id is null then concat_ws(':', 'ticket', ticket_id, field, occurred_us)
            else 'change:' || change_id
        end as native_key,
        occurred_text,
        occurred_us,
        event_name,
        case
            when event_name in ('ticket request', 'customer reply', 'survey answered') then 'customer'
            when event_name = 'ticket reopened' and is_by_customer then 'customer'
            when event_name in ('support reply', 'internal note', 'survey offered') then 'company'
            when fact = 'status' and content not in ('closed', 'deleted') then 'company'
            else 'system'
        end as initiator,
        event_name not in ('customer reply', 'support reply', 'ticket solved', 'ticket reopened', 'survey answered')
            as is_background,
        case
            when fact = 'rating' then 'survey'
            when kind = 'VoiceComment' then 'phone'
            when event_name = 'customer reply' then support_channel(coalesce(via_channel, ticket_via))
            else support_channel(coalesce(ticket_via, case when is_by_customer then via_channel end))
        end as channel,
        'ticket' as object_type,
        ticket_id as object_id,
        case when fact = 'status' then replace(lower(content), 'on-hold', 'hold') end as status,
        case when is_by_customer or author_id = '-1' then null else author_id end as actor,
        case when fact = 'rating' then 'csat' end as score_kind,
        case when fact = 'rating' then case content when 'good' then 1.0 when 'bad' then 0.0 end end as score,
        customer_id as requester_id,
        case when ticket_id is null then 'no ticket_id' end as reject_reason
    from named
),

ticket_items as (
    select
        file_no,
        line,
        raw,
        1 as item,
        'ticket:' || id || ':created' as native_key,
        created_at as occurred_text,
        'ticket created' as event_name,
        'customer' as initiator,
        false as is_background,
        case when status = 'deleted' then 'deleted' else 'new' end as status,
        support_channel(coalesce(via.channel, via_channel)) as channel,
        id as object_id,
        requester_id
    from read_tickets
    union all by name
    select
        file_no,
        line,
        raw,
        2 as item,
        concat_ws(
            ':', 'ticket', id, 'status', 'solved', seconds_or_text_us(metric_set.solved_at, coalesce($timezone, 'UTC'))
        ) as native_key,
        metric_set.solved_at as occurred_text,
        'ticket solved' as event_name,
        'company' as initiator,
        false as is_background,
        'solved' as status,
        support_channel(coalesce(via.channel, via_channel)) as channel,
        id as object_id,
        requester_id
    from read_tickets
    where metric_set.solved_at is not null
),

-- A rating is asked for once a ticket; 'offered' is no score.
rating_items as (
    select
        file_no,
        line,
        raw,
        1 as item,
        'ticket:' || ticket_id || ':rating:' || coalesce(split_part(score, ' ', 1), '') as native_key,
        case when score = 'offered' then created_at else coalesce(updated_at, created_at) end as occurred_text,
        split_part(score, ' ', 1) as answer,
        ticket_id,
        requester_id
    from read_ratings
    union all
    select
        file_no,
        line,
        raw,
        2 as item,
        'ticket:' || ticket_id || ':rating:offered' as native_key,
        created_at as occurred_text,
        'offered' as answer,
        ticket_id,
        requester_id
    from read_ratings
    where score like 'good%' or score like 'bad%'
),

survey_items as (
    select
        r.file_no,
        r.line,
        r.raw,
        n.item,
        'survey:' || r.id || ':' || n.item as native_key,
        coalesce(r.answers[n.item].updated_at, r.answers[n.item].created_at) as occurred_text,
        r.answers[n.item].type = 'rating_scale' as is_rating,
        try_cast(r.answers[n.item].rating as double) as score,
        list_filter(r.subjects, lambda s: s.type = 'ticket')[1].id as ticket_id,
        r.responder_id
    from read_survey_responses as r, unnest(range(1, greatest(coalesce(len(r.answers), 0), 1) + 1)) as n (item)
),

items as (
    select
        file_no,
        line,
        raw,
        item,
        native_key,
        occurred_text,
        event_name,
        initiator,
        is_background,
        channel,
        object_type,
        object_id,
        status,
        actor,
        score_kind,
        score,
        case when score is not null then 0.0 end as score_min,
        case when score is not null then 1.0 end as score_max,
        [{'kind': 'requester_id', 'content': 'zendesk:' || requester_id}] as identifiers,
        reject_reason
    from change_items
    union all by name
    select
        file_no,
        line,
        raw,
        item,
        native_key,
        occurred_text,
        event_name,
        initiator,
        is_background,
        channel,
        'ticket' as object_type,
        object_id,
        status,
        [{'kind': 'requester_id', 'content': 'zendesk:' || requester_id}] as identifiers,
        case when object_id is null then 'no id' end as reject_reason
    from ticket_items
    union all by name
    select
        file_no,
        line,
        raw,
        item,
        native_key,
        occurred_text,
        case when answer in ('good', 'bad') then 'survey answered' else 'survey ' || answer end as event_name,
        case when answer in ('good', 'bad') then 'customer' else 'company' end as initiator,
        answer not in ('good', 'bad') as is_background,
        'survey' as channel,
        'ticket' as object_type,
        ticket_id as object_id,
        case when answer in ('good', 'bad', 'offered') then 'csat' end as score_kind,
        case answer when 'good' then 1.0 when 'bad' then 0.0 end as score,
        case when answer in ('good', 'bad') then 0.0 end as score_min,
        case when answer in ('good', 'bad') then 1.0 end as score_max,
        [{'kind': 'requester_id', 'content': 'zendesk:' || requester_id}] as identifiers,
        case when ticket_id is null then 'no ticket_id' end as reject_reason
    from rating_items
    union all by name
    -- Ratings of the newer surveys: one to five.
    select
        file_no,
        line,
        raw,
        item,
        native_key,
        occurred_text,
        'survey answered' as event_name,
        'customer' as initiator,
        coalesce(not is_rating, true) as is_background,
        'survey' as channel,
        'ticket' as object_type,
        ticket_id as object_id,
        case when is_rating then 'csat' end as score_kind,
        case when is_rating then score end as score,
        case when is_rating then 1.0 end as score_min,
        case when is_rating then 5.0 end as score_max,
        [{'kind': 'requester_id', 'content': 'zendesk:' || responder_id}] as identifiers,
        case
            when native_key is null then 'no id'
            when is_rating and (score is null or score not between 1 and 5) then 'score outside its scale'
        end as reject_reason
    from survey_items
    union all by name
    -- Agents are no customers: their accounts identify nobody.
    select
        file_no,
        line,
        raw,
        n.item,
        'user:' || id || case n.item when 1 then ':created' else ':updated:' || updated_at end as native_key,
        case n.item when 1 then created_at else updated_at end as occurred_text,
        case n.item when 1 then 'user created' else 'user updated' end as event_name,
        'system' as initiator,
        true as is_background,
        'user' as object_type,
        id as object_id,
        list_filter(
            [
                {'kind': 'requester_id', 'content': 'zendesk:' || id},
                {'kind': 'user_id', 'content': external_id},
                {'kind': 'email', 'content': email},
                {'kind': 'phone', 'content': phone}
            ],
            lambda i: role = 'end-user'
        ) as identifiers,
        case when id is null then 'no id' end as reject_reason
    from read_users, unnest(case when updated_at > created_at then [1, 2] else [1] end) as n (item)
)

select
    file_no,
    line,
    raw,
    item,
    native_key,
    occurred_text,
    seconds_or_text_us(occurred_text, coalesce($timezone, 'UTC')) as occurred_us,
    event_name,
    initiator,
    is_background,
    channel,
    object_type,
    object_id,
    status,
    actor,
    score,
    score_kind,
    score_min,
    score_max,
    reject_reason,
    identifiers
from items
