-- What a touchpoint's name is, and what its words tell.

-- Names between double underscores (__start__, __end__, ...) are those of the boundaries that transitions and flows
-- have beside touchpoints: an event of such a name would be counted as one of them.
create or replace temp macro touchpoint_of(name) as
    case when name like '/_/_%/_/_' escape '/' then name || ' (event)' else name end;

-- Without a rule the words of a touchpoint's name tell its stage; the more specific stage wins.

create or replace temp macro stage_of_words(words) as
    case
        when regexp_matches(
            words,
            '(write|leave|post|submit|wrote) ?(a )?review|refer (a )?friend|^refer|recommend|'
            || 'testimonial|^share|advoca'
        ) then 'advocacy'
        when regexp_matches(
            words,
            'purchase|checkout|payment|shipping|transaction|deal won|\bbuy|\border|subscribed|\bpaid\b|'
            || 'invoice'
        ) then 'purchase'
        when regexp_matches(
            words,
            'log ?in|sign ?in|account|support|ticket|\bhelp\b|faq|renew|return|refund|complain|'
            || 'unsubscrib|survey|satisf|chat|customer reply|\bcall|onboard|usage'
        ) then 'retention'
        when regexp_matches(
            words,
            'product|catalog|\bitem|cart|search|filter|compar|pric|demo|quote|wish|categor|detail|lead|'
            || 'form|deal|review|feature|trial|sign ?up|contact us'
        ) then 'consideration'
        when regexp_matches(
            words,
            'home|landing|blog|\bad\b|advert|campaign|newsletter|promo|email|visit|impression|page /$|'
            || 'page$'
        ) then 'awareness'
    end;
