-- Models of attribution that the data cannot answer, and why.
select
    model,
    note
from attribution
where channel is null
order by model
