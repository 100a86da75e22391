/*
system: snowplow
summary: Snowplow, enriched events as tab-separated files or the atomic events table as CSV or Parquet
delivery: at_least_once
timezone: in_data
tables:
  enriched:
    header: none
    delimiter: "\t"
    consent: >-
      (event_name is null or event_name <> 'consent_withdrawn')
      and (contains(unstruct_event, '/consent_preferences/') and regexp_matches(unstruct_event, '"eventType"\s*:\s*"(deny_all|withdrawn)"')) is not true
      and (contains(contexts, '/consent_preferences/') and regexp_matches(contexts, '"eventType"\s*:\s*"(deny_all|withdrawn)"')) is not true
    columns: {
        app_id: VARCHAR, platform: VARCHAR, etl_tstamp: VARCHAR, collector_tstamp: VARCHAR,
        dvce_created_tstamp: VARCHAR, event: VARCHAR, event_id: VARCHAR, txn_id: VARCHAR, name_tracker: VARCHAR,
        v_tracker: VARCHAR, v_collector: VARCHAR, v_etl: VARCHAR, user_id: VARCHAR, user_ipaddress: VARCHAR,
        user_fingerprint: VARCHAR, domain_userid: VARCHAR, domain_sessionidx: VARCHAR, network_userid: VARCHAR,
        geo_country: VARCHAR, geo_region: VARCHAR, geo_city: VARCHAR, geo_zipcode: VARCHAR, geo_latitude: VARCHAR,
        geo_longitude: VARCHAR, geo_region_name: VARCHAR, ip_isp: VARCHAR, ip_organization: VARCHAR,
        ip_domain: VARCHAR, ip_netspeed: VARCHAR, page_url: VARCHAR, page_title: VARCHAR, page_referrer: VARCHAR,
        page_urlscheme: VARCHAR, page_urlhost: VARCHAR, page_urlport: VARCHAR, page_urlpath: VARCHAR,
        page_urlquery: VARCHAR, page_urlfragment: VARCHAR, refr_urlscheme: VARCHAR, refr_urlhost: VARCHAR,
        refr_urlport: VARCHAR, refr_urlpath: VARCHAR, refr_urlquery: VARCHAR, refr_urlfragment: VARCHAR,
        refr_medium: VARCHAR, refr_source: VARCHAR, refr_term: VARCHAR, mkt_medium: VARCHAR, mkt_source: VARCHAR,
        mkt_term: VARCHAR, mkt_content: VARCHAR, mkt_campaign: VARCHAR, contexts: VARCHAR, se_category: VARCHAR,
        se_action: VARCHAR, se_label: VARCHAR, se_property: VARCHAR, se_value: VARCHAR, unstruct_event: VARCHAR,
        tr_orderid: VARCHAR, tr_affiliation: VARCHAR, tr_total: VARCHAR, tr_tax: VARCHAR, tr_shipping: VARCHAR,
        tr_city: VARCHAR, tr_state: VARCHAR, tr_country: VARCHAR, ti_orderid: VARCHAR, ti_sku: VARCHAR,
        ti_name: VARCHAR, ti_category: VARCHAR, ti_price: VARCHAR, ti_quantity: VARCHAR, pp_xoffset_min: VARCHAR,
        pp_xoffset_max: VARCHAR, pp_yoffset_min: VARCHAR, pp_yoffset_max: VARCHAR, useragent: VARCHAR,
        br_name: VARCHAR, br_family: VARCHAR, br_version: VARCHAR, br_type: VARCHAR, br_renderengine: VARCHAR,
        br_lang: VARCHAR, br_features_pdf: VARCHAR, br_features_flash: VARCHAR, br_features_java: VARCHAR,
        br_features_director: VARCHAR, br_features_quicktime: VARCHAR, br_features_realplayer: VARCHAR,
        br_features_windowsmedia: VARCHAR, br_features_gears: VARCHAR, br_features_silverlight: VARCHAR,
        br_cookies: VARCHAR, br_colordepth: VARCHAR, br_viewwidth: VARCHAR, br_viewheight: VARCHAR, os_name: VARCHAR,
        os_family: VARCHAR, os_manufacturer: VARCHAR, os_timezone: VARCHAR, dvce_type: VARCHAR,
        dvce_ismobile: VARCHAR, dvce_screenwidth: VARCHAR, dvce_screenheight: VARCHAR, doc_charset: VARCHAR,
        doc_width: VARCHAR, doc_height: VARCHAR, tr_currency: VARCHAR, tr_total_base: VARCHAR, tr_tax_base: VARCHAR,
        tr_shipping_base: VARCHAR, ti_currency: VARCHAR, ti_price_base: VARCHAR, base_currency: VARCHAR,
        geo_timezone: VARCHAR, mkt_clickid: VARCHAR, mkt_network: VARCHAR, etl_tags: VARCHAR,
        dvce_sent_tstamp: VARCHAR, refr_domain_userid: VARCHAR, refr_device_tstamp: VARCHAR,
        derived_contexts: VARCHAR, domain_sessionid: VARCHAR, derived_tstamp: VARCHAR, event_vendor: VARCHAR,
        event_name: VARCHAR, event_format: VARCHAR, event_version: VARCHAR, event_fingerprint: VARCHAR,
        true_tstamp: VARCHAR
    }
  atomic:
    requires: [event_id, event_name, collector_tstamp]
    consent: >-
      (event_name is null or event_name <> 'consent_withdrawn')
      and regexp_matches(consent_preferences, '["'']?event_?[tT]ype["'']?\s*:\s*["'']?(deny_all|withdrawn)') is not true
      and regexp_matches(consent_context, '["'']?event_?[tT]ype["'']?\s*:\s*["'']?(deny_all|withdrawn)') is not true
    patterns:
      consent_preferences: 'unstruct_event_com_snowplowanalytics_snowplow_consent_preferences_[0-9]+(_[0-9]+_[0-9]+)?'
      consent_context: 'contexts_com_snowplowanalytics_snowplow_consent_preferences_[0-9]+(_[0-9]+_[0-9]+)?'
    columns:
      event_id: VARCHAR
      event: VARCHAR
      event_name: VARCHAR
      event_fingerprint: VARCHAR
      platform: VARCHAR
      collector_tstamp: VARCHAR
      derived_tstamp: VARCHAR
      user_id: VARCHAR
      domain_userid: VARCHAR
      network_userid: VARCHAR
      domain_sessionid: VARCHAR
      page_url: VARCHAR
      mkt_source: VARCHAR
      mkt_medium: VARCHAR
      mkt_campaign: VARCHAR
      mkt_clickid: VARCHAR
      refr_medium: VARCHAR
      refr_source: VARCHAR
      se_category: VARCHAR
      se_action: VARCHAR
      se_value: VARCHAR
      tr_orderid: VARCHAR
      tr_total: VARCHAR
      tr_currency: VARCHAR
      dvce_type: VARCHAR
      dvce_ismobile: VARCHAR
      useragent: VARCHAR
      contexts_com_iab_snowplow_spiders_and_robots_1_0_0: VARCHAR
      consent_preferences: VARCHAR
      consent_context: VARCHAR
*/
with rows_read as (
    select
        file_no, line, raw, event_id, event, event_name, event_fingerprint, platform, collector_tstamp,
        derived_tstamp, user_id, domain_userid, network_userid, domain_sessionid, page_url,
        mkt_source, mkt_medium, mkt_campaign, mkt_clickid, refr_medium, refr_source, se_category, se_action,
        se_value, tr_orderid, tr_total, tr_currency, dvce_type, dvce_ismobile, useragent,
        derived_contexts as contexts
    from read_enriched
    union all
    select
        file_no, line, raw, event_id, event, event_name, event_fingerprint, platform, collector_tstamp,
        derived_tstamp, user_id, domain_userid, network_userid, domain_sessionid, page_url,
        mkt_source, mkt_medium, mkt_campaign, mkt_clickid, refr_medium, refr_source, se_category, se_action,
        se_value, tr_orderid, tr_total, tr_currency, dvce_type, dvce_ismobile, useragent,
        contexts_com_iab_snowplow_spiders_and_robots_1_0_0 as contexts
    from read_atomic
),

-- Kind of event and who caused it: the IAB list of spiders where the pipeline asked it, else the agent's own name.
named as (
    select
        *,
        case
            when event = 'struct' then coalesce(se_action, se_category, event_name)
            else coalesce(event_name, event)
        end as own_name,
        coalesce(regexp_matches(contexts, '"spiderOrRobot" *: *true'), false)
        or coalesce(is_bot_agent(useragent), false) as is_bot
    from rows_read
)

select
    file_no,
    line,
    raw,
    coalesce(
        event_id,
        concat_ws(
            chr(31),
            coalesce(event_fingerprint, ''), coalesce(domain_userid, ''), coalesce(derived_tstamp, ''),
            coalesce(collector_tstamp, ''), coalesce(own_name, ''), coalesce(page_url, '')
        )
    ) as native_key,
    -- Snowplow writes every time in UTC, without saying so.
    coalesce(derived_tstamp, collector_tstamp) as occurred_text,
    time_us(coalesce(derived_tstamp, collector_tstamp), 'UTC') as occurred_us,
    time_us(collector_tstamp, 'UTC') as received_us,
    own_name as event_name,
    case when is_bot then 'system' else 'customer' end as initiator,
    is_bot or own_name in ('page_ping', 'transaction_item', 'cmp_visible') as is_background,
    case
        when coalesce(mkt_source, mkt_medium, mkt_clickid) is null
            then coalesce(referrer_channel(refr_medium), case when platform in ('mob', 'app') then 'app' else 'web' end)
    end as channel,
    'web' as fallback_channel,
    mkt_clickid is not null as is_paid_click,
    page_url,
    coalesce(mkt_source, case when refr_medium <> 'internal' then refr_source end) as campaign_source,
    mkt_medium as campaign_medium,
    mkt_campaign as campaign_name,
    case when tr_orderid is not null then 'order' end as object_type,
    tr_orderid as object_id,
    case
        when dvce_ismobile in ('1', 'true', 'TRUE') and lower(dvce_type) like '%tablet%' then 'tablet'
        when dvce_ismobile in ('1', 'true', 'TRUE') then 'mobile'
        else nullif(replace(lower(dvce_type), 'computer', 'desktop'), 'unknown')
    end as device,
    coalesce(
        case when own_name <> 'transaction_item' then try_cast(tr_total as double) end, try_cast(se_value as double)
    ) as "value",
    upper(coalesce(tr_currency, case when tr_total is not null then $currency end)) as currency,
    domain_sessionid as session_hint,
    [
        {'kind': 'user_id', 'content': user_id},
        {'kind': 'cookie', 'content': domain_userid},
        {'kind': 'network_cookie', 'content': network_userid}
    ] as identifiers
from named
