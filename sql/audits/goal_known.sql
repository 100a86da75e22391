-- The goal is the touchpoint of an event or of a rule, or a stage; otherwise nothing converts.
-- severity: warn
with named as (
    select touchpoint as found_name
    from touchpoint_signatures
    union
    select touchpoint as found_name
    from touchpoint_rules
    union
    select stage as found_name
    from stages
),

measured as (
    select
        found_name,
        levenshtein(found_name, $goal) as edit_count,
        length($goal) as letter_count
    from named
    where found_name is not null
)

select
    $goal as goal,
    coalesce(
        string_agg(found_name, ' or ' order by edit_count, found_name) filter (where 3 * edit_count <= letter_count),
        'nothing'
    ) as similar_names
from measured
having min(edit_count) > 0
