/*
system: hubspot
summary: HubSpot, documents of its API (contacts, deals, e-mail events, form submissions) or the tables that connectors make of them
delivery: at_least_once
timezone: in_data
tables:
  contacts:
    requires: [vid, properties]
    explode: [contacts]
    columns:
      vid: VARCHAR
      properties: {email: {value: VARCHAR}, phone: {value: VARCHAR}, mobilephone: {value: VARCHAR}, createdate: {value: VARCHAR}, lastmodifieddate: {value: VARCHAR}, customer_id: {value: VARCHAR}, lifecyclestage: {versions: [{value: VARCHAR, timestamp: VARCHAR}]}}
      identity-profiles: [{vid: VARCHAR, identities: [{type: VARCHAR, value: VARCHAR, timestamp: VARCHAR}]}]
      merge-audits: [{canonical-vid: VARCHAR, vid-to-merge: VARCHAR, timestamp: VARCHAR, merged_from_email: {value: VARCHAR}, merged_to_email: {value: VARCHAR}}]
      form-submissions: [{conversion-id: VARCHAR, form-id: VARCHAR, timestamp: VARCHAR, page-url: VARCHAR}]
  contacts_v3:
    requires: [id, properties.email]
    explode: [results]
    columns:
      id: VARCHAR
      properties: {email: VARCHAR, phone: VARCHAR, mobilephone: VARCHAR, createdate: VARCHAR, lastmodifieddate: VARCHAR, customer_id: VARCHAR, hs_merged_object_ids: VARCHAR}
      propertiesWithHistory: {lifecyclestage: [{value: VARCHAR, timestamp: VARCHAR}]}
      createdAt: VARCHAR
      updatedAt: VARCHAR
  contacts_flat:
    requires: [id, property_email, property_createdate]
    columns:
      id: VARCHAR
      property_email: VARCHAR
      property_phone: VARCHAR
      property_mobilephone: VARCHAR
      property_customer_id: VARCHAR
      property_createdate: VARCHAR
      property_lastmodifieddate: VARCHAR
      property_hs_merged_object_ids: VARCHAR
  merge_audits:
    requires: [canonical_vid, vid_to_merge, timestamp]
    columns:
      canonical_vid: VARCHAR
      vid_to_merge: VARCHAR
      timestamp: VARCHAR
  contact_changes:
    requires: [contact_id, name, value, timestamp]
    columns:
      contact_id: VARCHAR
      name: VARCHAR
      value: VARCHAR
      timestamp: VARCHAR
  list_members:
    requires: [contact_id, contact_list_id, added_at]
    columns:
      contact_id: VARCHAR
      contact_list_id: VARCHAR
      added_at: VARCHAR
  forms:
    requires: [submittedAt, values]
    explode: [results]
    columns:
      conversionId: VARCHAR
      formId: VARCHAR
      submittedAt: VARCHAR
      pageUrl: VARCHAR
      values: [{name: VARCHAR, value: VARCHAR}]
  forms_flat:
    requires: [contact_id, form_id, conversion_id, timestamp]
    columns:
      contact_id: VARCHAR
      form_id: VARCHAR
      conversion_id: VARCHAR
      timestamp: VARCHAR
      page_url: VARCHAR
  email_events:
    requires: [type, created, recipient]
    explode: [events]
    columns:
      id: VARCHAR
      type: VARCHAR
      created: VARCHAR
      recipient: VARCHAR
      emailCampaignId: VARCHAR
      email_campaign_id: VARCHAR
      sentBy: {id: VARCHAR}
      sent_by_id: VARCHAR
      filteredEvent: VARCHAR
      filtered_event: VARCHAR
      obsoletedBy: {id: VARCHAR}
      obsoleted_by_id: VARCHAR
      portalSubscriptionStatus: VARCHAR
      source: VARCHAR
  email_status_changes:
    role: lookup
    requires: [id, portal_subscription_status]
    columns: {id: VARCHAR, portal_subscription_status: VARCHAR, source: VARCHAR}
  email_bounces: {role: lookup, requires: [id, category, response], columns: {id: VARCHAR}}
  email_clicks: {role: lookup, requires: [id, referer, url, user_agent], columns: {id: VARCHAR}}
  email_deferrals: {role: lookup, requires: [id, attempt, response], columns: {id: VARCHAR}}
  email_deliveries: {role: lookup, requires: [id, response, smtp_id], columns: {id: VARCHAR}}
  email_drops: {role: lookup, requires: [id, drop_reason], columns: {id: VARCHAR}}
  email_opens: {role: lookup, requires: [id, duration, user_agent], columns: {id: VARCHAR}}
  email_sends: {role: lookup, requires: [id, bcc, cc, reply_to], columns: {id: VARCHAR}}
  email_uses: {role: lookup, requires: [id, ip_address, user_agent], columns: {id: VARCHAR}}
  deals:
    joined: true
    explains: [deals, deals_v1, deals_flat, deal_stages, deal_changes]
    requires: [id, properties.dealstage]
    explode: [results]
    columns:
      id: VARCHAR
      properties: {amount: VARCHAR, createdate: VARCHAR, closedate: VARCHAR, dealstage: VARCHAR, deal_currency_code: VARCHAR}
      propertiesWithHistory: {dealstage: [{value: VARCHAR, timestamp: VARCHAR}]}
      createdAt: VARCHAR
      archived: VARCHAR
      associations: {contacts: {results: [{id: VARCHAR}]}}
  deals_v1:
    joined: true
    explains: [deals, deals_v1, deals_flat, deal_stages, deal_changes]
    requires: [dealId, properties]
    explode: [deals, results]
    columns:
      dealId: VARCHAR
      isDeleted: VARCHAR
      properties: {amount: {value: VARCHAR}, createdate: {value: VARCHAR}, closedate: {value: VARCHAR}, deal_currency_code: {value: VARCHAR}, dealstage: {value: VARCHAR, versions: [{value: VARCHAR, timestamp: VARCHAR}]}}
      associations: {associatedVids: [VARCHAR]}
  deals_flat:
    joined: true
    explains: [deals, deals_v1, deals_flat, deal_stages, deal_changes]
    requires: [deal_id, property_createdate]
    columns:
      deal_id: VARCHAR
      is_deleted: VARCHAR
      property_amount: VARCHAR
      property_deal_currency_code: VARCHAR
      property_createdate: VARCHAR
  deal_stages:
    requires: [deal_id, date_entered, value]
    columns: {deal_id: VARCHAR, date_entered: VARCHAR, value: VARCHAR}
  deal_changes:
    requires: [deal_id, name, value, timestamp]
    columns: {deal_id: VARCHAR, name: VARCHAR, value: VARCHAR, timestamp: VARCHAR}
  deal_contacts:
    role: lookup
    requires: [deal_id, contact_id]
    columns: {deal_id: VARCHAR, contact_id: VARCHAR}
  pipelines:
    role: lookup
    requires: [label, stages]
    explode: [results]
    columns:
      stages: [{id: VARCHAR, stageId: VARCHAR, label: VARCHAR, metadata: {isClosed: VARCHAR, probability: VARCHAR}}]
  pipeline_stages:
    role: lookup
    requires: [stage_id, label, closed_won]
    columns: {stage_id: VARCHAR, label: VARCHAR, closed_won: VARCHAR, is_closed: VARCHAR}
  engagements:
    requires: [engagement, associations]
    explode: [results]
    columns:
      engagement: {id: VARCHAR, type: VARCHAR, timestamp: VARCHAR, createdAt: VARCHAR, ownerId: VARCHAR}
      associations: {contactIds: [VARCHAR]}
  engagements_flat:
    requires: [engagement_id, property_hs_timestamp, type]
    columns:
      engagement_id: VARCHAR
      type: VARCHAR
      task_type: VARCHAR
      property_hs_task_type: VARCHAR
      property_hs_timestamp: VARCHAR
      property_hubspot_owner_id: VARCHAR
  meetings_flat:
    requires: [engagement_id, start_time, end_time]
    columns: {engagement_id: VARCHAR, start_time: VARCHAR}
  engagement_contacts:
    role: lookup
    requires: [engagement_id, contact_id]
    columns: {engagement_id: VARCHAR, contact_id: VARCHAR}
*/
-- Times: milliseconds in v1 documents, ISO 8601 in v3; flattened tables hold UTC without saying so.
with stage_names as (
    select
        stage_id,
        min(lower(label)) as label,
        bool_or(is_won) as is_won,
        bool_or(is_closed) as is_closed
    from (
        select
            stage_id,
            label,
            lower(closed_won) = 'true' as is_won,
            lower(is_closed) = 'true' as is_closed
        from read_pipeline_stages
        union all
        select
            coalesce(unnested.id, unnested."stageId") as stage_id,
            unnested.label,
            lower(unnested.metadata."isClosed") = 'true'
            and try_cast(unnested.metadata.probability as double) = 1 as is_won,
            lower(unnested.metadata."isClosed") = 'true' as is_closed
        from read_pipelines, unnest(stages) as u (unnested)
    ) as listed
    group by stage_id
),

-- Several contacts of a deal or an engagement are several people: it belongs to the one known longest.
deal_owners as (
    select
        deal_id,
        cast(min(try_cast(contact_id as bigint)) as varchar) as contact_id
    from read_deal_contacts
    group by deal_id
),

engagement_owners as (
    select
        engagement_id,
        cast(min(try_cast(contact_id as bigint)) as varchar) as contact_id
    from read_engagement_contacts
    group by engagement_id
),

status_changes as (
    select
        id,
        min(portal_subscription_status) as subscription_status,
        min(source) as changed_by
    from read_email_status_changes
    group by id
),

-- Contacts of the three formats in one shape.
contact_rows as materialized (
    select
        file_no,
        line,
        raw,
        vid as contact_id,
        properties.createdate."value" as created_text,
        properties.lastmodifieddate."value" as updated_text,
        [properties.email."value"] as emails,
        [properties.phone."value", properties.mobilephone."value"] as phones,
        properties.customer_id."value" as user_id,
        cast([] as varchar[]) as merged_ids,
        properties.lifecyclestage.versions as stages,
        "identity-profiles" as profiles,
        "merge-audits" as audits,
        "form-submissions" as forms
    from read_contacts
    union all by name
    select
        file_no,
        line,
        raw,
        id as contact_id,
        coalesce(properties.createdate, "createdAt") as created_text,
        coalesce("updatedAt", properties.lastmodifieddate) as updated_text,
        [properties.email] as emails,
        [properties.phone, properties.mobilephone] as phones,
        properties.customer_id as user_id,
        string_split(coalesce(properties.hs_merged_object_ids, ''), ';') as merged_ids,
        "propertiesWithHistory".lifecyclestage as stages
    from read_contacts_v3
    union all by name
    select
        file_no,
        line,
        raw,
        id as contact_id,
        property_createdate as created_text,
        property_lastmodifieddate as updated_text,
        [property_email] as emails,
        [property_phone, property_mobilephone] as phones,
        property_customer_id as user_id,
        string_split(coalesce(property_hs_merged_object_ids, ''), ';') as merged_ids
    from read_contacts_flat
),

identified as (
    select
        *,
        millis_or_text_us(created_text, 'UTC') as created_us,
        millis_or_text_us(updated_text, 'UTC') as updated_us,
        list_concat(
            [{'kind': 'user_id', 'content': user_id}, {'kind': 'contact_id', 'content': 'hubspot:' || contact_id}],
            list_transform(emails, lambda e: {'kind': 'email', 'content': e}),
            list_transform(phones, lambda p: {'kind': 'phone', 'content': p})
        ) as own_identifiers
    from contact_rows
),

-- A merged contact brings the profiles of those it swallowed: each was created once.
profiled as (
    select
        i.file_no,
        i.line,
        i.raw,
        i.own_identifiers,
        i.contact_id,
        i.merged_ids,
        i.created_text,
        coalesce(unnested.vid, i.contact_id) as profile_id,
        coalesce(unnested.identities, []) as identities
    from identified as i, unnest(case when len(profiles) > 0 then profiles else [null] end) as u (unnested)
),

contact_facts as (
    select
        file_no,
        line,
        raw,
        case when profile_id = contact_id then 0 else 1 end as fact_rank,
        'contact:' || profile_id || ':created' as key_text,
        false as is_timed,
        coalesce(
            case when profile_id = contact_id then created_text end,
            list_min(list_transform(identities, lambda i: i."timestamp"))
        ) as occurred_text,
        'contact created' as event_name,
        profile_id as object_id,
        list_concat(
            [{'kind': 'contact_id', 'content': 'hubspot:' || profile_id}],
            list_transform(
                identities,
                lambda i: {'kind': replace(lower(i.type), 'e-mail', 'email'), 'content': i."value"}
            ),
            case when profile_id = contact_id then own_identifiers else [] end,
            list_transform(
                list_filter(merged_ids, lambda m: m <> ''),
                lambda m: {'kind': 'contact_id', 'content': 'hubspot:' || m}
            )
        ) as identifiers
    from profiled
    union all by name
    select
        file_no,
        line,
        raw,
        2 as fact_rank,
        'contact:' || contact_id || ':updated' as key_text,
        true as is_timed,
        updated_text as occurred_text,
        'contact updated' as event_name,
        contact_id as object_id,
        own_identifiers as identifiers
    from identified
    where updated_us > created_us
    union all by name
    -- The first lifecycle stage is no change.
    select
        file_no,
        line,
        raw,
        3 as fact_rank,
        'contact:' || contact_id || ':lifecyclestage:' || unnested.stage_name as key_text,
        true as is_timed,
        unnested.occurred_text,
        'lifecycle stage: ' || lower(unnested.stage_name) as event_name,
        contact_id as object_id,
        [{'kind': 'contact_id', 'content': 'hubspot:' || contact_id}] as identifiers
    from identified,
        unnest(list_sort(list_transform(
            coalesce(stages, []), lambda v: {'occurred_text': v."timestamp", 'stage_name': v."value"}
        ))[2:]) as u (unnested)
    union all by name
    select
        file_no,
        line,
        raw,
        4 as fact_rank,
        'contact:' || unnested."vid-to-merge" || ':merged:' || coalesce(unnested."canonical-vid", contact_id)
            as key_text,
        true as is_timed,
        unnested."timestamp" as occurred_text,
        'contact merged' as event_name,
        coalesce(unnested."canonical-vid", contact_id) as object_id,
        [
            {'kind': 'contact_id', 'content': 'hubspot:' || coalesce(unnested."canonical-vid", contact_id)},
            {'kind': 'contact_id', 'content': 'hubspot:' || unnested."vid-to-merge"},
            {'kind': 'email', 'content': unnested.merged_from_email."value"},
            {'kind': 'email', 'content': unnested.merged_to_email."value"}
        ] as identifiers
    from identified, unnest(audits) as u (unnested)
    union all by name
    select
        file_no,
        line,
        raw,
        5 as fact_rank,
        'form:' || unnested."conversion-id" as key_text,
        false as is_timed,
        unnested."timestamp" as occurred_text,
        'form submitted' as event_name,
        unnested."form-id" as object_id,
        unnested."page-url" as page_url,
        [{'kind': 'contact_id', 'content': 'hubspot:' || contact_id}] as identifiers
    from identified, unnest(forms) as u (unnested)
),

contact_items as (
    select
        *,
        row_number() over (partition by file_no, line order by fact_rank, occurred_text, key_text) as item,
        case when event_name = 'form submitted' then 'form' else 'contact' end as object_type,
        case when fact_rank = 5 then 'customer' when fact_rank = 3 then 'company' else 'system' end as initiator,
        fact_rank in (0, 1, 2, 4) as is_background,
        case when fact_rank = 5 then 'web' when fact_rank = 3 then 'sales' end as channel
    from contact_facts
),

contact_side_items as (
    select
        file_no,
        line,
        raw,
        'contact:' || vid_to_merge || ':merged:' || canonical_vid as key_text,
        true as is_timed,
        "timestamp" as occurred_text,
        'contact merged' as event_name,
        'system' as initiator,
        true as is_background,
        null as channel,
        'contact' as object_type,
        canonical_vid as object_id,
        [
            {'kind': 'contact_id', 'content': 'hubspot:' || canonical_vid},
            {'kind': 'contact_id', 'content': 'hubspot:' || vid_to_merge}
        ] as identifiers
    from read_merge_audits
    union all by name
    -- A new address or number links; any other change is noise, but for the lifecycle stage.
    select
        file_no,
        line,
        raw,
        'contact:' || contact_id || ':' || coalesce(name, '')
        || case when name = 'lifecyclestage' then ':' || coalesce("value", '') else '' end as key_text,
        true as is_timed,
        "timestamp" as occurred_text,
        case when name = 'lifecyclestage' then 'lifecycle stage: ' || lower("value") else 'contact property changed' end
            as event_name,
        case when name = 'lifecyclestage' then 'company' else 'system' end as initiator,
        coalesce(name, '') <> 'lifecyclestage' as is_background,
        case when name = 'lifecyclestage' then 'sales' end as channel,
        'contact' as object_type,
        contact_id as object_id,
        [
            {'kind': 'contact_id', 'content': 'hubspot:' || contact_id},
            {'kind': 'email', 'content': case when name = 'email' then "value" end},
            {'kind': 'phone', 'content': case when name in ('phone', 'mobilephone') then "value" end},
            {'kind': 'user_id', 'content': case when name = 'customer_id' then "value" end}
        ] as identifiers
    from read_contact_changes
    union all by name
    select
        file_no,
        line,
        raw,
        'contact:' || contact_id || ':list:' || contact_list_id as key_text,
        true as is_timed,
        added_at as occurred_text,
        'added to list' as event_name,
        'system' as initiator,
        true as is_background,
        null as channel,
        'list' as object_type,
        contact_list_id as object_id,
        [{'kind': 'contact_id', 'content': 'hubspot:' || contact_id}] as identifiers
    from read_list_members
),

form_items as (
    select
        file_no,
        line,
        raw,
        'form:' || coalesce(
            "conversionId",
            concat_ws(':', "formId", "pageUrl", "submittedAt", md5(cast(list_sort("values") as varchar)))
        ) as key_text,
        "submittedAt" as occurred_text,
        "formId" as object_id,
        "pageUrl" as page_url,
        list_transform(
            list_filter(
                coalesce("values", []), lambda v: lower(v.name) in ('email', 'phone', 'mobilephone', 'customer_id')
            ),
            lambda v: {
                'kind': case lower(v.name) when 'email' then 'email' when 'customer_id' then 'user_id' else 'phone' end,
                'content': v."value"
            }
        ) as identifiers
    from read_forms
    union all by name
    select
        file_no,
        line,
        raw,
        'form:' || conversion_id as key_text,
        "timestamp" as occurred_text,
        form_id as object_id,
        page_url,
        [{'kind': 'contact_id', 'content': 'hubspot:' || contact_id}] as identifiers
    from read_forms_flat
),

emails_read as (
    select
        e.file_no,
        e.line,
        e.raw,
        e.id,
        e.created,
        e.recipient,
        upper(e.type) as kind,
        coalesce(e."emailCampaignId", e.email_campaign_id) as campaign_id,
        coalesce(e."sentBy".id, e.sent_by_id, e.id) as message_id,
        coalesce(lower(coalesce(e."filteredEvent", e.filtered_event)) = 'true', false)
        or coalesce(e."obsoletedBy".id, e.obsoleted_by_id) is not null as is_filtered,
        coalesce(e."portalSubscriptionStatus", c.subscription_status) as subscription_status,
        coalesce(e.source, c.changed_by, 'SOURCE_RECIPIENT') as changed_by
    from read_email_events as e
    left join status_changes as c on e.id = c.id
),

emails_named as (
    select
        *,
        case
            when kind = 'STATUSCHANGE' and subscription_status = 'UNSUBSCRIBED' then 'email unsubscribed'
            when kind = 'STATUSCHANGE' then 'email subscription changed'
            when kind = 'BOUNCE' then 'email bounced'
            when kind = 'OPEN' then 'email opened'
            when kind = 'CLICK' then 'email clicked'
            when kind = 'PRINT' then 'email printed'
            when kind = 'FORWARD' then 'email forwarded'
            when kind = 'SPAMREPORT' then 'email reported as spam'
            else 'email ' || lower(kind)
        end as event_name
    from emails_read
),

-- Deals of the three formats in one shape.
deal_rows as materialized (
    select
        file_no,
        line,
        raw,
        id as deal_id,
        coalesce(properties.createdate, "createdAt") as created_text,
        properties.closedate as closed_text,
        properties.dealstage as stage,
        try_cast(properties.amount as double) as amount,
        properties.deal_currency_code as currency,
        lower(archived) = 'true' as is_deleted,
        "propertiesWithHistory".dealstage as stages,
        cast(list_min(list_transform(associations.contacts.results, lambda c: try_cast(c.id as bigint))) as varchar)
            as contact_id
    from read_deals
    union all by name
    select
        file_no,
        line,
        raw,
        "dealId" as deal_id,
        properties.createdate."value" as created_text,
        properties.closedate."value" as closed_text,
        properties.dealstage."value" as stage,
        try_cast(properties.amount."value" as double) as amount,
        properties.deal_currency_code."value" as currency,
        lower("isDeleted") = 'true' as is_deleted,
        properties.dealstage.versions as stages,
        cast(list_min(list_transform(associations."associatedVids", lambda c: try_cast(c as bigint))) as varchar)
            as contact_id
    from read_deals_v1
    union all by name
    select
        file_no,
        line,
        raw,
        deal_id,
        property_createdate as created_text,
        try_cast(property_amount as double) as amount,
        property_deal_currency_code as currency,
        lower(is_deleted) = 'true' as is_deleted
    from read_deals_flat
),

deals_known as (
    select
        deal_id,
        max(amount) as amount,
        min(currency) as currency,
        min(contact_id) as contact_id
    from deal_rows
    group by deal_id
),

-- Where the history is missing, only a closed deal says when it reached its stage.
deals_moved as (
    select
        *,
        list_transform(stages, lambda v: {'occurred_text': v."timestamp", 'stage': v."value"}) as moves,
        [{'occurred_text': closed_text, 'stage': stage}] as closing,
        stage in ('closedwon', 'closedlost') and closed_text is not null as is_closed
    from deal_rows
),

deal_facts as (
    select
        file_no,
        line,
        raw,
        1 as item,
        deal_id,
        created_text as occurred_text,
        null as stage,
        'created' as fact,
        is_deleted
    from deal_rows
    union all by name
    select
        file_no,
        line,
        raw,
        1 + row_number() over (partition by file_no, line order by unnested.occurred_text, unnested.stage) as item,
        deal_id,
        unnested.occurred_text,
        unnested.stage,
        'stage' as fact,
        is_deleted
    from deals_moved,
        unnest(case when len(moves) > 0 then moves when is_closed then closing end) as u (unnested)
    union all by name
    select
        file_no,
        line,
        raw,
        1 as item,
        deal_id,
        date_entered as occurred_text,
        coalesce("value", '') as stage,
        'stage' as fact,
        false as is_deleted
    from read_deal_stages
    union all by name
    select
        file_no,
        line,
        raw,
        1 as item,
        deal_id,
        "timestamp" as occurred_text,
        coalesce("value", '') as stage,
        case when name = 'dealstage' then 'stage' else coalesce(name, '') end as fact,
        false as is_deleted
    from read_deal_changes
),

deals_named as (
    select
        f.file_no,
        f.line,
        f.raw,
        f.item,
        f.deal_id,
        f.occurred_text,
        f.is_deleted,
        'deal:' || f.deal_id || ':' || f.fact || case when f.fact = 'stage' then ':' || f.stage else '' end as key_text,
        f.fact,
        case
            when f.fact <> 'stage' then null
            when coalesce(n.is_won, f.stage = 'closedwon') then 'won'
            when coalesce(n.is_closed, f.stage = 'closedlost') then 'lost'
            else coalesce(n.label, lower(f.stage))
        end as stage,
        k.amount,
        k.currency,
        coalesce(k.contact_id, o.contact_id) as contact_id
    from deal_facts as f
    left join stage_names as n on f.stage = n.stage_id and f.fact = 'stage'
    left join deals_known as k on f.deal_id = k.deal_id
    left join deal_owners as o on f.deal_id = o.deal_id
),

engagements_read as (
    select
        file_no,
        line,
        raw,
        engagement.id as engagement_id,
        upper(engagement.type) as kind,
        coalesce(engagement."timestamp", engagement."createdAt") as occurred_text,
        engagement."ownerId" as actor,
        cast(list_min(list_transform(associations."contactIds", lambda c: try_cast(c as bigint))) as varchar)
            as contact_id
    from read_engagements
    union all by name
    select
        f.file_no,
        f.line,
        f.raw,
        f.engagement_id,
        case
            when coalesce(f.task_type, f.property_hs_task_type) is not null then 'TASK' else upper(f.type)
        end as kind,
        f.property_hs_timestamp as occurred_text,
        f.property_hubspot_owner_id as actor
    from read_engagements_flat as f
    union all by name
    select
        m.file_no,
        m.line,
        m.raw,
        m.engagement_id,
        'MEETING' as kind,
        m.start_time as occurred_text
    from read_meetings_flat as m
),

items as (
    select
        file_no,
        line,
        raw,
        item,
        key_text,
        is_timed,
        occurred_text,
        event_name,
        initiator,
        is_background,
        channel,
        page_url,
        object_type,
        object_id,
        identifiers
    from contact_items
    union all by name
    select * from contact_side_items
    union all by name
    select
        file_no,
        line,
        raw,
        key_text,
        false as is_timed,
        occurred_text,
        'form submitted' as event_name,
        'customer' as initiator,
        false as is_background,
        'web' as channel,
        page_url,
        'form' as object_type,
        object_id,
        identifiers
    from form_items
    union all by name
    -- HubSpot promises that id and time together are unique. Opens are often the mail client's doing.
    select
        file_no,
        line,
        raw,
        'email:' || id as key_text,
        true as is_timed,
        created as occurred_text,
        event_name,
        case
            when is_filtered then 'system'
            when kind = 'STATUSCHANGE' and changed_by <> 'SOURCE_RECIPIENT' then 'system'
            when kind in ('CLICK', 'FORWARD', 'PRINT', 'SPAMREPORT', 'STATUSCHANGE') then 'customer'
            when kind = 'SENT' then 'company'
            else 'system'
        end as initiator,
        is_filtered
        or kind not in ('CLICK', 'FORWARD', 'PRINT', 'SPAMREPORT', 'STATUSCHANGE')
        or (kind = 'STATUSCHANGE' and changed_by <> 'SOURCE_RECIPIENT') as is_background,
        'email' as channel,
        'hubspot' as campaign_source,
        'email' as campaign_medium,
        campaign_id as campaign_name,
        'email' as object_type,
        message_id as object_id,
        [{'kind': 'email', 'content': recipient}] as identifiers
    from emails_named
    union all by name
    select
        file_no,
        line,
        raw,
        item,
        key_text,
        fact <> 'created' as is_timed,
        occurred_text,
        case
            when fact = 'created' then 'deal created'
            when fact <> 'stage' then 'deal property changed'
            when stage in ('won', 'lost') then 'deal ' || stage
            else 'deal stage: ' || stage
        end as event_name,
        case when fact in ('created', 'stage') then 'company' else 'system' end as initiator,
        fact not in ('created', 'stage') as is_background,
        'sales' as channel,
        'deal' as object_type,
        deal_id as object_id,
        case when fact = 'created' and is_deleted then 'deleted' else stage end as status,
        case when stage = 'won' then amount end as "value",
        case when stage = 'won' and amount is not null then upper(coalesce(currency, $currency)) end as currency,
        [{'kind': 'contact_id', 'content': 'hubspot:' || contact_id}] as identifiers
    from deals_named
    union all by name
    select
        e.file_no,
        e.line,
        e.raw,
        'engagement:' || e.engagement_id as key_text,
        false as is_timed,
        e.occurred_text,
        case
            when e.kind = 'CALL' then 'sales call'
            when e.kind = 'EMAIL' then 'sales email'
            when e.kind = 'INCOMING_EMAIL' then 'email from customer'
            when e.kind = 'MEETING' then 'sales meeting'
            when e.kind = 'COMMUNICATION' then 'sales message'
            when e.kind = 'NOTE' then 'note'
            when e.kind in ('TASK', 'TODO') then 'task'
            else 'engagement'
        end as event_name,
        case
            when e.kind = 'INCOMING_EMAIL' then 'customer'
            when e.kind in ('CALL', 'EMAIL', 'MEETING', 'COMMUNICATION') then 'company'
            else 'system'
        end as initiator,
        coalesce(e.kind not in ('CALL', 'EMAIL', 'MEETING', 'COMMUNICATION', 'INCOMING_EMAIL'), true) as is_background,
        case
            when e.kind = 'CALL' then 'phone'
            when e.kind in ('EMAIL', 'INCOMING_EMAIL') then 'email'
            when e.kind = 'COMMUNICATION' then 'chat'
            else 'sales'
        end as channel,
        'engagement' as object_type,
        e.engagement_id as object_id,
        e.actor,
        [{'kind': 'contact_id', 'content': 'hubspot:' || coalesce(e.contact_id, o.contact_id)}] as identifiers
    from engagements_read as e
    left join engagement_owners as o on e.engagement_id = o.engagement_id
),

timed as (
    select
        *,
        millis_or_text_us(occurred_text, coalesce($timezone, 'UTC')) as occurred_us
    from items
)

select
    file_no,
    line,
    raw,
    coalesce(item, 1) as item,
    key_text || case when is_timed then ':' || coalesce(cast(occurred_us as varchar), '') else '' end as native_key,
    occurred_text,
    occurred_us,
    event_name,
    initiator,
    is_background,
    channel,
    page_url,
    campaign_source,
    campaign_medium,
    campaign_name,
    object_type,
    object_id,
    status,
    actor,
    "value",
    currency,
    case when key_text is null then 'no id' end as reject_reason,
    identifiers
from timed
