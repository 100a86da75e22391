-- How many of the fields of an item are filled.
create or replace temp macro count_told(a, b, c, d, e, f, g, h, i, j, k, l) as
    cast(a is not null as integer) + cast(b is not null as integer) + cast(c is not null as integer)
    + cast(d is not null as integer) + cast(e is not null as integer) + cast(f is not null as integer)
    + cast(g is not null as integer) + cast(h is not null as integer) + cast(i is not null as integer)
    + cast(j is not null as integer) + cast(k is not null as integer) + cast(l is not null as integer);

-- Which of several deliveries of an event counts, the smallest one: the first received, then the one that tells most,
-- then by content, so that it does not depend on how the deliveries were spread over files; the place tells copies of
-- one content apart.
create or replace temp macro delivery_order(e, path) as
    row(
        coalesce(struct_extract(e, 'received_us'), 9223372036854775807),
        -struct_extract(e, 'told_count'),
        struct_extract(e, 'occurred_us'),
        struct_extract(e, 'sequence'),
        struct_extract(e, 'identity_key'),
        struct_extract(e, 'signature_id'),
        struct_extract(e, 'campaign_name'),
        struct_extract(e, 'object_id'),
        struct_extract(e, 'actor'),
        struct_extract(e, 'value'),
        struct_extract(e, 'currency'),
        struct_extract(e, 'score'),
        struct_extract(e, 'score_min'),
        struct_extract(e, 'score_max'),
        struct_extract(e, 'session_hint'),
        path,
        struct_extract(e, 'line'),
        struct_extract(e, 'item')
    );
