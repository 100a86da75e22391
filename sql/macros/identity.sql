-- Identifiers: normal form, keyed hash, and values that name nobody.

create or replace temp macro without_blanks_around(content) as
    regexp_replace(content, '^[\s\x{00A0}\x{200B}\x{FEFF}]+|[\s\x{00A0}\x{200B}\x{FEFF}]+$', '', 'g');

create or replace temp macro identifier_normal(kind, content) as
    case
        when kind = 'email' then lower(without_blanks_around(content))
        when kind = 'phone' then phone_e164(without_blanks_around(content))
        else without_blanks_around(content)
    end;

-- HMAC-SHA-256 (RFC 2104) of '<kind>:<normal form>', the first 128 bits; the pads are the key xor 0x36 and 0x5c.
create or replace temp macro identifier_hash_of(kind, normal, inner_pad, outer_pad) as
    cast(sha256(outer_pad || unhex(sha256(inner_pad || encode(kind || ':' || normal))))[:32] as uuid);

-- Lower is more specific to one person.
create or replace temp macro identifier_specificity(kind) as
    case kind
        when 'user_id' then 1
        when 'contact_id' then 2
        when 'requester_id' then 2
        when 'email' then 3
        when 'phone' then 4
        when 'cookie' then 5
        else 6
    end;

create or replace temp macro is_poisoned(kind, normal) as
    regexp_matches(
        lower(normal),
        '^(|-|null|\(null\)|nil|none|undefined|unknown|anonymous|guest|n/?a|nan|not set|'
        || '\(not set\)|false|true|0{3,}|0{8}-0{4}-0{4}-0{4}-0{12}|\+?(0+|1234567890?))$'
    )
    or (kind = 'email' and (
        not regexp_matches(lower(normal), '^[^@ ]+@[^@ ]+$')
        or regexp_matches(lower(normal), '^(test|no-?reply|donotreply|example|none|null|undefined|na)@')
    ))
    -- An extension or a short code, which many have, and one digit again and again.
    or (kind = 'phone' and (
        length(ltrim(normal, '+')) < 6
        or replace(ltrim(normal, '+'), right(normal, 1), '') = ''
    ));

-- Objects that are people: their ids are identifiers.
create or replace temp macro is_person_type(object_type) as
    regexp_matches(
        lower(object_type),
        '^(contact|user|person|people|lead|customer|client|member|subscriber|profile|recipient|requester|visitor)s?$'
    );
