-- Times: text and numbers to microseconds since 1970-01-01T00:00Z. NULL where the input is no time.

create or replace temp macro has_zone(moment) as
    regexp_matches(moment, '[0-9]:[0-9]{2}.*([zZ]|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$');

-- No zone is 15 or more hours off; the cast alone would take any offset.
create or replace temp macro zoned_us(moment) as
    case
        when regexp_matches(moment, '[+-](1[5-9]|[2-9][0-9])(:?[0-9]{2})?$') then null
        else epoch_us(try_cast(
            regexp_replace(replace(moment, ' UTC', 'Z'), '([+-][0-9]{2})([0-9]{2})$', '\1:\2') as timestamptz
        ))
    end;

create or replace temp macro local_us(moment, zone) as
    epoch_us(timezone(zone, try_cast(moment as timestamp)));

-- A text with a zone is taken at its word; one without is local time in `zone`, and NULL without a zone.
create or replace temp macro time_us(moment, zone) as
    case
        when has_zone(moment) then zoned_us(moment)
        when zone is not null then local_us(moment, zone)
    end;

create or replace temp macro seconds_us(amount) as
    try(cast(round(try_cast(amount as decimal(24, 6)) * 1000000) as bigint));

create or replace temp macro millis_us(amount) as try(cast(round(try_cast(amount as decimal(24, 3)) * 1000) as bigint));

-- Milliseconds as the API writes them, or a text as tables flattened from it have it.
create or replace temp macro millis_or_text_us(moment, zone) as
    case when regexp_full_match(moment, '-?[0-9]+') then millis_us(moment) else time_us(moment, zone) end;

-- Seconds as the API writes them, or a text.
create or replace temp macro seconds_or_text_us(moment, zone) as
    case when regexp_full_match(moment, '-?[0-9]+') then seconds_us(moment) else time_us(moment, zone) end;

create or replace temp macro micros_us(amount) as try_cast(amount as bigint);

-- Plausible: a written time of 1900 to 2100. A bare number (an epoch) before 1995 is most likely in the wrong unit;
-- it is not guessed at either.
create or replace temp macro is_plausible(moment_us, moment) as
    moment_us < 4102444800000000
    and moment_us >= case
        when try_cast(replace(moment, ',', '') as double) is not null then 788918400000000
        else -2208988800000000
    end;

create or replace temp macro to_timestamp_utc(moment_us) as make_timestamp(moment_us);
