-- What may be written: labels without people in them, and pseudonyms of what names a person or a visit.

-- A label of at most 200 characters: the rest of a longer one is an ellipsis.
create or replace temp macro shortened(label) as
    list_transform([label], lambda l: case when length(l) > 200 then left(l, 199) || '…' else l end)[1];

-- One regular expression for all that a label may hide, so that ordinary labels cost one look.
create or replace temp macro is_suspect(label) as
    regexp_matches(
        label,
        '[@＠﹫%?;&#]|u0040|[0-9][0-9 ().\-/\x{00A0}\x{2007}\x{202F}\x{2010}-\x{2013}]{5,}[0-9]|[A-Za-z0-9_-]{32}|eyJ'
    );

-- A label (an event's name, a status, a campaign) without e-mail addresses, phone numbers, tokens and queries in it,
-- and not longer than a label may be. Bare numbers stay: campaigns and deals are called by them.
create or replace temp macro label_of(label) as
    case
        when not is_suspect(label) and length(label) <= 200 then label
        else
            -- Cut last: what is cut in two might no longer be seen for what it is.
            shortened(
                regexp_replace(
                    regexp_replace(
                        regexp_replace(
                            regexp_replace(
                                label,
                                -- The query of an address.
                                '(?:[?;&#]|%(?:25)*(?:3[fFbB]|2[36]))[^\s?]*(?:=|%(?:25)*3[dD])\S*', '', 'g'
                            ),
                            '(?:"[^"]+"|[^\s@＠﹫:/=&?;,<>"''()\[\]|]+)'
                            || '(?:@|＠|﹫|%(?:25)*40|%(?:25)*EF%(?:25)*BC%(?:25)*A0|&#0*64;|&commat;|\\u0040)'
                            || '(?:\[[^\s\]]+\]|[^\s@＠﹫:/=&?;,<>"''()\[\]|]+)',
                            ':email', 'g'
                        ),
                        -- International; with a trunk prefix; French, in pairs; North American. Blanks and
                        -- hyphens may be those at which no line breaks.
                        '(?:[+＋]|%2[bB]|\b00)(?:[ ()./\x{00A0}\x{2007}\x{202F}\x{2010}-\x{2013}-]|%20)*'
                        || '[1-9](?:(?:[ ()./\x{00A0}\x{2007}\x{202F}\x{2010}-\x{2013}-]|%20)*[0-9]){7,14}'
                        || '|\(?\b0[1-9][0-9]{1,4}(?:\)|\)?(?:[ /.\x{00A0}\x{2007}\x{202F}\x{2010}-\x{2013}-]|%20))'
                        || '[0-9 ][0-9 /.\x{00A0}\x{2007}\x{202F}\x{2010}-\x{2013}-]{4,}[0-9]'
                        || '|\b0[1-9](?:(?:[ .\x{00A0}\x{2007}\x{202F}\x{2010}-\x{2013}-]|%20)[0-9]{2}){4}\b'
                        || '|\(?\b[2-9][0-9]{2}(?:\)|\)?(?:[ .\x{00A0}\x{2007}\x{202F}\x{2010}-\x{2013}-]|%20)) ?'
                        || '[0-9]{3}(?:[ .\x{00A0}\x{2007}\x{202F}\x{2010}-\x{2013}-]|%20)[0-9]{4}\b',
                        ':phone', 'g'
                    ),
                    'eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*'
                    || '|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|[A-Za-z0-9]{32,}|[A-Za-z0-9_-]{60,}',
                    ':id', 'g'
                )
            )
    end;

-- A stable stand-in, 64 bits of a hash that only the holder of the key can make: of agents and visits, of which there
-- are many, and which need no second hash against forgery (as HMAC has it): nobody is asked to trust them.
create or replace temp macro pseudonym_of(kind, content, row_key) as
    case when content is not null then left(md5(concat_ws(chr(31), row_key, kind, content)), 16) end;

-- The id of an order, ticket or deal is what it is in its system, unless it is a person's address or number, or too
-- long to be one.
create or replace temp macro object_id_of(object_type, object_id, row_key) as
    case
        -- A person is no object: the ids of people are identifiers, and leave the batch hashed only.
        when is_person_type(coalesce(object_type, '')) then null
        when regexp_matches(
            object_id,
            '[@＠﹫]|%(?:25)*40|%(?:25)*EF%(?:25)*BC%(?:25)*A0'
            || '|^ *(?:[+＋]|%2[bB]|\b00)(?:(?:[ ()./\x{00A0}\x{2007}\x{202F}\x{2010}-\x{2013}-]|%20)*[0-9]){8,15} *$'
        ) or length(object_id) > 200
            then pseudonym_of('object', object_id, row_key)
        else object_id
    end;
