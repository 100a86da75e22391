-- The touchpoint itself; an error that names the nearest ones when no event has it; NULL of NULL.
-- macro: known_touchpoint(wanted_name)
-- kind: scalar
-- argument: wanted_name  name of a touchpoint
-- example: select known_touchpoint('purchase') as touchpoint
select
    case
        when count(case when t.touchpoint = wanted_name then 1 end) > 0 then wanted_name
        else error(
                'No event has the touchpoint ''' || wanted_name || '''. Nearest: '
                || coalesce(array_to_string(
                    arg_max(t.touchpoint, jaro_winkler_similarity(lower(t.touchpoint), lower(wanted_name)), 3), ', '
                ), 'none, there are no events')
            )
    end
from touchpoints as t
