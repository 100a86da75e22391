-- All transitions, shown or not.
select
    count(*) as pair_count,
    coalesce(sum(transition_count), 0) as transition_count
from transitions
