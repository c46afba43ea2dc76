-- list sweeps
select name, leader, {iso:lease_until} as lease_until, {iso:ran_at} as ran_at, {ms_since:ran_at} as idle_ms, took_ms,
    {iso:last_run_at} as passed_at, found, done, backlog, {ms_since:oldest_at} as oldest_ms, cut_short, stalled, error,
    {text:figures} as figures
from {sweep}
order by name
