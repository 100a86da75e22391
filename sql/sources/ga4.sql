/*
system: ga4
summary: Google Analytics 4, the daily event tables of the BigQuery export as JSON lines or Parquet
delivery: at_least_once
timezone: in_data
tables:
  events:
    requires: [event_timestamp, event_name]
    consent: privacy_info.analytics_storage is null or lower(privacy_info.analytics_storage) not in ('no', 'denied', 'false')
    columns:
      event_date: VARCHAR
      event_timestamp: VARCHAR
      event_name: VARCHAR
      event_params: [{key: VARCHAR, value: {string_value: VARCHAR, int_value: BIGINT, float_value: DOUBLE, double_value: DOUBLE}}]
      event_value_in_usd: VARCHAR
      user_id: VARCHAR
      user_pseudo_id: VARCHAR
      client_id: VARCHAR
      privacy_info: {analytics_storage: VARCHAR, ads_storage: VARCHAR}
      device: {category: VARCHAR}
      stream_id: VARCHAR
      ecommerce: {purchase_revenue: VARCHAR, purchase_revenue_in_usd: VARCHAR, transaction_id: VARCHAR}
      collected_traffic_source: {manual_source: VARCHAR, manual_medium: VARCHAR, manual_campaign_name: VARCHAR, gclid: VARCHAR, dclid: VARCHAR, srsltid: VARCHAR}
      session_traffic_source_last_click: {manual_campaign: {source: VARCHAR, medium: VARCHAR, campaign_name: VARCHAR}}
*/
with rows_read as (
    select * from read_events
),

-- The names of the parameters, so that each is found without another pass over the list.
keyed as (
    select *, list_transform(event_params, lambda p: p."key") as keys
    from rows_read
),

-- The parameters that a journey needs.
parametrised as (
    select
        *,
        event_params[list_position(keys, 'page_location')]."value".string_value as page_location,
        event_params[list_position(keys, 'source')]."value".string_value as param_source,
        event_params[list_position(keys, 'medium')]."value".string_value as param_medium,
        event_params[list_position(keys, 'campaign')]."value".string_value as param_campaign,
        event_params[list_position(keys, 'currency')]."value".string_value as param_currency,
        coalesce(
            cast(event_params[list_position(keys, 'ga_session_id')]."value".int_value as varchar),
            event_params[list_position(keys, 'ga_session_id')]."value".string_value
        ) as ga_session_id,
        -- Equal for the same parameters in any order.
        list_sum(list_transform(event_params, lambda p: cast(hash(p) as hugeint))) as params_hash,
        session_traffic_source_last_click.manual_campaign as last_click,
        coalesce(user_pseudo_id, client_id) as cookie
    from keyed
),

-- The campaign of the session, never the user's first one (traffic_source).
attributed as (
    select
        *,
        coalesce(last_click.source, collected_traffic_source.manual_source, param_source) as campaign_source,
        coalesce(last_click.medium, collected_traffic_source.manual_medium, param_medium) as campaign_medium,
        coalesce(last_click.campaign_name, collected_traffic_source.manual_campaign_name, param_campaign)
            as campaign_name,
        -- A click id is the advertiser's: it is not looked at where the use of advertising storage was refused.
        last_click.source is null and coalesce(
            collected_traffic_source.gclid, collected_traffic_source.dclid
        ) is not null and coalesce(lower(privacy_info.ads_storage), '') <> 'no' as is_paid_click
    from parametrised
)

select
    file_no,
    line,
    raw,
    concat_ws(
        chr(31),
        coalesce(stream_id, ''), coalesce(cookie, ''), coalesce(ga_session_id, ''), coalesce(event_name, ''),
        coalesce(event_timestamp, ''), coalesce(params_hash, 0)
    ) as native_key,
    event_timestamp as occurred_text,
    micros_us(event_timestamp) as occurred_us,
    event_name,
    'customer' as initiator,
    event_name in ('session_start', 'first_visit', 'user_engagement', 'scroll', 'first_open', 'app_remove', 'os_update')
        as is_background,
    'web' as fallback_channel,
    is_paid_click,
    page_location as page_url,
    campaign_source,
    campaign_medium,
    campaign_name,
    case when ecommerce.transaction_id is not null then 'order' end as object_type,
    ecommerce.transaction_id as object_id,
    device.category as device,
    coalesce(
        try_cast(ecommerce.purchase_revenue as double), try_cast(ecommerce.purchase_revenue_in_usd as double)
    ) as "value",
    coalesce(
        param_currency,
        case when ecommerce.purchase_revenue is null and ecommerce.purchase_revenue_in_usd is not null then 'USD' end
    ) as currency,
    ga_session_id as session_hint,
    [{'kind': 'user_id', 'content': user_id}, {'kind': 'cookie', 'content': cookie}] as identifiers
from attributed
