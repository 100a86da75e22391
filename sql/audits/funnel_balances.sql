-- In every stage: entered = converted + dropped off + open; and nobody enters a stage who did not enter the one before.
-- severity: stop
with followed as (
    select
        unit,
        stage,
        entered,
        converted,
        dropped_off,
        "open",
        lead(entered) over (partition by unit order by stage_number) as next_entered
    from stage_funnel
)

select
    unit,
    stage,
    entered,
    converted,
    dropped_off,
    "open",
    next_entered
from followed
where entered <> converted + dropped_off + "open"
    or (next_entered is not null and converted <> next_entered)
