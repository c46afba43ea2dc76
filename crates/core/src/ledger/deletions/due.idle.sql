-- see whether there is work
-- In this order: only the last has to read through what is not due yet.
select case
    when exists (select 1 from {deletion} where state in ({from:Finished}) and lane {any_text:@lanes}) then 1
    when exists (select 1 from {texts:@lanes} lane where {oldest_in_lane} <= {now_once}) then 1
    when {any_to_advance} then 1
    when exists (
        select 1 from {deletion}
        where state in ({from:Claimed}) and lane {any_text:@lanes} and phase = {phase:Confirm} and fence > 0
    ) then 1
    else 0
end as busy
