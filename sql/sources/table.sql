/*
system: table
summary: Any event log with a customer, a time and a touchpoint; columns are named under `columns` in journey.yaml
delivery: as_written
timezone: fallback
mapped: true
tables:
  events:
    requires: [customer_id, occurred_at, touchpoint]
    columns:
      customer_id: VARCHAR
      occurred_at: VARCHAR
      touchpoint: VARCHAR
      channel: VARCHAR
      stage: VARCHAR
      value: VARCHAR
      currency: VARCHAR
      event_id: VARCHAR
      session_id: VARCHAR
      initiator: VARCHAR
      email: VARCHAR
      phone: VARCHAR
      cookie: VARCHAR
      campaign_source: VARCHAR
      campaign_medium: VARCHAR
      campaign_name: VARCHAR
      object_type: VARCHAR
      object_id: VARCHAR
      status: VARCHAR
      actor: VARCHAR
      consent: VARCHAR
*/
with rows_read as (
    select * from read_events
)

select
    file_no,
    line,
    raw,
    -- Who has no customer_id is told from others by the identifier that there is.
    coalesce(
        event_id,
        md5(concat_ws(
            chr(31),
            coalesce(
                nullif(customer_id, ''),
                'cookie:' || nullif(cookie, ''),
                'email:' || nullif(email, ''),
                'phone:' || nullif(phone, ''),
                ''
            ),
            coalesce(occurred_at, ''),
            coalesce(touchpoint, ''),
            coalesce(channel, ''),
            coalesce(stage, ''), coalesce("value", ''), coalesce(session_id, ''), coalesce(object_id, ''),
            coalesce(status, '')
        ))
    ) as native_key,
    event_id is not null as is_native_id,
    occurred_at as occurred_text,
    time_us(occurred_at, $timezone) as occurred_us,
    touchpoint as event_name,
    touchpoint as given_touchpoint,
    lower(stage) as given_stage,
    case when lower(initiator) in ('company', 'system') then lower(initiator) else 'customer' end as initiator,
    false as is_background,
    lower(channel) as channel,
    campaign_source,
    campaign_medium,
    campaign_name,
    object_type,
    object_id,
    status,
    actor,
    try_cast("value" as double) as "value",
    upper(currency) as currency,
    session_id as session_hint,
    case
        when trim(concat(customer_id, cookie, email, phone)) = '' then 'no customer_id'
        when "value" is not null and try_cast("value" as double) is null then 'value is not a number'
    end as reject_reason,
    [
        {'kind': 'user_id', 'content': customer_id},
        {'kind': 'email', 'content': email},
        {'kind': 'phone', 'content': phone},
        {'kind': 'cookie', 'content': cookie}
    ] as identifiers
from rows_read
