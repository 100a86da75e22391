-- Attribution: the share of the conversions that each model credits to each channel, with the Markov model's interval.
select
    channel,
    max(case when model = 'markov' then conversions end) as markov_conversions,
    max(case when model = 'markov' then share end) as markov,
    max(case when model = 'markov' then low end) as markov_low,
    max(case when model = 'markov' then high end) as markov_high,
    max(case when model = 'first' then share end) as first_share,
    max(case when model = 'last' then share end) as last_share,
    max(case when model = 'last_non_direct' then share end) as last_non_direct,
    max(case when model = 'linear' then share end) as linear,
    max(case when model = 'time_decay' then share end) as time_decay,
    max(case when model = 'position_based' then share end) as position_based,
    max(case when model = 'participation' then share end) as participation,
    max(case when model = 'shapley' then share end) as shapley
from attribution
where channel is not null
group by channel
order by markov desc nulls last, channel
