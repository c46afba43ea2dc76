-- end a run of a sweep
update {sweep}
set leader = null, lease_until = null, error = @error, ran_at = {now}, took_ms = @took_ms,
    cursor = {jsonb:@cursor}, found = @found, done = @done, backlog = @backlog, oldest_at = {timestamptz:@oldest_at},
    figures = case when @over then {jsonb:@figures} else figures end,
    last_run_at = case when @over then {now} else last_run_at end,
    cut_short = case when @over then 0 else cut_short + 1 end,
    stalled = case
        when @stalled or (not @over and cursor = {jsonb:@cursor}) then stalled + 1
        when @over then 0
        else stalled
    end
where name = @name and leader = @leader
returning cut_short, stalled
