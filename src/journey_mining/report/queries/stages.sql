-- The stages in their order.
select
    stage,
    stage_number
from stages
order by stage_number
