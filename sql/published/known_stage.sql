-- The stage itself; an error that names the stages when there is no such one; NULL of NULL.
-- macro: known_stage(wanted_stage)
-- kind: scalar
-- argument: wanted_stage  name of a stage
-- example: select known_stage('purchase') as stage
select
    case
        when count(case when s.stage = wanted_stage then 1 end) > 0 then wanted_stage
        else error(
                'There is no stage ''' || wanted_stage || '''. There are: '
                || coalesce(string_agg(s.stage, ', ' order by s.stage_number), 'none')
            )
    end
from stages as s
