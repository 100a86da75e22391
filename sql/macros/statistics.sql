-- Statistics of rows. Rates: the Wilson score interval (Wilson 1927), two-sided 95 %; NULL without anything to rate.

-- Above a limit by more than the rounding of what computed it: what lies at the limit does not exceed it.
create or replace temp macro exceeds(number, bound) as number > bound + 1e-9 * greatest(1, abs(bound));

create or replace temp macro rate(part, whole) as part / nullif(cast(whole as double), 0);

create or replace temp macro wilson_low(part, whole) as
    case when whole > 0 then greatest(0, (
        part + 1.920729410347062
        - 1.959963984540054 * sqrt(part * ((whole - part) / cast(whole as double)) + 0.960364705173531)
    ) / (whole + 3.841458820694124)) end;

create or replace temp macro wilson_high(part, whole) as
    case when whole > 0 then least(1, (
        part + 1.920729410347062
        + 1.959963984540054 * sqrt(part * ((whole - part) / cast(whole as double)) + 0.960364705173531)
    ) / (whole + 3.841458820694124)) end;

-- CSAT counts the top two answers; of a scale with fewer than four answers the top one.
create or replace temp macro lowest_top_answer(lowest, highest) as
    highest - cast(highest - lowest >= 3 as integer);

-- Amounts and scores are finite; beyond this no sum of them would be exact.
create or replace temp macro is_amount(number) as number is null or (isfinite(number) and abs(number) < 1e13);
