-- Web addresses and campaigns.

create or replace temp macro address_without_query(address) as split_part(split_part(address, '?', 1), '#', 1);

create or replace temp macro url_path(address) as
    regexp_extract(address, '^(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://[^/?#]*)?([^?#]*)', 1);

create or replace temp macro url_domain(address) as
    nullif(lower(regexp_extract(address, '^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^@/?#]*@)?([^/:?#]*)', 1)), '');

-- A segment that names one thing among many: a number, a long code, a date, an address or number of a person.
create or replace temp macro is_code(segment) as
    length(segment) >= 40
    or regexp_matches(
        segment, '[@＠﹫]|%(?:25)*40|%EF%BC%A0|[0-9]{4}|(?:[0-9][^0-9]*){7}|^[0-9]+$|^[0-9a-fA-F-]{12,}$|^eyJ'
    )
    or (
        regexp_full_match(segment, '[A-Za-z0-9=%_+-]{16,}')
        and regexp_matches(segment, '[0-9]') and regexp_matches(segment, '[a-z]') and regexp_matches(segment, '[A-Z]')
        -- Hyphens are a token's too, but join words as a rule: then its letters must change to and fro.
        and (
            not contains(segment, '-')
            or regexp_matches(segment, '(?:(?:[a-z][A-Z]|[A-Za-z][0-9]|[0-9][A-Za-z]).*){5}')
        )
    );

-- Segments that are codes become :id; what follows an encoded ? or a ; or = in a segment is a value and goes.
create or replace temp macro templated_path(path) as
    case
        when path is null then null
        when not regexp_matches(path, '[0-9@＠﹫%;=]|[^/]{40}|eyJ')
            then '/' || trim(regexp_replace(path, '/+', '/', 'g'), '/')
        else '/' || array_to_string(
            list_transform(
                list_filter(
                    string_split(
                        regexp_replace(path, '(?:;|=[^=/]|%(?:25)*3[bBfF]|%(?:25)*3[dD][^%/])[^/]*', '', 'g'), '/'
                    ),
                    lambda s: s <> ''
                ),
                lambda s: case when is_code(s) then ':id' else s end
            ),
            '/'
        )
    end;

create or replace temp macro page_path_of(address) as shortened(templated_path(url_path(address)));

create or replace temp macro query_value(address, parameter) as
    nullif(url_decode(replace(regexp_extract(address, '[?&]' || parameter || '=([^&#]*)', 1), '+', ' ')), '');

create or replace temp macro is_search_engine(name) as
    regexp_matches(name, 'google|bing|yahoo|duckduckgo|ecosia|baidu|yandex|startpage|qwant');

create or replace temp macro is_social_network(name) as
    regexp_matches(
        name,
        'facebook|instagram|linkedin|twitter|^t\.co|^x\.com|tiktok|pinterest|youtube|reddit|snapchat|whatsapp|meta'
    );

-- Channel from a campaign, after the default channel groups of Google Analytics; NULL when nothing is known.
create or replace temp macro campaign_channel(origin, medium, is_paid_click) as
    case
        when origin is null and medium is null and not coalesce(is_paid_click, false) then null
        when lower(medium) in ('affiliate', 'affiliates') then 'affiliate'
        when regexp_matches(lower(coalesce(medium, '')), '^e-?mail$|newsletter')
            or regexp_matches(lower(coalesce(origin, '')), '^e-?mail$|newsletter') then 'email'
        when
            regexp_matches(lower(coalesce(medium, '')), '^(.*cp.*|ppc|retargeting|paid.*)$')
            or coalesce(is_paid_click, false)
            then case
                when is_social_network(lower(coalesce(origin, ''))) or lower(medium) like '%social%' then 'paid_social'
                when regexp_matches(lower(coalesce(medium, '')), 'cpm|display') then 'display'
                else 'paid_search'
            end
        when regexp_matches(lower(coalesce(medium, '')), '^(display|banner|expandable|interstitial)$') then 'display'
        when lower(medium) = 'sms' or lower(origin) = 'sms' then 'sms'
        when regexp_matches(lower(coalesce(medium, '')), 'push$|mobile|notification') then 'push'
        when regexp_matches(lower(coalesce(medium, '')), '^social')
            or is_social_network(lower(coalesce(origin, ''))) then 'organic_social'
        when lower(medium) = 'organic' or is_search_engine(lower(coalesce(origin, ''))) then 'organic_search'
        when lower(coalesce(origin, '(direct)')) in ('(direct)', 'direct')
            and lower(coalesce(medium, '(none)')) in ('(none)', '(not set)', 'none', 'direct') then 'direct'
        when lower(medium) in ('referral', 'app', 'link') then 'referral'
        else 'other_campaign'
    end;

-- Channel of a visit that no campaign explains, from the kind of page that linked to it; NULL for the site itself.
create or replace temp macro referrer_channel(kind) as
    case lower(kind)
        when 'search' then 'organic_search'
        when 'social' then 'organic_social'
        when 'email' then 'email'
        when 'paid' then 'paid_search'
        when 'chatbot' then 'referral'
        when 'unknown' then 'referral'
    end;

create or replace temp macro is_bot_agent(agent) as
    regexp_matches(
        lower(agent),
        'bot\b|bot/|crawl|spider|slurp|headless|phantomjs|lighthouse|pingdom|uptime|python-requests|'
        || '^curl/|^wget/|facebookexternalhit'
    );

-- Medium of a support request, from the channel that the support system names.
create or replace temp macro support_channel(via) as
    case
        when regexp_matches(lower(via), 'mail') then 'email'
        when regexp_matches(lower(via), '^(web|help_center|mobile)') then 'web'
        when regexp_matches(lower(via), 'chat|messag|whatsapp|^line$|telegram|wechat') then 'chat'
        when regexp_matches(lower(via), 'voice|phone|call') then 'phone'
        when lower(via) = 'sms' then 'sms'
        when regexp_matches(lower(via), 'facebook|twitter|instagram') then 'social'
        else 'support'
    end;
